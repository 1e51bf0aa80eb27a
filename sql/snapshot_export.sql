-- Lets other sessions see what this transaction sees, until it ends: psql -f sql/snapshot_export.sql
select pg_catalog.pg_export_snapshot() as snapshot
