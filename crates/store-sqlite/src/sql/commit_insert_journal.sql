-- Appends the changes of this commit under the new version.
insert into journal (shard, execution, version, entry)
values (?1, ?2, ?3, ?4)
