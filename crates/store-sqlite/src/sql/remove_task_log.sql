-- The task ids of an execution are a range that begins with its id.
delete from task_log
where serial in (
    select l.serial
    from temp.removed as r
    inner join task_log as l
        on l.task >= r.id and l.task <= cast(substr(r.id, 1, 13) || x'ffffff' as blob)
)
