-- The version is the fence: no row means that another commit was faster.
update execution
set version = version + 1,
    status = ?3,
    waits = ?4,
    wake_at = ?5,
    ended_at = ?6,
    updated_at = ?7
where id = ?1 and version = ?2
returning serial
