-- Remembers the last polls: type, domain, worker, time; no type and domain twice in one call.
-- Lost without harm, so its commit does not wait for the disk.
with relaxed as materialized (
    select set_config('synchronous_commit', 'off', true)
)
insert into poll (task_type, domain, worker, at)
select p.task_type, p.domain, p.worker, p.at
from relaxed, unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
    as p (task_type, domain, worker, at)
on conflict (task_type, domain) do update
set worker = excluded.worker, at = excluded.at
where poll.at <= excluded.at
