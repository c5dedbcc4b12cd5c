-- Running executions that wait in vain, at most $1: nothing will move them again (12 = Waits::CHILD |
-- Waits::EXTERNAL), they wait for a child (4) and none is open, or their parent is not open and they
-- were not reopened (32). Who is sent a message is no question to one shard, so those are gathered
-- first; they are few. Parents and children share a shard.
select e.id
from execution e
where e.status = 0
    and not exists (select from message m where m.shard = e.shard and m.from_id = e.id)
    and e.id not in (select m.to_id from message m)
    and (
        (
            e.wake_at is null
            and e.waits & 12 = 0
            and not exists (select from ready r where r.shard = e.shard and r.execution_id = e.id)
        )
        or (
            e.waits & 4 <> 0
            and not exists (
                select from execution c
                where c.shard = e.shard and c.parent = e.id and c.ended_at is null
            )
        )
        or (
            e.parent is not null
            and e.waits & 32 = 0
            and not exists (
                select from execution p
                where p.shard = e.shard and p.id = e.parent and p.ended_at is null
            )
        )
    )
order by e.id
limit $1
