-- What an explanation reads of shard $1 (null = any), as one statement because one statement is one
-- snapshot: executions, snapshots and entries as load.sql has them ($2 to $5), places of ready tasks in
-- their queues ($6 to $11), each counted along the key up to $12 rows, and the last polls of task
-- types $13, which are the same in every shard.
with request as (
    select * from unnest($2::smallint[], $3::uuid[], $4::bigint[], $5::bigint[])
        as r (shard, id, after, n)
), key as (
    select * from unnest(
        $6::text[], $7::smallint[], $8::bigint[], $9::uuid[], $10::int[], $11::smallint[]
    ) with ordinality as k (queue, rank, at, id, seq, shard, n)
)
select
    'execution' as kind, r.n, e.version, e.overview as body, e.status, e.id, e.waits, e.wake_at,
    e.ended_at, e.updated_at, e.workflow_name, e.workflow_version, e.correlation_id, e.created_at,
    e.parent, e.parent_seq, e.plan, e.input,
    null::bigint as ahead, null::bigint as size, null::boolean as is_ready,
    null::text as task_type, null::text as domain, null::text as worker, null::bigint as at,
    false as is_snapshot
from request r
join execution e
    on ($1::smallint is null or e.shard = $1) and e.shard = r.shard and e.id = r.id
union all
select
    'execution', r.n, s.version, s.body, null, null, null, null,
    null, null, null, null, null, null,
    null, null, null, null,
    null, null, null,
    null, null, null, null,
    true
from request r
join snapshot s
    on ($1::smallint is null or s.shard = $1)
    and s.shard = r.shard and s.execution_id = r.id and s.version > r.after
union all
select
    'execution', r.n, j.version, j.body, null, null, null, null,
    null, null, null, null, null, null,
    null, null, null, null,
    null, null, null,
    null, null, null, null,
    false
from request r
left join snapshot s
    on ($1::smallint is null or s.shard = $1)
    and s.shard = r.shard and s.execution_id = r.id and s.version > r.after
join journal j
    on ($1::smallint is null or j.shard = $1)
    and j.shard = r.shard and j.execution_id = r.id and j.version > coalesce(s.version, r.after)
union all
select
    'place', k.n, null, null, null, null, null, null,
    null, null, null, null, null, null,
    null, null, null, null,
    (
        select count(*)
        from (
            select from ready f
            where ($1::smallint is null or f.shard = $1) and f.queue = k.queue
                and (f.priority_rank, f.ready_at, f.execution_id, f.seq, f.shard)
                    < (k.rank, k.at, k.id, k.seq, k.shard)
            limit $12
        ) f
    ),
    (
        select count(*)
        from (
            select from ready f
            where ($1::smallint is null or f.shard = $1) and f.queue = k.queue
            limit $12
        ) f
    ),
    exists (
        select from ready o
        where ($1::smallint is null or o.shard = $1) and o.queue = k.queue
            and o.priority_rank = k.rank and o.ready_at = k.at
            and o.execution_id = k.id and o.seq = k.seq and o.shard = k.shard
    ),
    null, null, null, null,
    false
from key k
union all
select
    'poll', null, null, null, null, null, null, null,
    null, null, null, null, null, null,
    null, null, null, null,
    null, null, null,
    p.task_type, p.domain, p.worker, p.at,
    false
from poll p
where p.task_type = any ($13::text[])
