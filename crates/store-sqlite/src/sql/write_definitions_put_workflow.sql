-- No row means that it is there (a tombstone is not) and may not be replaced (?5 is 0).
insert into workflow_definition (name, version, revision, body)
values (?1, ?2, ?3, ?4)
on conflict (name, version) do update
set revision = excluded.revision, body = excluded.body
where ?5 or workflow_definition.body is null
