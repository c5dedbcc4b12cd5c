-- By the serial of the execution that is removed.
delete from execution_snapshot
where execution = ?1
