-- What is applied already.
select number, name, checksum from baton_migration order by number
