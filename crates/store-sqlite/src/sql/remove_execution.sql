-- The fence: only as it was read. What belongs to it is found by its serial.
delete from execution
where id = ?1 and version = ?2
returning serial
