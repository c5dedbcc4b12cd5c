-- Only when it changed: it may be megabytes.
insert into execution_input (execution, input)
values (?1, ?2)
on conflict (execution) do update set input = excluded.input
