//! Publications: find, create, and the tables they have.

use super::Error;
use super::session::{Session, value};
use super::statement::fill;
use postgres_protocol::escape::{escape_identifier, escape_literal};

/// A publication, and what it has now.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PublicationFacts {
    /// OID; another one after DROP and CREATE.
    pub oid: u32,
    /// Name.
    pub name: String,
    /// Who owns it.
    pub owner: String,
    /// FOR ALL TABLES.
    pub all_tables: bool,
    /// Sends INSERTs.
    pub insert: bool,
    /// Sends UPDATEs.
    pub update: bool,
    /// Sends DELETEs.
    pub delete: bool,
    /// Sends TRUNCATEs.
    pub truncate: bool,
    /// Rows of partitions come as rows of the root (`publish_via_partition_root`).
    pub via_root: bool,
    /// Its tables as a subscriber sees them, by schema and name.
    pub tables: Vec<PublishedTable>,
}

/// One table of a publication.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PublishedTable {
    /// Schema.
    pub schema: String,
    /// Table.
    pub table: String,
    /// OID of the table; another one after DROP and CREATE.
    pub oid: u32,
    /// `pg_class.relkind`: `r`, or `p` for a partitioned table.
    pub kind: String,
    /// `pg_class.relreplident`: `d`, `n`, `f` or `i`.
    pub replica_identity: String,
    /// The column list (15 and later); `None`: all columns, also those that are added later.
    pub columns: Option<Vec<String>>,
    /// The row filter (15 and later).
    pub row_filter: Option<String>,
}

/// A table by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct TableName {
    /// Schema.
    pub schema: String,
    /// Table.
    pub table: String,
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// What a new publication has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every table there is and will be.
    AllTables,
    /// These.
    Tables(Vec<TableName>),
    /// None yet.
    NoTables,
}

/// The publication of this name.
pub async fn find(session: &Session, name: &str) -> Result<Option<PublicationFacts>, Error> {
    let sql = fill(include_str!("../../sql/publication.sql"), &[("publication", name)]);
    let Some(row) = session.query_opt(&sql, &[]).await? else { return Ok(None) };
    Ok(Some(PublicationFacts {
        oid: value(&row, "oid")?,
        name: value(&row, "name")?,
        owner: value(&row, "owner")?,
        all_tables: value(&row, "all_tables")?,
        insert: value(&row, "insert")?,
        update: value(&row, "update")?,
        delete: value(&row, "delete")?,
        truncate: value(&row, "truncate")?,
        via_root: value(&row, "via_root")?,
        tables: tables(session, name).await?,
    }))
}

async fn tables(session: &Session, name: &str) -> Result<Vec<PublishedTable>, Error> {
    let sql = fill(include_str!("../../sql/publication_tables.sql"), &[("publication", name)]);
    read(&session.query(&sql, &[]).await?)
}

/// Every table that a publication could have, as if one had it without a filter; partitions as their root.
pub async fn candidates(session: &Session) -> Result<Vec<PublishedTable>, Error> {
    read(&session.query(include_str!("../../sql/publication_candidates.sql"), &[]).await?)
}

fn read(rows: &[tokio_postgres::Row]) -> Result<Vec<PublishedTable>, Error> {
    let table = |row: &tokio_postgres::Row| {
        Ok(PublishedTable {
            schema: value(row, "schema")?,
            table: value(row, "table")?,
            oid: value(row, "oid")?,
            kind: value(row, "kind")?,
            replica_identity: value(row, "replica_identity")?,
            columns: value(row, "columns")?,
            row_filter: value(row, "row_filter")?,
        })
    };
    rows.iter().map(table).collect()
}

/// What our role lacks to create a publication of this; `None`: nothing.
pub async fn lacking(session: &Session, scope: &Scope) -> Result<Option<String>, Error> {
    let tables: &[TableName] = if let Scope::Tables(tables) = scope { tables } else { &[] };
    let literals =
        |table: &TableName| format!("({}, {})", escape_literal(&table.schema), escape_literal(&table.table));
    let none = "(null, null)".to_owned();
    let named = tables.iter().map(literals).chain([none]).collect::<Vec<_>>().join(", ");
    let sql = fill(include_str!("../../sql/publication_rights.sql"), &[("tables", &named)]);
    let row = session.query_one(&sql, &[]).await?;
    let mut lacking = Vec::new();
    if !value::<bool>(&row, "may_create")? {
        lacking.push(format!("CREATE on database {}", value::<String>(&row, "database")?));
    }
    let others: Vec<String> = value(&row, "tables_of_others")?;
    if !others.is_empty() {
        lacking.push(format!("ownership of {}", others.join(", ")));
    }
    if *scope == Scope::AllTables && !value::<bool>(&row, "may_publish_all")? {
        lacking.push("the SUPERUSER attribute, which FOR ALL TABLES takes".to_owned());
    }
    Ok((!lacking.is_empty()).then(|| lacking.join(", and ")))
}

/// Creates a publication of these operations (`insert, update`).
pub async fn create(
    session: &Session,
    name: &str,
    scope: &Scope,
    operations: &str,
    via_root: bool,
) -> Result<(), Error> {
    session.execute(&create_statement(name, scope, operations, via_root)).await
}

/// The statement that [`create`] runs.
pub fn create_statement(name: &str, scope: &Scope, operations: &str, via_root: bool) -> String {
    let tables = match scope {
        Scope::AllTables => "FOR ALL TABLES".to_owned(),
        Scope::Tables(tables) if !tables.is_empty() => format!("FOR TABLE {}", list(tables)),
        Scope::Tables(_) | Scope::NoTables => String::new(),
    };
    let via_root = if via_root { "true" } else { "false" };
    let values =
        [("publication", name), ("tables", &tables), ("operations", operations), ("via_root", via_root)];
    fill(include_str!("../../sql/publication_create.sql"), &values)
}

fn list(tables: &[TableName]) -> String {
    let quoted = |table: &TableName| {
        format!("{}.{}", escape_identifier(&table.schema), escape_identifier(&table.table))
    };
    tables.iter().map(quoted).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_quotes_every_name() {
        let tables = [("public", "outbox"), ("Sales", "out\"box")]
            .map(|(schema, table)| TableName { schema: schema.into(), table: table.into() });
        let statement = |scope| {
            let statement = create_statement("My Pub", &scope, "insert", true);
            statement.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n")
        };
        let rest = "\n    WITH (publish = 'insert', publish_via_partition_root = true);";
        assert_eq!(
            statement(Scope::Tables(tables.to_vec())),
            format!(
                "CREATE PUBLICATION \"My Pub\" FOR TABLE \"public\".\"outbox\", \"Sales\".\"out\"\"box\"{rest}"
            )
        );
        assert_eq!(
            statement(Scope::AllTables),
            format!("CREATE PUBLICATION \"My Pub\" FOR ALL TABLES{rest}")
        );
        assert_eq!(statement(Scope::NoTables), format!("CREATE PUBLICATION \"My Pub\" {rest}"));
    }
}
