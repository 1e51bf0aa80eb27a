-- Rows of a table, for a comparison with what became of them:
-- psql -v columns=id -v only= -v schema=public -v table=outbox -v condition=true -v order= -f sql/verify_rows.sql
copy (
    select :columns
    from :only :"schema".:"table"
    where :condition
    :order
) to stdout
