-- What this database has done since its counters began, and where the server's log of writes stands.
-- A server process tells its counts only when it has been idle for ten seconds, or ends; the log's
-- position is exact at once, but of the whole server.
select
    d.xact_commit + d.xact_rollback as transactions,
    t.inserted, t.updated, t.updated_hot, t.deleted, t.dead,
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint as wal_bytes,
    pg_backend_pid() as process
from pg_stat_database d,
    (
        select
            coalesce(sum(n_tup_ins), 0)::bigint as inserted,
            coalesce(sum(n_tup_upd), 0)::bigint as updated,
            coalesce(sum(n_tup_hot_upd), 0)::bigint as updated_hot,
            coalesce(sum(n_tup_del), 0)::bigint as deleted,
            coalesce(sum(n_dead_tup), 0)::bigint as dead
        from pg_stat_user_tables
    ) t
where d.datname = current_database()
