-- The same for a slot that standbys keep a copy of (Postgres 17 and later):
-- psql -v slot=outbox -f sql/slot_create_failover.sql
select lsn from pg_catalog.pg_create_logical_replication_slot(:'slot', 'pgoutput', failover => true)
