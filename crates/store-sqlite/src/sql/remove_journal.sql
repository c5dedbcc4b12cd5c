-- Before the execution's own row, whose serial it needs.
delete from journal
where execution in (select serial from execution where id in (select id from temp.removed))
