-- Adds lines to tasks: shard, execution, number of the task, time, line.
insert into task_log (shard, execution_id, seq, at, line)
select shard, id, seq, at, line
from unnest($1::smallint[], $2::uuid[], $3::int[], $4::bigint[], $5::text[])
    with ordinality as l (shard, id, seq, at, line, n)
order by n
