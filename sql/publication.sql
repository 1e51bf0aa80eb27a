-- A publication: psql -v publication=outbox -f sql/publication.sql
select
    oid, pubname::text as name, pubowner::regrole::text as owner, puballtables as all_tables,
    pubinsert as insert, pubupdate as update, pubdelete as delete, pubtruncate as truncate, pubviaroot as via_root
from pg_catalog.pg_publication
where pubname = :'publication'
