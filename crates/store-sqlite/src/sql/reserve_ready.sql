-- Read row by row and left as soon as enough free tasks are found; the key is the order.
select priority, ready_at, task
from ready
where queue = ?1
order by priority desc, ready_at, task
