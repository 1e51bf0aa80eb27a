-- How many rows Postgres expects: psql -v only= -v schema=public -v table=outbox -v condition=true -f sql/snapshot_estimate.sql
explain (format json) select from :only :"schema".:"table" where :condition
