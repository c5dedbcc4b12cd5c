-- The server's process that this connection talks to.
select pg_backend_pid()
