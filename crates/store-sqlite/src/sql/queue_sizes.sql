-- Reserved tasks are counted too: they are ready still.
select queue, count(*), min(ready_at)
from ready
group by queue
