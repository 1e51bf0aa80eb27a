-- A publication and the tables whose rows it sends, one row each, or one row without a table; no row: no publication.
-- Cheap enough to be asked every few seconds, and it waits for no lock on a table without a row filter, as
-- pg_publication_tables would: psql -v publication=outbox -v others=false
--     -v row_filter='pg_catalog.pg_get_expr(r.prqual, r.prrelid)' -f sql/fingerprint.sql
-- row_filter is null::text before Postgres 15. others adds tables that the publication does not have.
with recursive publication as (
    select oid, puballtables, pubinsert, pubviaroot
    from pg_catalog.pg_publication
    where pubname = :'publication'
), listed as (
    select
        r.oid, r.prrelid,
        (
            select pg_catalog.array_agg(a.attname::text order by a.attnum)
            from pg_catalog.pg_attribute a
            where a.attrelid = r.prrelid
                -- [1, 2, 3], or null.
                and a.attnum::text = any (pg_catalog.string_to_array(
                    pg_catalog.translate(pg_catalog.to_jsonb(r) ->> 'prattrs', '[],', ''), ' '))
        ) as columns,
        :row_filter as row_filter
    from publication p
    join pg_catalog.pg_publication_rel r on r.prpubid = p.oid
), schemas as (
    -- pg_publication_namespace exists in Postgres 15 and later; what depends on it does in all.
    select entry.objid as oid, entry_schema.refobjid as schema
    from publication p
    join pg_catalog.pg_depend entry
        on entry.refclassid = 'pg_catalog.pg_publication'::regclass and entry.refobjid = p.oid
        and entry.classid = pg_catalog.to_regclass('pg_catalog.pg_publication_namespace')
    join pg_catalog.pg_depend entry_schema
        on entry_schema.classid = entry.classid and entry_schema.objid = entry.objid
        and entry_schema.refclassid = 'pg_catalog.pg_namespace'::regclass
), entry (through, relation) as (
    select 'table:' || oid, prrelid from listed
    union all
    select 'schema:' || s.oid, c.oid
    from schemas s
    join pg_catalog.pg_class c on c.relnamespace = s.schema and c.relkind in ('r', 'p')
    union all
    select 'all', c.oid from publication p join pg_catalog.pg_class c on p.puballtables and c.relkind in ('r', 'p')
), tree (through, root, relation) as (
    select through, relation, relation from entry
    union
    select t.through, t.root, i.inhrelid
    from tree t
    join pg_catalog.pg_inherits i on i.inhparent = t.relation
    join pg_catalog.pg_class c on c.oid = i.inhrelid and c.relispartition
), published as (
    select
        relation,
        pg_catalog.array_agg(distinct through order by through) as through,
        pg_catalog.array_agg(distinct root) as roots
    from tree
    group by relation
)
select
    p.oid as publication_oid,
    p.puballtables as all_tables,
    p.pubinsert as insert,
    p.pubviaroot as via_root,
    array(
        select 'table:' || oid from listed
        union all select 'schema:' || oid from schemas
        union all select 'all' where p.puballtables
    ) as entries,
    t.*
from publication p
left join lateral (
    select
        c.oid, n.nspname::text as schema, c.relname::text as table, c.relpersistence::text as persistence,
        coalesce(published.through, '{}') as through,
        coalesce(published.roots, '{}') as roots,
        listed.columns, listed.row_filter
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join published on published.relation = c.oid
    left join listed on listed.prrelid = c.oid
    where c.relkind in ('r', 'p')
        and c.relpersistence <> 't'
        and n.nspname <> 'information_schema'
        and n.nspname !~ '^pg_'
        and (published.relation is not null or :others)
) as t on true
order by t.schema, t.table
