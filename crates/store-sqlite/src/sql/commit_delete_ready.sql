-- By the whole key, so one step down the tree; a missing row is passed over.
delete from ready
where queue = ?1 and priority = ?2 and ready_at = ?3 and task = ?4
