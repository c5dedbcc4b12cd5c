-- Rows and journal entries of many executions of shard $1 (null = any) from one snapshot. A row of
-- the answer is either an execution (status is not null) or one of its journal entries, so that a
-- large input is not sent again with each entry. n is the request's place; a null version asks for
-- no entries.
with request as (
    select * from unnest($2::smallint[], $3::uuid[], $4::bigint[], $5::bigint[])
        as r (shard, id, after, n)
)
select
    r.n, e.version, e.overview as body, e.status, e.id, e.waits, e.wake_at, e.ended_at,
    e.updated_at, e.workflow_name, e.workflow_version, e.correlation_id, e.created_at, e.parent,
    e.parent_seq, e.plan, e.input
from request r
join execution e
    on ($1::smallint is null or e.shard = $1) and e.shard = r.shard and e.id = r.id
union all
select
    r.n, j.version, j.body, null, null, null, null, null,
    null, null, null, null, null, null,
    null, null, null
from request r
join journal j
    on ($1::smallint is null or j.shard = $1)
    and j.shard = r.shard and j.execution_id = r.id and j.version > r.after
