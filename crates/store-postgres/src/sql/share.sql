-- The clock, and the processes that listen on this database: the numbers they hold locks on (be_known.sql),
-- in one order for all of them.
select
    baton_now() as now,
    array(
        select distinct l.objid::bigint
        from pg_locks l
        where l.locktype = 'advisory' and l.granted
            and l.classid = 1650553967 and l.objsubid = 2
            and l.database = (select d.oid from pg_database d where d.datname = current_database())
        order by 1
    ) as processes
