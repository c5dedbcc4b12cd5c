-- The newest snapshot, when it is newer than what the caller has.
select version, body
from execution_snapshot
where execution = ?1 and version > ?2
