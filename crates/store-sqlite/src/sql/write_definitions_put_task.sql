-- Creates or replaces.
insert into task_definition (name, revision, body)
values (?1, ?2, ?3)
on conflict (name) do update
set revision = excluded.revision, body = excluded.body
