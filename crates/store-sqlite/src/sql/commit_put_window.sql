-- The fence: only the window as it was read.
update limited
set window_version = window_version + 1, window = ?3
where name = ?1 and window_version = ?2
