-- Tombstones included: their body is null.
select name, version, body
from workflow_definition
where revision > ?1
order by name, version
