-- By the serial of the execution that is removed.
delete from execution_overview
where execution = ?1
