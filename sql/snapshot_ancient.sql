-- Whether there is a row whose transaction id does not say whether this snapshot sees it:
-- psql -v only= -v schema=public -v table=outbox -v unsure=false -f sql/snapshot_ancient.sql
select exists (select from :only :"schema".:"table" where :unsure) as ancient
