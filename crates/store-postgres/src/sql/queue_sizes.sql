-- Ready tasks by queue, reserved ones included.
select queue, count(*) from ready group by queue order by queue
