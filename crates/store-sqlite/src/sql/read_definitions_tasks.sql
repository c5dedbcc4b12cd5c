-- Tombstones included: their body is null.
select name, body
from task_definition
where revision > ?1
order by name
