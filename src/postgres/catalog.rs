//! What the catalogue tells of a table's columns: types, nullability, defaults.

use super::Error;
use super::publication::TableName;
use super::session::{Session, value};
use super::statement::fill;
use tokio_postgres::Row;

/// A table as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogTable {
    /// Schema.
    pub schema: String,
    /// Table.
    pub table: String,
    /// `pg_class.relkind`: `r`, or `p` for a partitioned table.
    pub kind: String,
    /// Its columns in order, but for generated ones.
    pub columns: Vec<CatalogColumn>,
}

/// One column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogColumn {
    /// Name.
    pub name: String,
    /// Its type.
    pub type_facts: CatalogType,
    /// `NOT NULL`, or part of the primary key.
    pub not_null: bool,
    /// Part of the primary key.
    pub primary_key: bool,
    /// Its place in the primary key, or, where there is none, in the first unique index.
    pub key_position: Option<i32>,
    /// Default expression as `pg_get_expr` prints it.
    pub default_expression: Option<String>,
}

/// A type, with domains resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogType {
    /// Name without schema (`pg_type.typname`).
    pub name: String,
    /// OID.
    pub oid: u32,
    /// Type modifier, taken from the domain where the column has none; -1 for none.
    pub type_modifier: i32,
    /// Labels in order, when it is an enum.
    pub enum_labels: Vec<String>,
    /// The element type, when it is an array.
    pub element: Option<Box<CatalogType>>,
}

/// The table with this OID; `None` when there is none (any more).
pub async fn describe(session: &Session, oid: u32) -> Result<Option<CatalogTable>, Error> {
    let oid = oid.to_string();
    let values = [("oid", oid.as_str())];
    let Some(row) = session.query_opt(&fill(include_str!("../../sql/table.sql"), &values), &[]).await? else {
        return Ok(None);
    };
    let columns = session.query(&fill(include_str!("../../sql/table_columns.sql"), &values), &[]).await?;
    Ok(Some(CatalogTable {
        schema: value(&row, "schema")?,
        table: value(&row, "table")?,
        kind: value(&row, "kind")?,
        columns: columns.iter().map(column).collect::<Result<_, Error>>()?,
    }))
}

/// Ordinary and partitioned tables, partitions included, but for the system's own.
pub async fn tables(session: &Session) -> Result<Vec<TableName>, Error> {
    let rows = session.query(include_str!("../../sql/tables.sql"), &[]).await?;
    rows.iter()
        .map(|row| Ok(TableName { schema: value(row, "schema")?, table: value(row, "table")? }))
        .collect()
}

fn column(row: &Row) -> Result<CatalogColumn, Error> {
    let type_modifier = value(row, "type_modifier")?;
    let element = value::<Option<u32>>(row, "element_oid")?;
    let element = element
        .map(|oid| {
            Ok::<_, Error>(Box::new(CatalogType {
                name: value(row, "element_name")?,
                oid,
                // An array's modifier is its elements'.
                type_modifier,
                enum_labels: value::<Option<_>>(row, "element_enum_labels")?.unwrap_or_default(),
                element: None,
            }))
        })
        .transpose()?;
    Ok(CatalogColumn {
        name: value(row, "name")?,
        type_facts: CatalogType {
            name: value(row, "type_name")?,
            oid: value(row, "type_oid")?,
            type_modifier,
            enum_labels: value::<Option<_>>(row, "enum_labels")?.unwrap_or_default(),
            element,
        },
        not_null: value(row, "not_null")?,
        primary_key: value(row, "primary_key")?,
        key_position: value(row, "key_position")?,
        default_expression: value(row, "default_expression")?,
    })
}
