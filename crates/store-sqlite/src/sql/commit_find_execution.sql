-- The version is the fence: no row means that another commit was faster. `returning` would say as much,
-- at the price of a table of its own for each statement.
select serial, status, wake_at
from execution
where id = ?1 and version = ?2
