-- Rows of a table, partitions included, that were updated and deleted since the server counts:
-- psql -v oid="'outbox'::regclass::oid" -f sql/snapshot_changed.sql
select
    coalesce(sum(pg_catalog.pg_stat_get_tuples_updated(t.oid)), 0)::int8 as updated,
    coalesce(sum(pg_catalog.pg_stat_get_tuples_deleted(t.oid)), 0)::int8 as deleted
from (
    select (:oid)::oid as oid
    union
    select relid from pg_catalog.pg_partition_tree((:oid)::regclass)
) t
