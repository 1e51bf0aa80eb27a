-- Drops a slot that is invalidated, and no other: psql -v slot=outbox -f sql/slot_drop_lost.sql
select pg_catalog.pg_drop_replication_slot(slot_name)
from pg_catalog.pg_replication_slots
where slot_name = :'slot' and wal_status = 'lost'
