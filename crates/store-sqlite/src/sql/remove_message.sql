-- From and to them. One pass: the outbox holds only what is under way.
delete from message
where
    sender in (select id from temp.removed)
    or receiver in (select id from temp.removed)
