-- Whether an execution has ended.
select exists (select 1 from execution where id = ?1 and ended_at is not null)
