-- One pass over the queue: an index by task would cost every commit for the sake of ended executions,
-- which have no ready task. A task's first 13 bytes name its execution.
delete from ready
where cast(substr(task, 1, 13) || x'000000' as blob) = ?1
