-- Lines of task $3 of execution $2 in shard $1, oldest first, at most $4.
select at, line
from task_log
where shard = $1 and execution_id = $2 and seq = $3
order by at, number
limit $4
