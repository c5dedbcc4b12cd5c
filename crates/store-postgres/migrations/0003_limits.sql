-- What is limited: who holds a slot of what, and how many do.
-- Reason: a limit holds for all processes, so its count is a row that the commits of slots lock, last of
--   all that they write. A slot has a row of its own, so that its holder can be named and nothing is
--   freed twice.
-- Locks: none that matter, the tables are new and replacing a function blocks nobody.
-- The shard of both tables is the limit's own (a hash of its name): one node counts it.

create table limited (
    shard smallint not null,
    name text collate "C" not null,
    in_use bigint not null,
    -- The record of a rate, and how often it was written.
    window_version bigint not null default 0,
    window_body bytea not null default '',
    primary key (shard, name)
) with (
    fillfactor = 50, -- each commit under a limit updates its row: in place while there is room
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_threshold = 100,
    autovacuum_vacuum_cost_delay = 0
);
alter table limited alter column window_body set storage plain;

create table slot (
    shard smallint not null, -- of the limit
    name text collate "C" not null,
    execution_id uuid not null,
    seq int not null,
    primary key (shard, name, execution_id, seq)
) with (
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);

-- Moves slots and windows, or raises and writes nothing:
--   BT006 a limit is exceeded   BT007 a window is not the expected one
-- Answers how many slots are held of each limit, in the order of limit_name, which names all limits
-- that are moved, sorted by shard and name, each once. limit_count says how many more are held if all
-- slots move as the batch says, which is the rule; where one was held or free already, the rows are
-- counted. The rows of limits are locked in the order of their key, after all others, so what is counted
-- under their locks is all there is.
create function baton_move_slots(
    p_shard smallint,
    -- the limits; a null most allows any number
    limit_shard smallint[], limit_name text[], limit_count bigint[], limit_most bigint[],
    -- slots that are taken
    taken_shard smallint[], taken_name text[], taken_id uuid[], taken_seq int[],
    -- slots that are freed
    freed_shard smallint[], freed_name text[], freed_id uuid[], freed_seq int[],
    -- windows
    window_shard smallint[], window_name text[], window_version bigint[], window_body bytea[]
) returns bigint[]
language plpgsql
as $$
#variable_conflict use_column
declare
    held bigint[];
    moved bigint;
    is_plain boolean := true;
begin
    if taken_name is not null then
        insert into slot (shard, name, execution_id, seq)
        select * from unnest(taken_shard, taken_name, taken_id, taken_seq)
        on conflict do nothing;
        get diagnostics moved = row_count;
        is_plain := moved = cardinality(taken_name);
    end if;
    if freed_name is not null then
        delete from slot s
        using unnest(freed_shard, freed_name, freed_id, freed_seq) as f (shard, name, id, seq)
        where (p_shard is null or s.shard = p_shard)
            and s.shard = f.shard and s.name = f.name and s.execution_id = f.id and s.seq = f.seq;
        get diagnostics moved = row_count;
        is_plain := is_plain and moved = cardinality(freed_name);
    end if;
    with counted as (
        insert into limited as l (shard, name, in_use)
        select * from unnest(limit_shard, limit_name, limit_count)
        on conflict (shard, name) do update set in_use = l.in_use + excluded.in_use
        returning l.shard, l.name, l.in_use
    )
    select array_agg(c.in_use order by c.shard, c.name) into held from counted c;
    if not is_plain then
        with counted as (
            update limited l
            set in_use = (
                select count(*) from slot s where s.shard = l.shard and s.name = l.name
            )
            from unnest(limit_shard, limit_name) as n (shard, name)
            where (p_shard is null or l.shard = p_shard) and l.shard = n.shard and l.name = n.name
            returning l.shard, l.name, l.in_use
        )
        select array_agg(c.in_use order by c.shard, c.name) into held from counted c;
    end if;
    for place in 1 .. cardinality(held) loop
        if held[place] > limit_most[place] then
            raise sqlstate 'BT006' using message = 'a limit is exceeded';
        end if;
    end loop;

    if window_name is not null then
        update limited l
        set window_version = l.window_version + 1, window_body = w.body
        from unnest(
            baton_move_slots.window_shard, baton_move_slots.window_name,
            baton_move_slots.window_version, baton_move_slots.window_body
        ) as w (shard, name, version, body)
        where (p_shard is null or l.shard = p_shard)
            and l.shard = w.shard and l.name = w.name and l.window_version = w.version;
        get diagnostics moved = row_count;
        if moved <> cardinality(window_name) then
            raise sqlstate 'BT007' using message = 'a window is not the expected one';
        end if;
    end if;
    return held;
