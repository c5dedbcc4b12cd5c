-- What is held of the limits $2 in the shards $1; no row for one that nobody has touched.
select l.name, l.in_use, l.window_version, l.window_body
from unnest($1::smallint[], $2::text[]) as n (shard, name)
join limited l on l.shard = n.shard and l.name = n.name
