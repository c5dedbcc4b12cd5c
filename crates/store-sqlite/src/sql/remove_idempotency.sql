-- Gives the keys of the removed executions free.
delete from idempotency
where execution in (select id from temp.removed)
