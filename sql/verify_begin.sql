-- One moment for all that is read from here on, and nothing is written: psql -f sql/verify_begin.sql
-- It may take long, and the session be silent meanwhile; rows come as they lie.
begin transaction isolation level repeatable read read only;
set local statement_timeout = 0;
set local idle_in_transaction_session_timeout = 0;
set local synchronize_seqscans = off;
