-- Takes the leader's advisory lock for this session: psql -v key=-1234 -f sql/leader_lock.sql
-- 2002873456 is "walp" in ASCII; the key is made from the slot's name (src/postgres/session.rs).
select pg_catalog.pg_try_advisory_lock(2002873456, :'key'::int4) as locked
