-- Keeps a snapshot; false = it was not needed or its execution is not there.
select baton_put_snapshot($1, $2, $3, $4, $5) as is_put
