-- Gives the key of an ended execution free. Its key may lie in another shard than itself.
with ended as (
    select id
    from execution
    where shard = $1 and id = $2 and ended_at is not null
),
released as (
    delete from idempotency
    where execution_id in (select id from ended)
)
select exists (select from ended) as is_ended
