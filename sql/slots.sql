-- Replication slots, one row each: psql -v condition=true -f sql/slots.sql
-- Columns that this server's version does not have come out null: that is what to_jsonb is for.
select
    s.slot_name::text as name,
    s.plugin::text as plugin,
    s.database::text as database,
    s.active,
    s.active_pid,
    s.restart_lsn,
    s.confirmed_flush_lsn,
    s.wal_status,
    coalesce(
        pg_catalog.to_jsonb(s) ->> 'invalidation_reason',
        case when (pg_catalog.to_jsonb(s) ->> 'conflicting')::bool then 'conflicting' end
    ) as invalidation_reason,
    (here.lsn - s.restart_lsn)::int8 as retained_bytes,
    (here.lsn - s.confirmed_flush_lsn)::int8 as pending_bytes,
    s.safe_wal_size as safe_wal_bytes,
    s.temporary,
    s.two_phase,
    coalesce((pg_catalog.to_jsonb(s) ->> 'failover')::bool, false) as failover,
    coalesce((pg_catalog.to_jsonb(s) ->> 'synced')::bool, false) as synced,
    pg_catalog.to_jsonb(s) ->> 'inactive_since' as inactive_since,
    pg_catalog.age(s.catalog_xmin) as catalog_xmin_age,
    w.application_name,
    w.client_addr::text as client_address,
    w.state as walsender_state
from pg_catalog.pg_replication_slots s
left join pg_catalog.pg_stat_replication w on w.pid = s.active_pid
cross join lateral (
    select case
        when pg_catalog.pg_is_in_recovery()
            then coalesce(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())
        else pg_catalog.pg_current_wal_lsn()
    end
) as here (lsn)
where :condition
order by s.slot_name
