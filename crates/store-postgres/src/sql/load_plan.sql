-- The frozen definition with this hash.
select body from plan where hash = $1
