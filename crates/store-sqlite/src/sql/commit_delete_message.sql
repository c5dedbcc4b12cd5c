-- In the transaction of the commit that is its effect; a missing row makes that commit lose.
delete from message
where sender = ?1 and version = ?2 and number = ?3
