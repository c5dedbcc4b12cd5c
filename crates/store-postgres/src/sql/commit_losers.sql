-- Why a batch lost, asked after its transaction is undone: kind 0, versions that are not the
-- expected ones ($1 to $3; 0 = must not exist); kind 1, idempotency keys that another holds ($4 to
-- $6: name, key, newborn); kind 2, definitions newer than $7.
select 0::smallint as kind, w.id as id, null::uuid as holder
from unnest($1::smallint[], $2::uuid[], $3::bigint[]) as w (shard, id, version)
left join execution e on e.shard = w.shard and e.id = w.id
where coalesce(e.version, 0) <> w.version
union all
select 1::smallint, k.id, i.execution_id
from unnest($4::text[], $5::text[], $6::uuid[]) as k (workflow_name, key, id)
join idempotency i on i.workflow_name = k.workflow_name and i.key = k.key
where i.execution_id <> k.id
union all
select 2::smallint, null::uuid, null::uuid
from definition_revision
where revision > $7::bigint
