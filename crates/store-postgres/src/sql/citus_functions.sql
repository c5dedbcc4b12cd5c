-- Lets the functions of the hot path run whole on the node that holds the shard they name, and puts
-- the others on every node. What is so already is left alone: any node may ask, only the coordinator
-- may change it.
with ours as (
    select oid, oid::regprocedure as name, coalesce(proargnames[1] = 'p_shard', false)
        and proargtypes[0] = 'smallint'::regtype as names_a_shard
    from pg_proc
    where pronamespace = current_schema()::regnamespace and proname like 'baton\_%'
)
select case
    when names_a_shard then
        create_distributed_function(name, 'p_shard', colocate_with => 'execution')
    else create_distributed_function(name)
end
from ours
where not exists (
    select
    from pg_dist_object o
    where o.classid = 'pg_proc'::regclass and o.objid = ours.oid
        and (o.distribution_argument_index is not null or not names_a_shard)
)
