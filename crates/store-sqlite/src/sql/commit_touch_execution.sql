-- A commit that leaves alone what indexes are made of.
update execution
set version = version + 1,
    waits = ?2,
    ended_at = ?3,
    updated_at = ?4
where serial = ?1
