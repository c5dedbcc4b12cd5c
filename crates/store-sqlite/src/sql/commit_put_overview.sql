-- Only when it changed: it may be large.
insert into execution_overview (execution, overview)
values (?1, ?2)
on conflict (execution) do update set overview = excluded.overview
