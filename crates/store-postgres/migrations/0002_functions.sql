-- The functions that write several tables in one round trip.
-- Reason: one call is one transaction, one flight and one parse of its arrays; a raise undoes all.
-- Locks: none, creating functions blocks nobody.
-- They select, fence and write what they are given; they compute no state.
-- p_shard: null = rows of any shard, in one statement each. Where the tables are distributed, each
--   call names its one shard, so that it and all its statements run whole on the node that has it.

-- Milliseconds since 1970 by this server's clock.
create function baton_now() returns bigint
language sql volatile parallel safe
as $$ select (extract(epoch from clock_timestamp()) * 1000)::bigint $$;

-- Commits a batch, or raises and writes nothing:
--   BT001 a version is not the expected one   BT002 the definitions are newer
--   BT005 a message is not there: another process has delivered it
--   23505 on execution_pkey it exists already  23505 on idempotency_pkey a key is used
-- An empty section comes as nulls and costs one test. What comes is written before what goes, so
-- what comes and goes in one batch leaves nothing. Rows are locked in the order of sections and
-- by key inside a section, the same in every lane: so lanes never deadlock.
create function baton_commit(
    -- the batch
    p_shard smallint, p_at bigint, p_revision bigint,
    -- pinned definitions
    plan_hash bytea[], plan_body bytea[],
    -- steps of executions that exist
    step_shard smallint[], step_id uuid[], step_version bigint[], step_status smallint[],
    step_waits smallint[], step_wake_at bigint[], step_ended_at bigint[], step_overview bytea[],
    step_journal bytea[],
    -- new index columns or input for some of them; a null index keeps the old one, as a null input
    new_shard smallint[], new_id uuid[], new_workflow_name text[], new_workflow_version int[],
    new_correlation_id text[], new_created_at bigint[], new_parent uuid[], new_parent_seq int[],
    new_plan bytea[], new_input bytea[],
    -- new executions
    start_shard smallint[], start_id uuid[], start_status smallint[], start_waits smallint[],
    start_wake_at bigint[], start_ended_at bigint[], start_workflow_name text[],
    start_workflow_version int[], start_correlation_id text[], start_created_at bigint[],
    start_parent uuid[], start_parent_seq int[], start_plan bytea[], start_input bytea[],
    start_overview bytea[], start_journal bytea[],
    -- their idempotency keys
    key_shard smallint[], key_workflow_name text[], key_key text[], key_id uuid[],
    -- ready rows that come
    ready_queue text[], ready_rank smallint[], ready_at bigint[], ready_id uuid[], ready_seq int[],
    ready_shard smallint[],
    -- ready rows that go
    gone_queue text[], gone_rank smallint[], gone_at bigint[], gone_id uuid[], gone_seq int[],
    gone_shard smallint[],
    -- messages that come
    sent_shard smallint[], sent_from uuid[], sent_version bigint[], sent_number int[],
    sent_to_shard smallint[], sent_to uuid[], sent_body bytea[],
    -- messages that go
    done_shard smallint[], done_from uuid[], done_version bigint[], done_number int[],
    -- how many messages that is
    done_count int
) returns void
language plpgsql
as $$
#variable_conflict use_column
declare
    moved bigint;
    gone bigint;
