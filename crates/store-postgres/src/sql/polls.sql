-- The last polls of all task types.
select task_type, domain, worker, at
from poll
