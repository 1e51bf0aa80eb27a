-- Tables that a publication can have, but for the system's own: psql -f sql/tables.sql
select n.nspname::text as schema, c.relname::text as table
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p')
    and c.relpersistence = 'p'
    and n.nspname <> 'information_schema'
    and n.nspname !~ '^pg_'
order by 1, 2
