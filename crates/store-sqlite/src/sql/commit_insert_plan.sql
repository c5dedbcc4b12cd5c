-- The hash is the content: a plan that is there is the same plan.
insert into plan (hash, body)
values (?1, ?2)
on conflict (hash) do nothing
