//! Relation messages: what a table looked like when its rows were written.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// What stands for a table's name where the row came in a message.
pub const MESSAGES: &str = "logical decoding messages";

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

impl Relation {
    /// It describes logical decoding messages, not a table.
    pub fn is_of_messages(&self) -> bool {
        self.schema.is_empty() && self.table.is_empty()
    }

    /// `schema.table`, for people.
    pub fn label(&self) -> String {
        match self.is_of_messages() {
            true => MESSAGES.to_owned(),
            false => format!("{}.{}", self.schema, self.table),
        }
    }
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
    relations: Vec<Arc<Relation>>,
    by_oid: HashMap<u32, usize>,
    /// Where the last one asked for lies: rows of one table come in runs.
    last: usize,
}

impl RelationCache {
    /// Keeps `relation`, in place of what was known of its OID.
    pub fn insert(&mut self, relation: Relation) -> Arc<Relation> {
        let relation = Arc::new(relation);
        match self.by_oid.entry(relation.oid) {
            Entry::Occupied(known) => self.relations[*known.get()] = Arc::clone(&relation),
            Entry::Vacant(unknown) => {
                unknown.insert(self.relations.len());
                self.relations.push(Arc::clone(&relation));
            }
        }
        relation
    }

    /// The relation of this OID.
    pub fn get(&mut self, oid: u32) -> Option<&Arc<Relation>> {
        if self.relations.get(self.last).is_none_or(|last| last.oid != oid) {
            self.last = *self.by_oid.get(&oid)?;
        }
        self.relations.get(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(oid: u32, table: &str) -> Relation {
        let (schema, table) = ("public".to_owned(), table.to_owned());
        Relation { oid, schema, table, replica_identity: b'd', columns: Vec::new() }
    }

    #[test]
    fn a_new_relation_message_replaces_the_table_of_its_oid() {
        let mut cache = RelationCache::default();
        cache.insert(relation(1, "outbox"));
        cache.insert(relation(2, "other"));
        assert_eq!(cache.get(1).unwrap().table, "outbox");
        cache.insert(relation(1, "renamed"));
        assert_eq!(cache.get(1).unwrap().table, "renamed");
        assert_eq!(cache.get(2).unwrap().table, "other");
        assert!(cache.get(3).is_none());
        assert_eq!(cache.get(2).unwrap().table, "other", "asking for an unknown one changes nothing");
    }
}
