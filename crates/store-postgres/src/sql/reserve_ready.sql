-- Names ready tasks of queues $2 in shard $1 (null = any), at most $3 of each, and hides them for
-- $4 milliseconds, most urgent first.
select queue, priority_rank, ready_at, execution_id, seq
from baton_reserve_ready($1, $2, $3, $4)
