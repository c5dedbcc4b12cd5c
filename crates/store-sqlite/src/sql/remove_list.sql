-- The same id twice is one.
insert into temp.removed (id)
values (?1)
on conflict (id) do nothing
