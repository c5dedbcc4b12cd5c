-- The tables of a new database.
-- Reason: an execution is a narrow row that each commit updates in place (HOT) and a journal that
--   only grows; no index covers a column that changes at each step (version, updated_at, waits,
--   wake_at), because one such index makes every step write to all indexes. Each key holds the
--   shard, so that a database of many nodes can be cut by it (src/sql/citus_tables.sql).
-- Locks: none that matter, nobody uses these tables yet.

-- The columns that change at a step stand together at the row's end: the WAL record of an update holds
-- only the bytes between the first and the last difference, and what is before them is copied as it is.
-- No check constraints here and on `ready`: each statement would parse them again.
create table execution (
    shard smallint not null,
    id uuid not null,
    created_at bigint not null,
    workflow_version int not null,
    workflow_name text collate "C" not null,
    correlation_id text collate "C",
    -- The SUB_WORKFLOW task that started it: its execution and its number there; both or neither.
    parent uuid,
    parent_seq int,
    plan bytea not null,
    input bytea not null,
    overview bytea not null,
    status smallint not null,
    waits smallint not null,
    version bigint not null, -- from 1
    updated_at bigint not null,
    -- When it must be looked at, exactly; moves at each lease, so no index covers it.
    wake_at bigint,
    -- At or before wake_at, indexed. Stays behind when wake_at moves to a later time (which keeps
    -- the update HOT) until it has passed; where nothing happened at its time, baton_due_wake_ups
    -- lifts it. Null only without a wake-up.
    wake_hint bigint,
    ended_at bigint,
    primary key (shard, id)
) with (
    fillfactor = 60,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0
);
alter table execution alter column input set storage external;
alter table execution alter column overview set storage external;
alter table execution alter column plan set storage plain;
create index execution_status on execution (status, created_at);
create index execution_workflow on execution (workflow_name, created_at);
create index execution_correlation on execution (correlation_id) where correlation_id is not null;
create index execution_wake on execution (wake_hint) where wake_hint is not null;
create index execution_parent on execution (parent) where parent is not null;

create table journal (
    shard smallint not null,
    execution_id uuid not null,
    version bigint not null,
    body bytea not null,
    primary key (shard, execution_id, version)
);
alter table journal alter column body set storage external;

-- The newest state of executions with long journals; a load reads it in place of the entries up to its
-- version. Apart from the execution's row, so that no commit waits for a snapshot or carries it along.
create table snapshot (
    shard smallint not null,
    execution_id uuid not null,
    version bigint not null check (version > 0),
    body bytea not null,
    primary key (shard, execution_id)
);
alter table snapshot alter column body set storage external;

-- The key is the order in which tasks are handed out, so it is also the only index; it ends with
-- the shard, since tasks of one moment are ordered by their id.
create table ready (
    queue text collate "C" not null,
    priority_rank smallint not null, -- 99 - priority
    ready_at bigint not null,
    execution_id uuid not null,
    seq int not null,
    shard smallint not null,
    reserved_until bigint not null default 0,
    primary key (queue, priority_rank, ready_at, execution_id, seq, shard)
) with (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);

-- What one execution told another; the row goes when it has had its effect.
create table message (
    shard smallint not null, -- of the sender
    from_id uuid not null,
    version bigint not null,
    number int not null,
    to_shard smallint not null,
    to_id uuid not null,
    sent_at bigint not null,
    body bytea not null,
    primary key (shard, from_id, version, number)
) with (
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
alter table message alter column body set storage external;
create index message_sent on message (sent_at);

create table idempotency (
    shard smallint not null, -- of the key: a hash of name and key, so one shard knows its holder
    workflow_name text collate "C" not null,
    key text collate "C" not null,
    execution_id uuid not null,
    primary key (shard, workflow_name, key)
);
create index idempotency_execution on idempotency (execution_id);

create table plan (
    hash bytea primary key check (length(hash) = 32),
    body bytea not null
);

-- One row; whoever writes definitions locks it, so revisions become visible in their order.
create table definition_revision (
    one boolean primary key default true check (one),
    revision bigint not null
);
insert into definition_revision (revision) values (0);

-- A body of null is a tombstone: other processes learn of the deletion by its revision.
create table workflow_definition (
    name text collate "C" not null,
    version int not null,
    revision bigint not null,
    body bytea,
    primary key (name, version)
);
create index workflow_definition_revision on workflow_definition (revision);

create table task_definition (
    name text collate "C" primary key,
    revision bigint not null,
    body bytea
);
create index task_definition_revision on task_definition (revision);

create table task_log (
    shard smallint not null,
    execution_id uuid not null,
    seq int not null,
    at bigint not null,
    number bigint generated always as identity, -- lines of one moment keep their order
    line text not null,
    primary key (shard, execution_id, seq, at, number)
);

create table poll (
    task_type text collate "C" not null,
    domain text collate "C" not null, -- empty for none
    worker text not null,
    at bigint not null,
    primary key (task_type, domain)
) with (fillfactor = 50);
