-- What an explanation reads, as one statement because one statement is one snapshot: executions and
-- journal entries as load.sql has them ($1 to $3), places of ready tasks in their queues ($4 to $9),
-- each counted along the key up to $10 rows, and the last polls of task types $11.
with request as (
    select r.shard, r.id, r.after, r.place - 1 as n
    from unnest($1::smallint[], $2::uuid[], $3::bigint[])
        with ordinality as r (shard, id, after, place)
), key as (
    select * from unnest($4::text[], $5::smallint[], $6::bigint[], $7::uuid[], $8::int[], $9::smallint[])
        with ordinality as k (queue, rank, at, id, seq, shard, n)
)
select
    'execution' as kind, r.n, e.version, e.overview as body, e.status, e.id, e.waits, e.wake_at,
    e.ended_at, e.updated_at, e.workflow_name, e.workflow_version, e.correlation_id, e.created_at,
    e.parent, e.parent_seq, e.plan, e.input,
    null::bigint as ahead, null::bigint as size,
    null::text as task_type, null::text as domain, null::text as worker, null::bigint as at
from request r
join execution e on e.shard = r.shard and e.id = r.id
union all
select
    'execution', r.n, j.version, j.body, null, null, null, null,
    null, null, null, null, null, null,
    null, null, null, null,
    null, null,
    null, null, null, null
from request r
join journal j on j.shard = r.shard and j.execution_id = r.id and j.version > r.after
union all
select
    'place', k.n, null, null, null, null, null, null,
    null, null, null, null, null, null,
    null, null, null, null,
    (
        select count(*)
        from (
            select from ready f
            where f.queue = k.queue
                and (f.priority_rank, f.ready_at, f.execution_id, f.seq, f.shard)
                    < (k.rank, k.at, k.id, k.seq, k.shard)
            limit $10
        ) f
    ),
    (select count(*) from (select from ready f where f.queue = k.queue limit $10) f),
    null, null, null, null
from key k
join ready o on o.queue = k.queue and o.priority_rank = k.rank and o.ready_at = k.at
    and o.execution_id = k.id and o.seq = k.seq and o.shard = k.shard
union all
select
    'poll', null, null, null, null, null, null, null,
    null, null, null, null, null, null,
    null, null, null, null,
    null, null,
    p.task_type, p.domain, p.worker, p.at
from poll p
where p.task_type = any ($11::text[])
