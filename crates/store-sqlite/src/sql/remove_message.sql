-- Only to it: what it has told others still reaches them. One pass: the outbox holds only what is
-- under way.
delete from message
where receiver = ?1
