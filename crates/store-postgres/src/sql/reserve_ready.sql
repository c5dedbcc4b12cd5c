-- Names ready tasks of queues $1, at most $2 of each, and hides them for $3 milliseconds.
-- SKIP LOCKED lets many callers look at one queue without waiting on each other; the lateral
-- subquery walks each queue in the order of the key and stops at its own limit. The reservation is
-- a hint, so its commit does not wait for the disk.
with relaxed as materialized (
    select set_config('synchronous_commit', 'off', true), baton_now() as now
), picked as materialized (
    select p.*, relaxed.now
    from relaxed,
        unnest($1::text[], $2::bigint[]) as demand (queue, wanted),
        lateral (
            select r.queue, r.priority_rank, r.ready_at, r.execution_id, r.seq, r.shard
            from ready r
            where r.queue = demand.queue and r.reserved_until <= relaxed.now
            order by r.priority_rank, r.ready_at, r.execution_id, r.seq, r.shard
            limit demand.wanted
            for update skip locked
        ) p
), reserved as (
    update ready r
    set reserved_until = p.now + $3::bigint
    from picked p
    where r.queue = p.queue and r.priority_rank = p.priority_rank and r.ready_at = p.ready_at
        and r.execution_id = p.execution_id and r.seq = p.seq and r.shard = p.shard
    returning r.queue, r.priority_rank, r.ready_at, r.execution_id, r.seq
)
select queue, priority_rank, ready_at, execution_id, seq
from reserved
order by priority_rank, ready_at, execution_id, seq
