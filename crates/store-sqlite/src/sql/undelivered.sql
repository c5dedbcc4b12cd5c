-- Through the index by age.
select sender, version, number, receiver, body
from message
where sent_at <= ?1
order by sent_at, sender, version, number
limit ?2
