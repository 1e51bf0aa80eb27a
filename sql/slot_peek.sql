-- What a slot would send up to a point of the WAL; the slot does not move, and must be idle:
-- psql -v slot=outbox -v upto=0/16B3748 -v publication=outbox -v parameters= -f sql/slot_peek.sql
select data
from pg_catalog.pg_logical_slot_peek_binary_changes(
    :'slot', :'upto', null, 'proto_version', '1', 'publication_names', :'publication' :parameters
)
