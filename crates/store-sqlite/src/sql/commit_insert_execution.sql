-- A new execution: nothing inserted means that the id is taken.
insert into execution (
    id, shard, version, status, waits, wake_at, ended_at, updated_at,
    workflow_name, workflow_version, correlation_id, created_at, parent, plan
)
values (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
on conflict (id) do nothing
