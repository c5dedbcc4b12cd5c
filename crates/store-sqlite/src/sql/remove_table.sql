-- The writer's own list of what to remove, so that each table is gone through once for all ids.
create temp table removed (
    id blob primary key
) strict, without rowid
