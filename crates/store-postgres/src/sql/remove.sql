-- Deletes an execution with all that belongs to it, as it was read.
select baton_remove($1, $2, $3) as is_removed
