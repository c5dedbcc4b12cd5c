-- Running executions that nothing will move again (12 = Waits::CHILD | Waits::EXTERNAL), at most $1.
-- Who is sent a message is no question to one shard, so those are gathered first; they are few.
select e.id
from execution e
where e.status = 0
    and e.wake_at is null
    and e.waits & 12 = 0
    and not exists (select from ready r where r.shard = e.shard and r.execution_id = e.id)
    and not exists (select from message m where m.shard = e.shard and m.from_id = e.id)
    and e.id not in (select m.to_id from message m)
order by e.id
limit $1
