-- Carries the log over into the database and cuts it to nothing; the first column says whether somebody
-- still needs it.
pragma wal_checkpoint(truncate)
