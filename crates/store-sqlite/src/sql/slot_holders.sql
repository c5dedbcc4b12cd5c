-- Who holds slots of limit ?1, at most ?2 of them.
select task
from slot
where name = ?1
order by task
limit ?2
