-- After the tables that are found through its serial.
delete from execution
where id in (select id from temp.removed)
