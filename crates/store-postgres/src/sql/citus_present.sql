-- Whether this database cuts its tables over many nodes.
select exists (select from pg_extension where extname = 'citus') as present
