-- A tombstone, for those who read what changed; no row means that it is not there.
update workflow_definition
set revision = ?3, body = null
where name = ?1 and version = ?2 and body is not null
