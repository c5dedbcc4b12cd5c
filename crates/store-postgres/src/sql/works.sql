-- One row when the server's process $1 has a statement in hand, none when it waits for one or is gone.
select 1 from pg_stat_activity where pid = $1::int and state = 'active'
