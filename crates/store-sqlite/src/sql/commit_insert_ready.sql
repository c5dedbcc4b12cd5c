-- The same task in the same place twice is one row.
insert into ready (queue, priority, ready_at, task)
values (?1, ?2, ?3, ?4)
on conflict do nothing
