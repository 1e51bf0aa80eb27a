//! Relation messages: what a table looked like when its rows were written.

use std::collections::HashMap;
use std::sync::Arc;

/// A published table as the stream describes it. Replaced wholesale by every new Relation message of the same OID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// OID of the table.
    pub oid: u32,
    /// Schema; empty for `pg_catalog` in the protocol, which is spelled out here.
    pub schema: String,
    /// Table name.
    pub table: String,
    /// Replica identity: `d`, `n`, `f` or `i`.
    pub replica_identity: u8,
    /// Columns in the order their cells come.
    pub columns: Vec<Column>,
}

/// One column of a Relation message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Part of the replica identity key.
    pub key: bool,
    /// Name as the catalogue has it.
    pub name: String,
    /// OID of its type.
    pub type_oid: u32,
    /// Type modifier; -1 for none.
    pub type_modifier: i32,
}

/// The relations of one connection, by OID. Dropped with the connection.
#[derive(Default, Debug)]
pub struct RelationCache {
    by_oid: HashMap<u32, Arc<Relation>>,
}

impl RelationCache {
    /// Keeps `relation`, in place of what was known of its OID.
    pub fn insert(&mut self, relation: Relation) -> Arc<Relation> {
        let relation = Arc::new(relation);
        self.by_oid.insert(relation.oid, Arc::clone(&relation));
        relation
    }

    /// The relation of this OID.
    pub fn get(&self, oid: u32) -> Option<&Arc<Relation>> {
        self.by_oid.get(&oid)
    }
}
