-- Writes definitions, all or none; returns their revision.
select baton_write_definitions($1, $2, $3, $4, $5)
