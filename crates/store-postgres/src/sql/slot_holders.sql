-- Who holds slots of limit $2 in shard $1, at most $3 of them.
select execution_id, seq
from slot
where shard = $1 and name = $2
order by execution_id, seq
limit $3
