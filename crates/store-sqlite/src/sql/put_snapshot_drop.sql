-- The oldest entries that a snapshot replaces, through the unique index; ?3 of them at most.
delete from journal
where serial in (
    select serial
    from journal
    where execution = (select serial from execution where id = ?1) and version <= ?2
    order by version
    limit ?3
)
