-- A commit that moves the execution in its indexes.
update execution
set version = version + 1,
    status = ?2,
    waits = ?3,
    wake_at = ?4,
    ended_at = ?5,
    updated_at = ?6
where serial = ?1
