-- Running executions (status 0, through the index) that wait in vain, with no message under way from or
-- to them: nothing will ever move them (12: a child or something external), they wait for a child (4)
-- and none is open, or their parent is not open and they were not reopened (32). A task's first 13
-- bytes name its execution. Parents and children share a shard.
select e.id
from execution as e
where
    e.status = 0
    and e.id not in (select sender from message)
    and e.id not in (select receiver from message)
    and (
        (
            e.wake_at is null
            and (e.waits & 12) = 0
            and e.id not in (select cast(substr(task, 1, 13) || x'000000' as blob) from ready)
        )
        or (
            (e.waits & 4) <> 0
            and not exists (
                select 1
                from execution as c
                where
                    c.parent between e.id and cast(substr(e.id, 1, 13) || x'ffffff' as blob)
                    and c.shard = e.shard
                    and c.ended_at is null
            )
        )
        or (
            e.parent is not null
            and (e.waits & 32) = 0
            and not exists (
                select 1
                from execution as p
                where
                    p.id = cast(substr(e.parent, 1, 13) || x'000000' as blob)
                    and p.shard = e.shard
                    and p.ended_at is null
            )
        )
    )
limit ?1
