-- All tables of an embedded engine: one file, one process, one writer.
-- Takes the whole file for as long as it runs; it is empty then.
-- Times are epoch milliseconds, ids the 16 bytes of a UUID, statuses WorkflowStatus::code.

-- What changes with every commit is narrow: a row is written anew as a whole, so input and overview,
-- which may be megabytes, live in tables of their own and are written only when they change.
create table execution (
    serial integer primary key,
    id blob not null unique check (length(id) = 16),
    shard integer not null check (shard between 0 and 63),
    version integer not null check (version > 0),
    status integer not null check (status between 0 and 5),
    waits integer not null,
    wake_at integer, -- null: no deadline
    ended_at integer, -- null: open
    updated_at integer not null,
    workflow_name text not null,
    workflow_version integer not null,
    correlation_id text, -- null: the caller gave none
    created_at integer not null,
    parent blob check (length(parent) = 16), -- a task; null: no other execution started it
    plan blob not null check (length(plan) = 32)
) strict;

create table execution_input (
    execution integer primary key,
    input text not null
) strict;

create table execution_overview (
    execution integer primary key,
    overview blob not null
) strict;

create index execution_wake_up on execution (wake_at) where wake_at is not null;
create index execution_by_start on execution (created_at);
create index execution_by_status on execution (status, created_at);
create index execution_by_workflow on execution (workflow_name, created_at);
create index execution_by_correlation on execution (correlation_id)
where correlation_id is not null;
create index execution_by_parent on execution (parent) where parent is not null;

-- Rows are appended: entries of many executions that commit together share pages.
create table journal (
    serial integer primary key,
    shard integer not null check (shard between 0 and 63),
    execution integer not null,
    version integer not null check (version > 0),
    entry blob not null,
    unique (execution, version)
) strict;

-- The newest state of executions with long journals; a load reads it in place of the entries up to
-- its version.
create table execution_snapshot (
    execution integer primary key,
    version integer not null check (version > 0),
    body blob not null
) strict;

-- The key is the order of dispatch. Reservations are kept in memory: they end with the process.
create table ready (
    queue text not null,
    priority integer not null check (priority between 0 and 99),
    ready_at integer not null,
    task blob not null check (length(task) = 16),
    primary key (queue, priority desc, ready_at, task)
) strict, without rowid;

-- The outbox.
create table message (
    serial integer primary key,
    sent_at integer not null,
    sender blob not null check (length(sender) = 16),
    version integer not null,
    number integer not null,
    receiver blob not null check (length(receiver) = 16),
    body blob not null,
    unique (sender, version, number)
) strict;

create index message_by_age on message (sent_at);

create table idempotency (
    workflow_name text not null,
    key text not null,
    execution blob not null check (length(execution) = 16),
    primary key (workflow_name, key)
) strict, without rowid;

create index idempotency_by_execution on idempotency (execution);

-- Frozen definitions by their SHA-256.
create table plan (
    hash blob primary key check (length(hash) = 32),
    body text not null
) strict;

-- One row: how often definitions have changed.
create table definition_revision (
    id integer primary key check (id = 1),
    revision integer not null
) strict;

insert into definition_revision (id, revision) values (1, 0);

create table workflow_definition (
    name text not null,
    version integer not null,
    revision integer not null,
    body text, -- null: deleted
    primary key (name, version)
) strict;

create index workflow_definition_by_revision on workflow_definition (revision);

create table task_definition (
    name text primary key not null,
    revision integer not null,
    body text -- null: deleted
) strict;

create index task_definition_by_revision on task_definition (revision);

create table task_log (
    serial integer primary key,
    task blob not null check (length(task) = 16),
    at integer not null,
    line text not null
) strict;

create index task_log_by_task on task_log (task, at);

create table poll (
    task_type text not null,
    domain text not null,
    worker text not null,
    at integer not null,
    primary key (task_type, domain)
) strict, without rowid;
