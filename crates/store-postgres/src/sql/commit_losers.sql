-- Why a batch lost in shard $1 (null = any), asked after its transaction is undone: kind 0, versions
-- that are not the expected ones ($2 to $4; 0 = must not exist); kind 1, idempotency keys that
-- another holds ($5 to $8: shard of the key, name, key, newborn); kind 2, definitions newer than $9.
select 0::smallint as kind, w.id as id, null::uuid as holder
from unnest($2::smallint[], $3::uuid[], $4::bigint[]) as w (shard, id, version)
left join execution e
    on ($1::smallint is null or e.shard = $1) and e.shard = w.shard and e.id = w.id
where coalesce(e.version, 0) <> w.version
union all
select 1::smallint, k.id, i.execution_id
from unnest($5::smallint[], $6::text[], $7::text[], $8::uuid[]) as k (shard, workflow_name, key, id)
join idempotency i
    on ($1::smallint is null or i.shard = $1)
    and i.shard = k.shard and i.workflow_name = k.workflow_name and i.key = k.key
where i.execution_id <> k.id
union all
select 2::smallint, null::uuid, null::uuid
from definition_revision
where revision > $9::bigint
