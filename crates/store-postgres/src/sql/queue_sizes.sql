-- Ready tasks by queue, reserved ones included. All columns stand in the key's index.
select queue, count(*), min(ready_at) as oldest from ready group by queue order by queue
