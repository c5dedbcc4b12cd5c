-- One that nobody holds is passed over.
delete from slot
where name = ?1 and task = ?2
