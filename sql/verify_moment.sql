-- How far the WAL has come once the snapshot is taken: what the snapshot sees ended before that, flushed or not.
-- Asked first in a transaction of repeatable read: psql -f sql/verify_moment.sql
select
    case when pg_catalog.pg_is_in_recovery()
        then pg_catalog.pg_last_wal_replay_lsn()
        else pg_catalog.pg_current_wal_insert_lsn()
    end as lsn,
    pg_catalog.current_setting('track_commit_timestamp')::bool as commit_times