end
$$;

-- As in 0002, and an execution that is removed holds no slot. Only one that cannot be decided can hold
-- any by then; they are found by one pass over what is held, which is little.
create or replace function baton_remove(p_own_shard smallint, p_id uuid, p_version bigint)
returns boolean
language plpgsql
as $$
begin
    delete from execution where shard = p_own_shard and id = p_id and version = p_version;
    if not found then
        return false;
    end if;
    delete from journal where shard = p_own_shard and execution_id = p_id;
    delete from snapshot where shard = p_own_shard and execution_id = p_id;
    delete from task_log where shard = p_own_shard and execution_id = p_id;
    delete from idempotency where execution_id = p_id;
    delete from ready where shard = p_own_shard and execution_id = p_id;
    delete from message where to_id = p_id;
    with freed as (
        delete from slot where execution_id = p_id returning shard, name
    ), counts as (
        select f.shard, f.name, count(*) as count from freed f group by f.shard, f.name
    )
    update limited l
    set in_use = l.in_use - c.count
    from counts c
    where l.shard = c.shard and l.name = c.name;
    return true;
end
$$;

-- As in 0002, and from each lane of a demanded queue: the names that begin with the queue's and the
-- separator chr(31). The recursion steps from one lane to the next in the order of the key; a queue
-- without lanes costs one look.
create or replace function baton_reserve_ready(
    p_shard smallint, p_queue text[], p_count bigint[], p_reserve_ms bigint
) returns table (
    queue text, priority_rank smallint, ready_at bigint, execution_id uuid, seq int
)
language plpgsql
as $$
#variable_conflict use_column
declare
    p_now bigint := baton_now();
begin
    perform set_config('synchronous_commit', 'off', true);
    return query
    with recursive demand as (
        select d.queue collate "C" as base, d.queue collate "C" as queue, d.wanted, 0 as lane
        from unnest(p_queue, p_count) as d (queue, wanted)
        union all
        select d.base, n.queue, d.wanted, d.lane + 1
        from demand d,
            lateral (
                select r.queue
                from ready r
                where (p_shard is null or r.shard = p_shard)
                    and r.queue > d.queue
                    and r.queue > d.base || chr(31) and r.queue < d.base || chr(32)
                order by r.queue
                limit 1
            ) n
        where d.lane < 1000
    ), picked as materialized (
        select p.*
        from demand,
            lateral (
                select r.queue, r.priority_rank, r.ready_at, r.execution_id, r.seq, r.shard
                from ready r
                where (p_shard is null or r.shard = p_shard)
                    and r.queue = demand.queue and r.reserved_until <= p_now
                order by r.priority_rank, r.ready_at, r.execution_id, r.seq, r.shard
                limit demand.wanted
                for update skip locked
            ) p
    ), reserved as (
        update ready r
        set reserved_until = p_now + p_reserve_ms
        from picked p
        where (p_shard is null or r.shard = p_shard)
            and r.queue = p.queue and r.priority_rank = p.priority_rank
            and r.ready_at = p.ready_at and r.execution_id = p.execution_id and r.seq = p.seq
            and r.shard = p.shard
        returning r.queue, r.priority_rank, r.ready_at, r.execution_id, r.seq
    )
    select r.queue, r.priority_rank, r.ready_at, r.execution_id, r.seq
    from reserved r
    order by r.priority_rank, r.ready_at, r.execution_id, r.seq;
end
$$;
