-- Deletes executions with all that belongs to them.
select baton_remove($1, $2)
