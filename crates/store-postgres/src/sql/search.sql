-- A page of executions and the number of all that match, from one snapshot. An empty array or a
-- null means any; the statement is planned with the values at hand, so these tests vanish and the
-- page can follow an index. The first line of the answer has the total even when the page is empty.
-- The order is put in place of its mark, from a closed set of columns (search.rs).
with hit as not materialized (
    select *
    from execution
    where (cardinality($1::uuid[]) = 0 or (shard = any ($2::smallint[]) and id = any ($1)))
        and (cardinality($3::smallint[]) = 0 or status = any ($3))
        and ((cardinality($4::text[]) = 0 and cardinality($5::text[]) = 0)
            or workflow_name = any ($4)
            or (cardinality($5) > 0 and workflow_name like any ($5)))
        and ($6::int is null or workflow_version = $6)
        and ((cardinality($7::text[]) = 0 and cardinality($8::text[]) = 0)
            or correlation_id = any ($7)
            or (cardinality($8) > 0 and correlation_id like any ($8)))
        and (not $9::boolean or parent is null)
        and ($10::uuid is null or parent = $10)
        and ($11::bigint is null or created_at > $11)
        and ($12::bigint is null or created_at < $12)
        and ($13::bigint is null or ended_at > $13)
        and ($14::bigint is null or ended_at < $14)
)
select
    total.hits, page.version, page.overview as body, page.status, page.id, page.waits,
    page.wake_at, page.ended_at, page.updated_at, page.workflow_name, page.workflow_version,
    page.correlation_id, page.created_at, page.parent, page.parent_seq, page.plan, page.input
from (select count(*) as hits from hit) total
left join (
    select * from hit order by /*order*/ id offset $15::bigint limit $16::bigint
) page on true
order by /*order*/ id
