-- How long the server waits for a word of its replication client, in ms; 0: for ever.
select setting from pg_catalog.pg_settings where name = 'wal_sender_timeout'
