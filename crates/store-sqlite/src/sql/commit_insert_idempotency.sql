-- No row means that the key is taken.
insert into idempotency (workflow_name, key, execution)
values (?1, ?2, ?3)
on conflict (workflow_name, key) do nothing
