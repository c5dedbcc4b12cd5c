-- The clock of the database in milliseconds since 1970, and how far its write-ahead log has come,
-- in bytes since its beginning.
select
    baton_now() as now,
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint as wal_bytes
