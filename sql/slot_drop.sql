-- Drops a slot; Postgres then forgets what it held back: psql -v slot=outbox -f sql/slot_drop.sql
select pg_catalog.pg_drop_replication_slot(:'slot')
