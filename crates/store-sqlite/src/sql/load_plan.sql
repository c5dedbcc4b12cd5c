-- By the SHA-256 of the frozen definition.
select body
from plan
where hash = ?1
