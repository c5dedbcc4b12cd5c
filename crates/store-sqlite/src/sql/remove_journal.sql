-- By the serial of the execution that is removed.
delete from journal
where execution = ?1
