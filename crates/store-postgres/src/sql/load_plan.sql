-- The pinned definition with this hash.
select body from plan where hash = $1
