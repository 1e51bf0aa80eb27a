-- By which columns rows can be told apart and sorted: the primary key, or else a unique index of columns that are NOT NULL:
-- psql -v oid="'outbox'::regclass::oid" -f sql/snapshot_key.sql
select a.attname::text as name, pg_catalog.format_type(a.atttypid, a.atttypmod) as type
from (
    select i.indrelid, i.indkey, i.indnkeyatts
    from pg_catalog.pg_index i
    where i.indrelid = :oid
        and i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null and i.indexprs is null
        and not exists (
            select from pg_catalog.unnest((i.indkey::int2[])[0 : i.indnkeyatts - 1]) as k (number)
            join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
            where not a.attnotnull
        )
    order by i.indisprimary desc, i.indexrelid
    limit 1
) i
cross join lateral pg_catalog.unnest((i.indkey::int2[])[0 : i.indnkeyatts - 1]) with ordinality as k (number, place)
join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
order by k.place
