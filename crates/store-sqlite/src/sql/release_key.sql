-- Gives the key of an ended execution free.
delete from idempotency
where execution = ?1
    and exists (select 1 from execution where id = ?1 and ended_at is not null)