begin
    if p_revision is not null then
        perform from definition_revision where revision <= p_revision;
        if not found then
            raise sqlstate 'BT002' using message = 'the definitions are newer';
        end if;
    end if;

    if plan_hash is not null then
        insert into plan (hash, body)
        select * from unnest(plan_hash, plan_body)
        on conflict do nothing;
    end if;

    if step_id is not null then
        update execution e
        set version = e.version + 1,
            updated_at = p_at,
            status = step.status,
            waits = step.waits,
            wake_at = step.wake_at,
            wake_hint = case
                when step.wake_at is null and step.ended_at is not null then null
                when e.wake_hint is null or step.wake_at < e.wake_hint or e.wake_hint <= p_at
                    then step.wake_at
                else e.wake_hint
            end,
            ended_at = step.ended_at,
            overview = coalesce(step.overview, e.overview)
        from unnest(
            step_shard, step_id, step_version, step_status, step_waits, step_wake_at,
            step_ended_at, step_overview
        ) as step (shard, id, version, status, waits, wake_at, ended_at, overview)
        where (p_shard is null or e.shard = p_shard)
            and e.shard = step.shard and e.id = step.id and e.version = step.version;
        get diagnostics moved = row_count;
        if moved <> cardinality(step_id) then
            raise sqlstate 'BT001' using message = 'a version is not the expected one';
        end if;
        insert into journal (shard, execution_id, version, body)
        select s.shard, s.id, s.version + 1, s.body
        from unnest(step_shard, step_id, step_version, step_journal)
            as s (shard, id, version, body);
    end if;

    if new_id is not null then
        update execution e
        set workflow_name = coalesce(n.workflow_name, e.workflow_name),
            workflow_version = coalesce(n.workflow_version, e.workflow_version),
            correlation_id =
                case when n.plan is null then e.correlation_id else n.correlation_id end,
            created_at = coalesce(n.created_at, e.created_at),
            parent = case when n.plan is null then e.parent else n.parent end,
            parent_seq = case when n.plan is null then e.parent_seq else n.parent_seq end,
            plan = coalesce(n.plan, e.plan),
            input = coalesce(n.input, e.input)
        from unnest(
            new_shard, new_id, new_workflow_name, new_workflow_version, new_correlation_id,
            new_created_at, new_parent, new_parent_seq, new_plan, new_input
        ) as n (
            shard, id, workflow_name, workflow_version, correlation_id, created_at, parent,
            parent_seq, plan, input
        )
        where (p_shard is null or e.shard = p_shard) and e.shard = n.shard and e.id = n.id;
    end if;

    if start_id is not null then
        insert into execution (
            shard, id, status, waits, wake_at, wake_hint, ended_at, workflow_name,
            workflow_version, correlation_id, created_at, parent, parent_seq, plan, input, overview,
            version, updated_at
        )
        select
            b.shard, b.id, b.status, b.waits, b.wake_at, b.wake_at, b.ended_at, b.workflow_name,
            b.workflow_version, b.correlation_id, b.created_at, b.parent, b.parent_seq, b.plan,
            b.input, b.overview, 1, p_at
        from unnest(
            start_shard, start_id, start_status, start_waits, start_wake_at, start_ended_at,
            start_workflow_name, start_workflow_version, start_correlation_id, start_created_at,
            start_parent, start_parent_seq, start_plan, start_input, start_overview
        ) as b (
            shard, id, status, waits, wake_at, ended_at, workflow_name, workflow_version,
            correlation_id, created_at, parent, parent_seq, plan, input, overview
        );
        insert into journal (shard, execution_id, version, body)
        select b.shard, b.id, 1, b.body
        from unnest(start_shard, start_id, start_journal) as b (shard, id, body);
    end if;

    if key_id is not null then
        insert into idempotency (shard, workflow_name, key, execution_id)
        select * from unnest(key_shard, key_workflow_name, key_key, key_id);
    end if;

    if ready_id is not null then
        insert into ready (queue, priority_rank, ready_at, execution_id, seq, shard)
        select * from unnest(
            baton_commit.ready_queue, baton_commit.ready_rank, baton_commit.ready_at,
            baton_commit.ready_id, baton_commit.ready_seq, baton_commit.ready_shard
        )
        on conflict (queue, priority_rank, ready_at, execution_id, seq, shard)
        do update set reserved_until = 0;
    end if;

    if gone_id is not null then
        delete from ready r
        using unnest(gone_queue, gone_rank, gone_at, gone_id, gone_seq, gone_shard)
            as g (queue, rank, at, id, seq, shard)
        where (p_shard is null or r.shard = p_shard)
            and r.queue = g.queue and r.priority_rank = g.rank and r.ready_at = g.at
            and r.execution_id = g.id and r.seq = g.seq and r.shard = g.shard;
    end if;

    if sent_from is not null then
        insert into message (shard, from_id, version, number, to_shard, to_id, sent_at, body)
        select s.shard, s.from_id, s.version, s.number, s.to_shard, s.to_id, p_at, s.body
        from unnest(
            sent_shard, sent_from, sent_version, sent_number, sent_to_shard, sent_to, sent_body
        ) as s (shard, from_id, version, number, to_shard, to_id, body);
    end if;

    if done_from is not null then
        delete from message m
        using unnest(done_shard, done_from, done_version, done_number)
            as d (shard, from_id, version, number)
        where (p_shard is null or m.shard = p_shard)
            and m.shard = d.shard and m.from_id = d.from_id and m.version = d.version
            and m.number = d.number;
        get diagnostics gone = row_count;
        if gone <> done_count then
            raise sqlstate 'BT005' using message = 'a message is not there';
        end if;
    end if;
end
$$;

