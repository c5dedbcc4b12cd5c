-- A tombstone, for those who read what changed; no row means that it is not there.
update task_definition
set revision = ?2, body = null
where name = ?1 and body is not null
