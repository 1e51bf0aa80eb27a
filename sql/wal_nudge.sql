-- A transaction of nothing: what lies before its commit in the WAL is soon flushed, even where nobody waits for that.
-- psql -f sql/wal_nudge.sql
select pg_catalog.txid_current()
