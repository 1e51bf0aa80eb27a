-- The columns of a table, but for generated ones, which the stream leaves out:
-- psql -v oid="'outbox'::regclass::oid" -f sql/table_columns.sql
-- A domain is resolved to its base type, and an array's element is told beside it. The type modifier of a column
-- is -1 where its domain has one. key_position is the column's place in the primary key, or, where there is none, in the
-- first unique index.
with recursive resolved (number, type_oid, type_modifier, depth) as (
    select attnum, atttypid, atttypmod, 0
    from pg_catalog.pg_attribute
    where attrelid = :oid and attnum > 0 and not attisdropped and attgenerated = ''
    union all
    select
        r.number, t.typbasetype,
        case when r.type_modifier = -1 then t.typtypmod else r.type_modifier end,
        r.depth + 1
    from resolved r
    join pg_catalog.pg_type t on t.oid = r.type_oid
    where t.typtype = 'd'
), base as (
    select distinct on (number) number, type_oid, type_modifier
    from resolved
    order by number, depth desc
)
select
    a.attname::text as name,
    t.typname::text as type_name,
    t.oid as type_oid,
    b.type_modifier,
    (select pg_catalog.array_agg(e.enumlabel::text order by e.enumsortorder)
        from pg_catalog.pg_enum e where e.enumtypid = t.oid) as enum_labels,
    element.typname::text as element_name,
    element.oid as element_oid,
    (select pg_catalog.array_agg(e.enumlabel::text order by e.enumsortorder)
        from pg_catalog.pg_enum e where e.enumtypid = element.oid) as element_enum_labels,
    a.attnotnull or coalesce(a.attnum = any (p.indkey::int2[]), false) as not_null,
    coalesce(a.attnum = any (p.indkey::int2[]), false) as primary_key,
    pg_catalog.array_position(k.columns, a.attnum) as key_position,
    pg_catalog.pg_get_expr(d.adbin, d.adrelid) as default_expression
from base b
join pg_catalog.pg_attribute a on a.attrelid = :oid and a.attnum = b.number
join pg_catalog.pg_type t on t.oid = b.type_oid
left join pg_catalog.pg_type element on element.oid = t.typelem and t.typcategory = 'A'
left join pg_catalog.pg_index p on p.indrelid = a.attrelid and p.indisprimary
left join (
    select (i.indkey::int2[])[0 : i.indnkeyatts - 1] as columns
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    where i.indrelid = :oid and i.indisunique and i.indexprs is null
    order by i.indisprimary desc, i.indisclustered desc, c.relname
    limit 1
) k on true
left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum and a.atthasdef
order by a.attnum
