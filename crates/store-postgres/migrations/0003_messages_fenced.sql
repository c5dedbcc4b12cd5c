-- A commit that delivers a message which another has delivered already is refused.
-- Reason: two processes that both took one message would both commit its effect. The row count of the
--   delete is a fence, as that of the versions is.
-- Locks: none, creating a function blocks nobody. The function with one parameter less stays for the
--   version before, which runs beside this one during an upgrade and does not know BT005.

-- Commits a batch, or raises and writes nothing:
--   BT001 a version is not the expected one   BT002 the definitions are newer
--   BT005 a message is not there
--   23505 on execution_pkey a new execution's id is taken
--   23505 on idempotency_pkey a key is used
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
    -- executions that are inserted
    insert_shard smallint[], insert_id uuid[], insert_status smallint[], insert_waits smallint[],
    insert_wake_at bigint[], insert_ended_at bigint[], insert_workflow_name text[],
    insert_workflow_version int[], insert_correlation_id text[], insert_created_at bigint[],
    insert_parent uuid[], insert_parent_seq int[], insert_plan bytea[], insert_input bytea[],
    insert_overview bytea[], insert_journal bytea[],
    -- idempotency keys of those
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

    if insert_id is not null then
        insert into execution (
            shard, id, status, waits, wake_at, wake_hint, ended_at, workflow_name,
            workflow_version, correlation_id, created_at, parent, parent_seq, plan, input, overview,
            version, updated_at
        )
        select
            i.shard, i.id, i.status, i.waits, i.wake_at, i.wake_at, i.ended_at, i.workflow_name,
            i.workflow_version, i.correlation_id, i.created_at, i.parent, i.parent_seq, i.plan,
            i.input, i.overview, 1, p_at
        from unnest(
            insert_shard, insert_id, insert_status, insert_waits, insert_wake_at, insert_ended_at,
            insert_workflow_name, insert_workflow_version, insert_correlation_id, insert_created_at,
            insert_parent, insert_parent_seq, insert_plan, insert_input, insert_overview
        ) as i (
            shard, id, status, waits, wake_at, ended_at, workflow_name, workflow_version,
            correlation_id, created_at, parent, parent_seq, plan, input, overview
        );
        insert into journal (shard, execution_id, version, body)
        select i.shard, i.id, 1, i.body
        from unnest(insert_shard, insert_id, insert_journal) as i (shard, id, body);
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
