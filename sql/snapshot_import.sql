-- In a new transaction, the moment that another one has exported: psql -v snapshot=00000003-0000001B-1 -f sql/snapshot_import.sql
set transaction snapshot :'snapshot'
