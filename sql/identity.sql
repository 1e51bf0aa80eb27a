-- Which cluster this session is in, and on which timeline; on a standby the timeline is null:
-- psql -f sql/identity.sql
select
    (select system_identifier::text from pg_catalog.pg_control_system()) as system_id,
    case when not pg_catalog.pg_is_in_recovery() then
        ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::int4
    end as timeline
