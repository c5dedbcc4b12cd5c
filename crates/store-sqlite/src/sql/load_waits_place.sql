-- How many ready tasks of queue ?1 come before the one of this key, and how many there are; both
-- ranges of the key are read up to ?5 rows. No row for a task that is not ready.
select
    (
        select count(*)
        from (
            select 1
            from ready
            where queue = ?1 and priority > ?2
            union all
            select 1
            from ready
            where queue = ?1 and priority = ?2 and (ready_at, task) < (?3, ?4)
            limit ?5
        )
    ),
    (select count(*) from (select 1 from ready where queue = ?1 limit ?5))
where exists (
    select 1
    from ready
    where queue = ?1 and priority = ?2 and ready_at = ?3 and task = ?4
)
