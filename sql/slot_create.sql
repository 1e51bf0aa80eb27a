-- Makes a logical slot for pgoutput, and says from where on it has every transaction whole:
-- psql -v slot=outbox -f sql/slot_create.sql
select lsn from pg_catalog.pg_create_logical_replication_slot(:'slot', 'pgoutput')
