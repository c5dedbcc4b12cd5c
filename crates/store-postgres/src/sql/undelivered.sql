-- Messages sent at or before $1, oldest first, at most $2.
select from_id, version, number, to_id, body
from message
where sent_at <= $1
order by sent_at, from_id, version, number
limit $2
