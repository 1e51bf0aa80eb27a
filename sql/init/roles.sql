-- Least privilege: three roles instead of one that may do everything. Run as a role that may create roles.
-- psql -v cdc_role=walpost -v app_role=shop -v tables=public.outbox -f roles.sql
\if :{?setup_role} \else \set setup_role walpost_setup \endif
\if :{?cdc_role} \else \set cdc_role walpost \endif
\if :{?monitor_role} \else \set monitor_role walpost_monitor \endif
\if :{?tables} \else \set tables public.outbox \endif
\if :{?database} \else \set database :DBNAME \endif
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'setup_role') AS setup_role_missing \gset
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'cdc_role') AS cdc_role_missing \gset
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'monitor_role') AS monitor_role_missing \gset
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication') AS on_rds \gset

-- setup: may make publications. Those who do so also need to own the tables: GRANT their owner to this role, or this
-- role to those who run walpost init and walpost publication create.
\if :setup_role_missing
CREATE ROLE :"setup_role" NOLOGIN;
\endif
GRANT CREATE ON DATABASE :"database" TO :"setup_role";

-- cdc: what walpost run logs in as. REPLICATION is enough: it needs neither SELECT on the outbox nor USAGE on its
-- schema. But whoever has REPLICATION can read everything that is written in this database, so guard it as such.
-- Its password is not set here: psql's \password does it without leaving it in a log.
\if :on_rds
\if :cdc_role_missing
CREATE ROLE :"cdc_role" LOGIN;
\endif
GRANT rds_replication TO :"cdc_role";
\else
\if :cdc_role_missing
CREATE ROLE :"cdc_role" LOGIN;
\endif
ALTER ROLE :"cdc_role" REPLICATION;
\endif
GRANT CONNECT ON DATABASE :"database" TO :"cdc_role";

\if :{?app_role}
-- app: what writes events.
GRANT INSERT ON :tables TO :"app_role";
\endif

-- monitor: may watch slots and sessions; cannot read a row.
\if :monitor_role_missing
CREATE ROLE :"monitor_role" LOGIN;
\endif
GRANT pg_monitor TO :"monitor_role";
GRANT CONNECT ON DATABASE :"database" TO :"monitor_role";
