-- The entries after a version, through the unique index.
select version, entry
from journal
where execution = ?1 and version > ?2
order by version
