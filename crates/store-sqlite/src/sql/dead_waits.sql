-- Running executions (status 0, through the index) that nothing will ever move: no wake-up time, no
-- child (4) or external (8) wait, no ready task, no message under way from or to them.
select id
from execution
where
    status = 0
    and wake_at is null
    and (waits & 12) = 0
    and id not in (select cast(substr(task, 1, 13) || x'000000' as blob) from ready)
    and id not in (select sender from message)
    and id not in (select receiver from message)
limit ?1
