-- What this session asks may take long: psql -f sql/patience.sql
set statement_timeout = 0;
set idle_in_transaction_session_timeout = 0;
