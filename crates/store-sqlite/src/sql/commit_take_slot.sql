-- A slot that is held already stays as it is.
insert into slot (name, task)
values (?1, ?2)
on conflict do nothing
