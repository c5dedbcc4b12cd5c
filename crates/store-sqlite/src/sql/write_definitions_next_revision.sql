-- Every change of the definitions takes this row.
update definition_revision
set revision = revision + 1
where id = 1
returning revision
