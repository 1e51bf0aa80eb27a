-- The publication: which rows the slot sends. Make it before the slot: rows older than a publication cannot be decoded
-- with it. Only inserts: an event is a fact, and updates and deletes of outbox rows are housekeeping. With
-- publish_via_partition_root the rows of a partitioned outbox come under the name of the outbox.
-- psql -v publication=walpost -v tables=public.outbox -f publication.sql
\if :{?publication} \else \set publication walpost \endif
\if :{?tables} \else \set tables public.outbox \endif
SELECT NOT EXISTS (SELECT FROM pg_publication WHERE pubname = :'publication') AS publication_missing \gset

\if :publication_missing
CREATE PUBLICATION :"publication" FOR TABLE :tables
    WITH (publish = 'insert', publish_via_partition_root = true);
\endif
