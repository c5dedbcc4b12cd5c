-- What is held of a limit; no row before anybody has touched it.
select in_use, window_version, window
from limited
where name = ?1
