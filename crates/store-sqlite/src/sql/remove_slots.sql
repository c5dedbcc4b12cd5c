-- An execution that is removed holds nothing; one pass over what is held, which is little.
delete from slot
where cast(substr(task, 1, 13) || x'000000' as blob) = ?1
returning name
