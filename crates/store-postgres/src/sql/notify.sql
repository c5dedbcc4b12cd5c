-- Tells other processes that queues got ready tasks.
select pg_notify('baton_ready', $1)
