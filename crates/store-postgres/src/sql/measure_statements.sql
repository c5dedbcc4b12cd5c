-- Statements that this database has run, where pg_stat_statements counts them; callers do without
-- where it does not.
select coalesce(sum(calls), 0)::bigint as statements
from pg_stat_statements
where dbid = (select oid from pg_database where datname = current_database())
