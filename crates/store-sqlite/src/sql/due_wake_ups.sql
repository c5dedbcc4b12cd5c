-- Through the partial index; executions without a deadline cost nothing.
select id, wake_at
from execution
where wake_at is not null and wake_at <= ?1
order by wake_at
limit ?2
