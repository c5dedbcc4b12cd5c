-- Which migrations this file has had; the one table that no migration makes.
create table if not exists schema_migration (
    number integer primary key,
    name text not null,
    checksum blob not null,
    applied_at integer not null
) strict
