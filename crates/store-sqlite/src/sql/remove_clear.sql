-- Leaves the list empty for the next removal.
delete from temp.removed
