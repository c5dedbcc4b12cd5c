-- By the SHA-256 of the pinned definition.
select body
from plan
where hash = ?1
