-- The limits in shard $1 (null = any) that a batch would exceed, or whose window is another, as they are
-- without it; asked after its transaction is undone. $2 to $5: shard, name, count and most of each
-- limit, null = any number; $6 to $9: slots that it takes; $10 to $13: slots that it frees; $14 to $16:
-- windows. The count is what the batch says; here the rows say it.
with taken as (
    select t.shard, t.name, count(*) as count
    from unnest($6::smallint[], $7::text[], $8::uuid[], $9::int[]) as t (shard, name, id, seq)
    left join slot s
        on ($1::smallint is null or s.shard = $1)
        and s.shard = t.shard and s.name = t.name and s.execution_id = t.id and s.seq = t.seq
    where s.name is null
    group by t.shard, t.name
), freed as (
    select f.shard, f.name, count(*) as count
    from unnest($10::smallint[], $11::text[], $12::uuid[], $13::int[]) as f (shard, name, id, seq)
    join slot s
        on ($1::smallint is null or s.shard = $1)
        and s.shard = f.shard and s.name = f.name and s.execution_id = f.id and s.seq = f.seq
    group by f.shard, f.name
)
select
    n.name, coalesce(l.in_use, 0) as in_use, coalesce(l.window_version, 0) as window_version,
    coalesce(l.window_body, '') as window_body
from unnest($2::smallint[], $3::text[], $4::bigint[], $5::bigint[]) as n (shard, name, said, most)
left join limited l
    on ($1::smallint is null or l.shard = $1) and l.shard = n.shard and l.name = n.name
left join taken t on t.shard = n.shard and t.name = n.name
left join freed f on f.shard = n.shard and f.name = n.name
left join unnest($14::smallint[], $15::text[], $16::bigint[]) as w (shard, name, version)
    on w.shard = n.shard and w.name = n.name
where coalesce(l.in_use, 0) + coalesce(t.count, 0) - coalesce(f.count, 0) > n.most
    or coalesce(l.window_version, 0) <> w.version
