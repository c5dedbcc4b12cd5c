-- The next lane of a queue; its key leads to it.
select min(queue)
from ready
where queue > ?1 and queue < ?2
