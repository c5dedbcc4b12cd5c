-- Counts slots that were taken or freed; answers how many are held now.
insert into limited (name, in_use)
values (?1, ?2)
on conflict (name) do update set in_use = in_use + excluded.in_use
returning in_use
