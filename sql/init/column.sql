-- A further column of the outbox that the event router is configured to read.
-- psql -v schema=public -v table=outbox -v column=traceparent -v type=text -f column.sql
\if :{?schema} \else \set schema public \endif
\if :{?table} \else \set table outbox \endif

ALTER TABLE :"schema".:"table" ADD COLUMN IF NOT EXISTS :"column" :type;
