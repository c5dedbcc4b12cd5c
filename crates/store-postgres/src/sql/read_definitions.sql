-- The newest revision (always one row, with a null name) and what changed after $1.
select revision, false as of_task, null::text as name, null::int as version, null::bytea as body
from definition_revision
union all
(select revision, false, name, version, body
from workflow_definition
where revision > $1
order by name, version)
union all
(select revision, true, name, null, body
from task_definition
where revision > $1
order by name)
