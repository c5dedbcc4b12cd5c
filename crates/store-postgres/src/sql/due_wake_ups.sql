-- Executions of shard $1 (null = any) to be looked at by $2, earliest first, at most $3.
select id, wake_at from baton_due_wake_ups($1, $2, $3)
