-- How far the server's WAL is safe on disk: psql -f sql/wal_flush_lsn.sql
-- On a standby: how far it has come from its primary, or from the archive.
select case
    when pg_catalog.pg_is_in_recovery()
        then coalesce(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())
    else pg_catalog.pg_current_wal_flush_lsn()
end as lsn
