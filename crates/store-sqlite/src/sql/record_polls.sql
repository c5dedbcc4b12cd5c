-- A poll that arrives late does not hide a later one.
insert into poll (task_type, domain, worker, at)
values (?1, ?2, ?3, ?4)
on conflict (task_type, domain) do update
set worker = excluded.worker, at = excluded.at
where excluded.at >= poll.at
