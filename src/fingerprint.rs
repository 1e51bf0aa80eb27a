//! What the slot sends, as it is written into every position: the publication, and each outbox table in it.
//!
//! Plain data. A later start compares it with what it finds, and so learns of a change that the stream says nothing
//! about (`pipeline::publication` has the comparison).

use crate::lsn::Lsn;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};

/// No position has more tables than this: it is written with every Kafka transaction.
pub const TABLES_MOST: usize = 500;

/// A publication, and the outbox tables whose rows it sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// OID of the publication; another one after DROP and CREATE.
    pub oid: u32,
    /// FOR ALL TABLES.
    pub all_tables: bool,
    /// Sends INSERTs.
    pub insert: bool,
    /// Rows of partitions come as rows of the root (`publish_via_partition_root`).
    pub via_root: bool,
    /// The server's WAL had come so far when it was last seen to be so: what was committed before was sent by it.
    #[serde(default)]
    pub seen_lsn: Lsn,
    /// Its outbox tables, by schema and name. Partitions count as their root, unless they were added by themselves.
    pub tables: Vec<Table>,
}

/// One outbox table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// OID of the table; another one after DROP and CREATE.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Table.
    pub table: String,
    /// `pg_class.relpersistence`; `u` (UNLOGGED) also when a partition is.
    pub persistence: String,
    /// How it came into the publication: `all`, `table:OID` or `schema:OID` of the catalogue's entry, which is another
    /// one when the table is taken out and put back.
    pub through: Vec<String>,
    /// The column list; `None`: all columns, also those that are added later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// The row filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_filter: Option<String>,
}

impl Table {
    /// `schema.table`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }

    /// Its rows are in the WAL.
    pub fn is_logged(&self) -> bool {
        self.persistence == "p"
    }
}

/// The fingerprint as it was last seen, between who looks and who writes it into positions.
#[derive(Clone, Debug, Default)]
pub struct LastSeen(Arc<Mutex<Option<Fingerprint>>>);

impl LastSeen {
    /// Begins with what a start saw.
    pub fn new(seen: Option<Fingerprint>) -> LastSeen {
        LastSeen(Arc::new(Mutex::new(seen)))
    }

    /// It was looked at again.
    pub fn set(&self, seen: Fingerprint) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }

    /// What was seen last.
    pub fn get(&self) -> Option<Fingerprint> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_reads_back_as_it_was_written() {
        let table = Table {
            oid: 16_400,
            schema: "public".into(),
            table: "outbox".into(),
            persistence: "p".into(),
            through: vec!["table:16410".into()],
            columns: Some(vec!["id".into()]),
            row_filter: Some("(shard = 1)".into()),
        };
        for tables in [vec![], vec![table.clone(), Table { columns: None, row_filter: None, ..table }]] {
            let fingerprint = Fingerprint { oid: 16_405, insert: true, tables, ..Fingerprint::default() };
            let text = serde_json::to_string(&fingerprint).unwrap();
            assert_eq!(serde_json::from_str::<Fingerprint>(&text).unwrap(), fingerprint);
        }
    }
}
