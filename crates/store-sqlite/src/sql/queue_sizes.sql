-- Reserved tasks are counted too: they are ready still.
select queue, count(*)
from ready
group by queue
