-- What is limited: who holds a slot of what, and how many do.
-- Takes the whole file for a moment; the tables are new.

-- The count of a limit's slots, kept in the commits that move them, and its record of a rate.
create table limited (
    name text primary key not null,
    in_use integer not null,
    window_version integer not null default 0,
    window blob not null default x''
) strict, without rowid;

create table slot (
    name text not null,
    task blob not null check (length(task) = 16),
    primary key (name, task)
) strict, without rowid;
