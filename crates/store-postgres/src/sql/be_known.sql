-- Makes a process known by its number for as long as this connection lives. Shared, so that a
-- connection that is not known to be dead yet does not hold up the one that replaces it. The first
-- number says whose locks these are: "bato", as bytes.
select pg_advisory_lock_shared(1650553967, $1)
