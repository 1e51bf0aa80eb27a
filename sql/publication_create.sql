-- Makes a publication of inserts only; tables is FOR TABLE …, FOR ALL TABLES or nothing:
-- psql -v publication=outbox -v tables='FOR TABLE outbox' -v via_root=false -f sql/publication_create.sql
CREATE PUBLICATION :"publication" :tables
    WITH (publish = 'insert', publish_via_partition_root = :via_root);
