-- By the serial of the execution that is removed.
delete from execution_input
where execution = ?1
