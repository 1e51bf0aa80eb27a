-- The outbox table: one row is one event. Columns as Debezium's event router reads them by default.
-- psql -v schema=public -v table=outbox -f outbox.sql
\if :{?schema} \else \set schema public \endif
\if :{?table} \else \set table outbox \endif
\if :{?id} \else \set id id \endif
\if :{?key} \else \set key aggregateid \endif
\if :{?route} \else \set route aggregatetype \endif
\if :{?type} \else \set type type \endif
\if :{?payload} \else \set payload payload \endif
\if :{?with_key} \else \set with_key true \endif
\if :{?with_type} \else \set with_type true \endif
SELECT NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = :'schema') AS schema_missing \gset

\if :schema_missing
CREATE SCHEMA :"schema";
\endif

CREATE TABLE IF NOT EXISTS :"schema".:"table" (
    -- Event id: becomes the Kafka header "id", by which consumers recognise an event.
    :"id" uuid NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
    -- Decides the topic.
    :"route" varchar(255) NOT NULL,
    \if :with_key
    -- Becomes the record key: events with the same key keep their order.
    :"key" varchar(255) NOT NULL,
    \endif
    \if :with_type
    -- Kind of event; place it in a header with table.fields.additional.placement = type:header:eventType.
    :"type" varchar(255) NOT NULL,
    \endif
    -- The event itself. text, json, jsonb or bytea; NULL is a null value (a tombstone).
    :"payload" jsonb
);

-- Rows are read from the WAL at commit, not from the table: they may be deleted at once, even in the same transaction.
-- Rows that are kept for a while make it possible to publish again what a lost slot did not deliver.
