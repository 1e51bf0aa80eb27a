-- What else decides whether the connector will be well: psql -f sql/doctor.sql
-- Without pg_monitor the start of other roles' transactions is hidden, and oldest_transaction_seconds may be null.
select
    pg_catalog.current_setting('synchronous_commit') as synchronous_commit,
    (select setting::int8 from pg_catalog.pg_settings where name = 'wal_writer_delay') as wal_writer_delay_ms,
    (select pg_catalog.count(*)::int4 from pg_catalog.pg_stat_replication) as wal_senders,
    coalesce((select ssl from pg_catalog.pg_stat_ssl where pid = pg_catalog.pg_backend_pid()), false) as encrypted,
    (select version from pg_catalog.pg_stat_ssl where pid = pg_catalog.pg_backend_pid()) as tls_version,
    oldest.seconds as oldest_transaction_seconds,
    oldest.pid as oldest_transaction_pid,
    oldest.state as oldest_transaction_state,
    (select pg_catalog.count(*)::int4 from pg_catalog.pg_prepared_xacts) as prepared_transactions,
    (
        select r.rolname::text from pg_catalog.pg_roles r
        where r.rolname in ('rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin', 'supabase_admin', 'neon_superuser')
        order by 1 limit 1
    ) as provider_role
from (select) as one
left join lateral (
    select extract(epoch from pg_catalog.now() - a.xact_start)::int8 as seconds, a.pid, a.state
    from pg_catalog.pg_stat_activity a
    where a.xact_start is not null
        and a.backend_type = 'client backend'
        and a.pid <> pg_catalog.pg_backend_pid()
    order by a.xact_start
    limit 1
) as oldest on true
