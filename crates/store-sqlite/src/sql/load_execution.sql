-- The order of columns is that of rows::execution.
select
    e.serial, e.id, e.version, e.status, e.waits, e.wake_at, e.ended_at, e.updated_at,
    e.workflow_name, e.workflow_version, e.correlation_id, e.created_at, e.parent, e.plan,
    i.input, o.overview
from execution as e
inner join execution_input as i on i.execution = e.serial
inner join execution_overview as o on o.execution = e.serial
where e.id = ?1
