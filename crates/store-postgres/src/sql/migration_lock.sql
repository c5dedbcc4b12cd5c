-- Lets one process at a time migrate (the lock ends with the connection), and makes the list of what is applied.
select pg_advisory_lock(4740885567117);
create table if not exists baton_migration (
    number int primary key,
    name text not null,
    checksum bytea not null,
    applied_at timestamptz not null default now()
)
