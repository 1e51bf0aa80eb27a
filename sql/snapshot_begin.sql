-- The same moment as another session's, where that is given, for all that is read from here on; nothing is written:
-- psql -v import= -f sql/snapshot_begin.sql
-- It may take long, and the session be silent meanwhile; a row that a policy hides is an error, not left out.
begin transaction isolation level repeatable read read only;
:import;
set local statement_timeout = 0;
set local lock_timeout = 0;
set local idle_in_transaction_session_timeout = 0;
set local row_security = off;
select pg_catalog.set_config(name, '0', true) from pg_catalog.pg_settings where name = 'transaction_timeout';
