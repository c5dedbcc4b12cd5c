-- ?1 null: of every task type. The table has one row for each queue that was ever polled.
select task_type, domain, worker, at
from poll
where ?1 is null or task_type = ?1
order by task_type, domain
