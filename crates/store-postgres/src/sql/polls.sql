-- The last polls of task type $1, or of all.
select task_type, domain, worker, at
from poll
where $1::text is null or task_type = $1
order by task_type, domain
