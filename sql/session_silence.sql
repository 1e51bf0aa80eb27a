-- Ends this session, and frees its locks, once it has said nothing for so long: psql -v silence=15s -f sql/session_silence.sql
-- Before Postgres 14 nothing changes.
select pg_catalog.set_config('idle_session_timeout', :'silence', false)
where pg_catalog.current_setting('server_version_num')::int4 >= 140000
