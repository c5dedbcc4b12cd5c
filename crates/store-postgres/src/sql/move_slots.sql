-- Moves slots and windows of limits in shard $1; the function's header in migrations/0003_limits.sql names
-- the parameters.
select baton_move_slots($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
    as held