-- Names ready tasks of queues p_queue, at most p_count of each, and hides them for p_reserve_ms.
-- SKIP LOCKED lets many callers look at one queue without waiting on each other; the lateral
-- subquery walks each queue in the order of the key and stops at its own limit. The reservation is
-- a hint, so its commit does not wait for the disk.
create function baton_reserve_ready(
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
    with picked as materialized (
        select p.*
        from unnest(p_queue, p_count) as demand (queue, wanted),
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

-- Executions to be looked at by p_until, earliest first, at most p_limit.
-- The index is on wake_hint, which may lie before wake_at: those found too early are lifted to
-- their wake_at (a bookkeeping write that nobody waits for), so that each is met once per wake-up.
-- SKIP LOCKED: a commit that holds the row moves its wake-up anyway, and waiting could deadlock.
create function baton_due_wake_ups(p_shard smallint, p_until bigint, p_limit bigint)
returns table (id uuid, wake_at bigint)
language plpgsql
as $$
#variable_conflict use_column
begin
    perform set_config('synchronous_commit', 'off', true);
    with early as materialized (
        select e.shard, e.id
        from execution e
        where (p_shard is null or e.shard = p_shard)
            and e.wake_hint <= p_until and (e.wake_at is null or e.wake_at > p_until)
        order by e.wake_hint
        limit 1000
        for update skip locked
    )
    update execution e
    set wake_hint = e.wake_at
    from early
    where (p_shard is null or e.shard = p_shard) and e.shard = early.shard and e.id = early.id;
    return query
    select e.id, e.wake_at
    from execution e
    where (p_shard is null or e.shard = p_shard)
        and e.wake_hint <= p_until and e.wake_at <= p_until
    order by e.wake_at, e.id
    limit p_limit;
end
$$;

-- Keeps a snapshot in place of an older one, and deletes the oldest p_dropped_max of the journal entries
-- that it replaces. False, with nothing written: the execution is gone or has not come to p_version, or
-- has a newer snapshot. The row's lock holds off a removal, which would leave the snapshot behind, and
-- no commit, which changes no key.
create function baton_put_snapshot(
    p_shard smallint, p_id uuid, p_version bigint, p_body bytea, p_dropped_max bigint
) returns boolean
language plpgsql
as $$
begin
    perform from execution e
    where e.shard = p_shard and e.id = p_id and e.version >= p_version
    for key share;
    if not found then
        return false;
    end if;
    insert into snapshot as s (shard, execution_id, version, body)
    values (p_shard, p_id, p_version, p_body)
    on conflict (shard, execution_id)
    do update set version = excluded.version, body = excluded.body
    where s.version < excluded.version;
    if not found then
        return false;
    end if;
    if p_dropped_max > 0 then
        delete from journal j
        where j.shard = p_shard and j.execution_id = p_id and j.version in (
            select o.version
            from journal o
            where o.shard = p_shard and o.execution_id = p_id and o.version <= p_version
            order by o.version
            limit p_dropped_max
        );
    end if;
    return true;
end
$$;

-- Deletes an execution with all that belongs to it and the messages to it; false where it is not there
-- or has another version. What it has told others stays: its parent learns of its end from a message.
-- Not delegated to the shard's node, so its parameter is no p_shard: messages to it and its key may lie
-- in other shards.
create function baton_remove(p_own_shard smallint, p_id uuid, p_version bigint) returns boolean
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
    -- No index leads here by execution, nor to a message by its receiver: these rows are few, and
    -- such an index would cost each task or message two writes.
    delete from ready where shard = p_own_shard and execution_id = p_id;
    delete from message where to_id = p_id;
    return true;
end
$$;

-- Writes definitions one after the other under one new revision, which it returns. Raises
--   BT003 there is one already, and it may not be replaced   BT004 what to delete is not there
-- with the place in the arrays as detail; nothing is written then.
create function baton_write_definitions(
    p_of_task boolean[], p_name text[], p_version int[], p_body bytea[], p_overwrite boolean[]
) returns bigint
language plpgsql
as $$
declare
    fresh bigint;
begin
    update definition_revision set revision = revision + 1 returning revision into fresh;
    for i in 1 .. cardinality(p_name) loop
        if p_body[i] is null and p_of_task[i] then
            update task_definition set body = null, revision = fresh
            where name = p_name[i] and body is not null;
        elsif p_body[i] is null then
            update workflow_definition set body = null, revision = fresh
            where name = p_name[i] and version = p_version[i] and body is not null;
        elsif p_of_task[i] then
            insert into task_definition (name, revision, body) values (p_name[i], fresh, p_body[i])
            on conflict (name) do update set revision = fresh, body = excluded.body;
        else
            insert into workflow_definition as w (name, version, revision, body)
            values (p_name[i], p_version[i], fresh, p_body[i])
            on conflict (name, version) do update set revision = fresh, body = excluded.body
            where p_overwrite[i] or w.body is null;
        end if;
        if not found then
            raise exception using
                message = case when p_body[i] is null then 'not there' else 'exists already' end,
                detail = i::text,
                errcode = case when p_body[i] is null then 'BT004' else 'BT003' end;
        end if;
    end loop;
    return fresh;
end
$$;
