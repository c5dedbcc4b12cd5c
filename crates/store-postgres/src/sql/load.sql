-- Rows and journal entries of many executions from one snapshot. A row of the answer is either an
-- execution (status is not null) or one of its journal entries, so that a large input is not sent
-- again with each entry. n is the request's place from 1; a null version asks for no entries.
with request as (
    select * from unnest($1::smallint[], $2::uuid[], $3::bigint[])
        with ordinality as r (shard, id, after, n)
)
select
    r.n, e.version, e.overview as body, e.status, e.id, e.waits, e.wake_at, e.ended_at,
    e.updated_at, e.workflow_name, e.workflow_version, e.correlation_id, e.created_at, e.parent,
    e.parent_seq, e.plan, e.input
from request r
join execution e on e.shard = r.shard and e.id = r.id
union all
select
    r.n, j.version, j.body, null, null, null, null, null,
    null, null, null, null, null, null,
    null, null, null
from request r
join journal j on j.shard = r.shard and j.execution_id = r.id and j.version > r.after
