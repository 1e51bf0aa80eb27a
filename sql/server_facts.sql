-- What the server says of itself and of our role: psql -f sql/server_facts.sql
select
    pg_catalog.current_setting('server_version_num')::int4 as version_num,
    pg_catalog.current_setting('server_version') as version,
    pg_catalog.current_setting('wal_level') as wal_level,
    pg_catalog.pg_is_in_recovery() as in_recovery,
    (select setting::int8 from pg_catalog.pg_settings where name = 'wal_sender_timeout') as wal_sender_timeout_ms,
    pg_catalog.current_setting('max_replication_slots')::int4 as max_replication_slots,
    (select pg_catalog.count(*)::int4 from pg_catalog.pg_replication_slots) as replication_slots,
    pg_catalog.current_setting('max_wal_senders')::int4 as max_wal_senders,
    (select setting::int8 from pg_catalog.pg_settings where name = 'max_slot_wal_keep_size') as max_slot_wal_keep_size_mb,
    pg_catalog.current_setting('synchronous_standby_names') as synchronous_standby_names,
    -- Amazon RDS and Aurora give membership of a role instead of the REPLICATION attribute.
    r.rolsuper or r.rolreplication or exists (
        select from pg_catalog.pg_roles p
        where p.rolname = 'rds_replication' and pg_catalog.pg_has_role(p.oid, 'member')
    ) as can_replicate,
    r.rolsuper as is_superuser
from pg_catalog.pg_roles r
where r.rolname = current_user
