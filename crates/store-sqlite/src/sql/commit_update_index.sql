-- Apart from the other columns, because null is a value here and not "as it was".
update execution
set workflow_name = ?2,
    workflow_version = ?3,
    correlation_id = ?4,
    created_at = ?5,
    parent = ?6,
    plan = ?7
where serial = ?1
