-- Tables that a publication could have, in the form of sql/publication_tables.sql: psql -f sql/publication_candidates.sql
select
    n.nspname::text as schema, c.relname::text as table, c.oid,
    c.relkind::text as kind, c.relreplident::text as replica_identity,
    null::text[] as columns, null::text as row_filter
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p')
    and c.relpersistence = 'p'
    and not c.relispartition
    and n.nspname <> 'information_schema'
    and n.nspname !~ '^pg_'
order by 1, 2
