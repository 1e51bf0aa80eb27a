-- The same in a snapshot that another session has exported and still holds:
-- psql -v snapshot=00000003-0000001B-1 -f sql/verify_begin_at.sql
begin transaction isolation level repeatable read read only;
set transaction snapshot :'snapshot';
set local statement_timeout = 0;
set local idle_in_transaction_session_timeout = 0;
set local synchronize_seqscans = off;
