-- Moves a slot forward and says where it came to rest. What lies between is never sent again:
-- psql -v slot=outbox -v to=0/16B3748 -f sql/slot_advance.sql
select end_lsn from pg_catalog.pg_replication_slot_advance(:'slot', :'to')
