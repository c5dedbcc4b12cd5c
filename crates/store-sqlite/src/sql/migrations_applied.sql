-- The migrations this file has had, in their order.
select number, name, checksum
from schema_migration
order by number
