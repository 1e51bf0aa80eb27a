-- What our role may, of what creating a publication of these tables takes:
-- psql -v tables="('public', 'outbox')" -f sql/publication_rights.sql
select
    pg_catalog.current_database()::text as database,
    pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') as may_create,
    -- Some providers let roles of theirs publish all tables; what they allow, only their servers know.
    r.rolsuper or exists (
        select from pg_catalog.pg_roles p
        where p.rolname in
            ('rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin', 'supabase_admin', 'neon_superuser')
    ) as may_publish_all,
    array(
        select n.nspname || '.' || c.relname
        from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where (n.nspname::text, c.relname::text) in (:tables)
            and not pg_catalog.pg_has_role(c.relowner, 'USAGE')
        order by 1
    ) as tables_of_others
from pg_catalog.pg_roles r
where r.rolname = current_user
