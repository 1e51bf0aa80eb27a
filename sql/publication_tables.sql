-- The tables of a publication, as its subscribers see them: psql -v publication=outbox -f sql/publication_tables.sql
-- Column lists and row filters exist in Postgres 15 and later; before, both come out null. So does columns where there is
-- no column list: the view then names all columns that there are now.
select
    t.schemaname::text as schema, t.tablename::text as table, c.oid,
    c.relkind::text as kind, c.relreplident::text as replica_identity,
    (
        select pg_catalog.array_agg(a.name order by a.ordinality)
        from pg_catalog.jsonb_array_elements_text(pg_catalog.to_jsonb(t) -> 'attnames')
            with ordinality as a (name, ordinality)
        where pg_catalog.to_jsonb(r) ->> 'prattrs' is not null
    ) as columns,
    pg_catalog.to_jsonb(t) ->> 'rowfilter' as row_filter
from pg_catalog.pg_publication_tables t
join pg_catalog.pg_publication p on p.pubname = t.pubname
join pg_catalog.pg_namespace n on n.nspname = t.schemaname
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = t.tablename
left join pg_catalog.pg_publication_rel r on r.prpubid = p.oid and r.prrelid = c.oid
where t.pubname = :'publication'
order by t.schemaname, t.tablename
