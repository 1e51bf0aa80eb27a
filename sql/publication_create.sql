-- Makes a publication; tables is FOR TABLE …, FOR ALL TABLES or nothing, operations 'insert' for an outbox:
-- psql -v publication=outbox -v tables='FOR TABLE outbox' -v operations=insert -v via_root=false -f sql/publication_create.sql
CREATE PUBLICATION :"publication" :tables
    WITH (publish = :'operations', publish_via_partition_root = :via_root);
