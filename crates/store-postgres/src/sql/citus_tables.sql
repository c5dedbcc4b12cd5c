-- Cuts the tables of executions by shard, all alike, so that one node holds all of a shard; copies
-- the tables that every shard's commits read to every node. Done again it changes nothing.
-- 48 parts for 64 shards: by the extension's hash at most 4 shards share a part, so up to 16 nodes can
-- have equal shares (docs/scale.md), and a search over all has no more tables to ask than needed.
do $$
declare
    name text;
begin
    foreach name in array array[
        'execution', 'journal', 'snapshot', 'ready', 'message', 'idempotency', 'task_log',
        'limited', 'slot'
    ]
    loop
        if not exists (select from pg_dist_partition where logicalrelid = name::regclass) then
            perform case name
                when 'execution' then create_distributed_table(name, 'shard', shard_count => 48)
                else create_distributed_table(name, 'shard', colocate_with => 'execution')
            end;
        end if;
    end loop;
    foreach name in array array[
        'plan', 'definition_revision', 'workflow_definition', 'task_definition', 'poll',
        'baton_migration'
    ]
    loop
        if not exists (select from pg_dist_partition where logicalrelid = name::regclass) then
            perform create_reference_table(name);
        end if;
    end loop;
end
$$
