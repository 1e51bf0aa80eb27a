-- The slot: Postgres keeps WAL for it from here on, until walpost confirms. Last, and in a transaction of its own; it
-- waits for every transaction that is running. Leave this to `walpost slot create` or to the first `walpost run`: they
-- also write the first position to Kafka, without which a slot is taken for somebody else's. Made by hand, it is taken
-- over with `walpost run --adopt slot`.
-- psql -v slot=walpost -f slot.sql
\if :{?slot} \else \set slot walpost \endif
SELECT NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = :'slot') AS slot_missing \gset

\if :slot_missing
SELECT slot_name, lsn FROM pg_create_logical_replication_slot(:'slot', 'pgoutput');
\endif
