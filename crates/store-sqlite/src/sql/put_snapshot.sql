-- In place of an older snapshot, unless the execution is gone or has not come to this version.
insert into execution_snapshot (execution, version, body)
select serial, ?2, ?3
from execution
where id = ?1 and version >= ?2
on conflict (execution) do update
set version = excluded.version,
    body = excluded.body
where excluded.version > execution_snapshot.version
