-- Remembers that a migration is applied, in its transaction.
insert into baton_migration (number, name, checksum) values ($1, $2, $3)
