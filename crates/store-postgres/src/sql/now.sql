-- The database's clock in milliseconds since 1970.
select baton_now()
