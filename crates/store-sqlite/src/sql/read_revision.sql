-- The newest revision of the definitions.
select revision
from definition_revision
where id = 1
