-- Rows, snapshots and journal entries of many executions of shard $1 (null = any), as of one moment. A
-- row of the answer is an execution (status is not null), its newest snapshot or one of the journal
-- entries after that, so that a large input is not sent again with each entry. n is the request's
-- place; a null version asks for no entries.
with request as (
    select * from unnest($2::smallint[], $3::uuid[], $4::bigint[], $5::bigint[])
        as r (shard, id, after, n)
)
select
    r.n, e.version, e.overview as body, e.status, e.id, e.waits, e.wake_at, e.ended_at,
    e.updated_at, e.workflow_name, e.workflow_version, e.correlation_id, e.created_at, e.parent,
    e.parent_seq, e.plan, e.input, false as is_snapshot
from request r
join execution e
    on ($1::smallint is null or e.shard = $1) and e.shard = r.shard and e.id = r.id
union all
select
    r.n, s.version, s.body, null, null, null, null, null,
    null, null, null, null, null, null,
    null, null, null, true
from request r
join snapshot s
    on ($1::smallint is null or s.shard = $1)
    and s.shard = r.shard and s.execution_id = r.id and s.version > r.after
union all
select
    r.n, j.version, j.body, null, null, null, null, null,
    null, null, null, null, null, null,
    null, null, null, false
from request r
left join snapshot s
    on ($1::smallint is null or s.shard = $1)
    and s.shard = r.shard and s.execution_id = r.id and s.version > r.after
join journal j
    on ($1::smallint is null or j.shard = $1)
    and j.shard = r.shard and j.execution_id = r.id and j.version > coalesce(s.version, r.after)
