-- The limits in shard $1 (null = any) that a batch would exceed, or whose window is another, as they are
-- without it; asked after its transaction is undone. $2 to $4: shard, name and most of each limit, null =
-- any number; $5 to $8: slots that it takes; $9 to $12: slots that it frees; $13 to $15: windows.
with taken as (
    select t.shard, t.name, count(*) as count
    from unnest($5::smallint[], $6::text[], $7::uuid[], $8::int[]) as t (shard, name, id, seq)
    left join slot s
        on ($1::smallint is null or s.shard = $1)
        and s.shard = t.shard and s.name = t.name and s.execution_id = t.id and s.seq = t.seq
    where s.name is null
    group by t.shard, t.name
), freed as (
    select f.shard, f.name, count(*) as count
    from unnest($9::smallint[], $10::text[], $11::uuid[], $12::int[]) as f (shard, name, id, seq)
    join slot s
        on ($1::smallint is null or s.shard = $1)
        and s.shard = f.shard and s.name = f.name and s.execution_id = f.id and s.seq = f.seq
    group by f.shard, f.name
)
select
    n.name, coalesce(l.in_use, 0) as in_use, coalesce(l.window_version, 0) as window_version,
    coalesce(l.window_body, '') as window_body
from unnest($2::smallint[], $3::text[], $4::bigint[]) as n (shard, name, most)
left join limited l
    on ($1::smallint is null or l.shard = $1) and l.shard = n.shard and l.name = n.name
left join taken t on t.shard = n.shard and t.name = n.name
left join freed f on f.shard = n.shard and f.name = n.name
left join unnest($13::smallint[], $14::text[], $15::bigint[]) as w (shard, name, version)
    on w.shard = n.shard and w.name = n.name
where coalesce(l.in_use, 0) + coalesce(t.count, 0) - coalesce(f.count, 0) > n.most
    or coalesce(l.window_version, 0) <> w.version
