-- Why a batch lost in shard $1 (null = any), asked after its transaction is undone: kind 0, versions
-- that are not the expected ones ($2 to $4; 0 = must not exist); kind 1, idempotency keys that
-- another holds ($5 to $8: shard of the key, name, key, new execution); kind 2, definitions newer than $9;
-- kind 3, messages that are not there ($10 to $13).
select
    0::smallint as kind, w.id as id, null::uuid as holder, null::bigint as version,
    null::int as number
from unnest($2::smallint[], $3::uuid[], $4::bigint[]) as w (shard, id, version)
left join execution e
    on ($1::smallint is null or e.shard = $1) and e.shard = w.shard and e.id = w.id
where coalesce(e.version, 0) <> w.version
union all
select 1::smallint, k.id, i.execution_id, null, null
from unnest($5::smallint[], $6::text[], $7::text[], $8::uuid[]) as k (shard, workflow_name, key, id)
join idempotency i
    on ($1::smallint is null or i.shard = $1)
    and i.shard = k.shard and i.workflow_name = k.workflow_name and i.key = k.key
where i.execution_id <> k.id
union all
select 2::smallint, null, null, null, null
from definition_revision
where revision > $9::bigint
union all
select 3::smallint, d.id, null, d.version, d.number
from unnest($10::smallint[], $11::uuid[], $12::bigint[], $13::int[])
    as d (shard, id, version, number)
where not exists (
    select from message m
    where ($1::smallint is null or m.shard = $1)
        and m.shard = d.shard and m.from_id = d.id and m.version = d.version
        and m.number = d.number
)
