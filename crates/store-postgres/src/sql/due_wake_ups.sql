-- Executions to be looked at by $1, earliest first, at most $2.
-- The index is on wake_hint, which may lie before wake_at: those found too early are lifted to
-- their wake_at (a bookkeeping write that nobody waits for), so that each is met once per wake-up.
-- SKIP LOCKED: a commit that holds the row moves its wake-up anyway, and waiting could deadlock.
with relaxed as materialized (
    select set_config('synchronous_commit', 'off', true)
), early as materialized (
    select e.shard, e.id
    from execution e
    where e.wake_hint <= $1 and (e.wake_at is null or e.wake_at > $1)
    order by e.wake_hint
    limit 1000
    for update skip locked
), lifted as (
    update execution e
    set wake_hint = e.wake_at
    from relaxed, early
    where e.shard = early.shard and e.id = early.id
)
select id, wake_at
from execution
where wake_hint <= $1 and wake_at <= $1
order by wake_at, id
limit $2
