-- Gives the key of the removed execution free.
delete from idempotency
where execution = ?1
