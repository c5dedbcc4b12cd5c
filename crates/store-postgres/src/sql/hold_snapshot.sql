-- Sees the database as it is now until the transaction ends: no dead tuple of later can go meanwhile.
begin isolation level repeatable read read only;
select from execution limit 1
