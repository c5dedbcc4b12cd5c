-- Hears ring.sql.
listen baton_ready
