-- A table by its OID: psql -v oid="'outbox'::regclass::oid" -f sql/table.sql
select n.nspname::text as schema, c.relname::text as table, c.relkind::text as kind
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = :oid
