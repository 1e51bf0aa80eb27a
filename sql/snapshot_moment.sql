-- Which transactions this snapshot sees, and whether it sees all that an earlier one does: a transaction whose commit is
-- in the WAL may still be on its way to be seen (it waits for a standby, for example).
-- psql -v horizon=1:1: -f sql/snapshot_moment.sql
select
    s.snapshot::text as horizon,
    pg_catalog.pg_snapshot_xmax(s.snapshot) >= pg_catalog.pg_snapshot_xmax(:'horizon'::pg_snapshot)
    and not exists (
        select from pg_catalog.pg_snapshot_xip(s.snapshot) as running
        where pg_catalog.pg_visible_in_snapshot(running, :'horizon'::pg_snapshot)
    ) as sees_all
from (select pg_catalog.pg_current_snapshot() as snapshot) s
