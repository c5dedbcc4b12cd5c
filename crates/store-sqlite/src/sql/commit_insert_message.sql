-- Into the outbox, in the transaction of the commit that sends it.
insert into message (sent_at, sender, version, number, receiver, body)
values (?1, ?2, ?3, ?4, ?5, ?6)
