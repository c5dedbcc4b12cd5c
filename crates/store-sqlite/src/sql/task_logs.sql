-- Oldest first, through the index.
select at, line
from task_log
where task = ?1
order by at, serial
limit ?2
