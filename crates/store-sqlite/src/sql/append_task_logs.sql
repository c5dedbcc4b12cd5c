-- The serial keeps the order of lines of one millisecond.
insert into task_log (task, at, line)
values (?1, ?2, ?3)
