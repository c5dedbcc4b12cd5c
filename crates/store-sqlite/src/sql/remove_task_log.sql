-- The task ids of an execution are a range that begins with its id.
delete from task_log
where task >= ?1 and task <= cast(substr(?1, 1, 13) || x'ffffff' as blob)
