-- Before the execution's own row, whose serial it needs.
delete from execution_snapshot
where execution in (select serial from execution where id in (select id from temp.removed))
