-- Who holds an idempotency key.
select execution
from idempotency
where workflow_name = ?1 and key = ?2
