//! How rows of one table become records: columns found once per Relation, not per row.

use crate::decode::value::{Kind, Value};

/// The outbox columns of one table, resolved. Made anew whenever the table's Relation changes.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Differs between any two plans of a run: what an encoder may cache by.
    pub generation: u64,
    /// `schema.table`.
    pub table: String,
    /// `<topic.prefix>.<schema>.<table>`: with the route value and `.Value` appended, the envelope's schema name.
    pub schema_stem: String,
    /// The event id: header `id`.
    pub id: Field,
    /// The record key.
    pub key: Field,
    /// The payload.
    pub payload: Field,
    /// The route column.
    pub route_by: Field,
    /// The timestamp column, where configured.
    pub timestamp: Option<Field>,
    /// The schema version column, where configured.
    pub schema_version: Option<Field>,
    /// `header` placements, in order: alias and column.
    pub headers: Vec<(std::sync::Arc<str>, Field)>,
    /// `envelope` placements, in order; `Some(vec![])` when some were configured but none is in the table
    /// (the value is a struct all the same).
    pub envelope: Option<Vec<(String, Field)>>,
    /// The `partition` placement that counts (the last).
    pub partition: Option<Field>,
}

/// One column of the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Index of its cell.
    pub index: usize,
    /// Column name.
    pub name: String,
    /// Connect type.
    pub kind: Kind,
    /// May be NULL.
    pub optional: bool,
    /// Its DEFAULT, evaluated as Debezium does: what `Struct.get` returns in place of NULL.
    pub default: Option<Value<'static>>,
}
