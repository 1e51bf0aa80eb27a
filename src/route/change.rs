//! Rows of tables that are no outbox, as Debezium's change events: what of a row goes into one, decided once per Relation.
//!
//! Enters: a Relation and what the catalogue adds to it. Leaves: a [`ChangePlan`], and for each change of a row what becomes
//! of it ([`Changed`]). Promised: key, columns, and what stands for values that the stream does not tell are Debezium 3.6's
//! (`RelationalChangeRecordEmitter`, `TableSchemaBuilder`, `JdbcValueConverters`). Not done here: bytes.

use super::plan::{Columns, Field, change_topic, next_generation};
use super::{Config, Prefixes, TableFacts};
use crate::decode::relation::MESSAGES;
use crate::decode::value::{Binary, Kind, Value, ValueError, zero};
use crate::decode::{Cell, Content, Old, Relation, Tuple};
use crate::rejection::{Origin, Reason, Rejection};
use std::borrow::Cow;
use std::sync::Arc;

/// What change events are made of, beyond the table.
#[derive(Clone, Debug, Default)]
pub struct ChangeRule {
    /// `database.dbname`: part of the source block.
    pub database: String,
    /// `tombstones.on.delete`.
    pub tombstones: bool,
    /// `skipped.operations`.
    pub skipped: Operations,
    /// `skip.messages.without.change`.
    pub only_changed: bool,
    /// `message.key.columns`: on `schema.table.column`, in order. A table of which none matches a column keeps its key.
    pub keys: Vec<fancy_regex::Regex>,
    /// `unavailable.value.placeholder`.
    pub placeholder: String,
    /// Logical decoding messages that are told as they are; `None`: none of them.
    pub messages: Option<Prefixes>,
    /// `provide.transaction.metadata`: the topic of transactions, and every change event has its place in its own.
    pub transactions: Option<Arc<str>>,
}

/// Operations on rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// `c`
    pub create: bool,
    /// `u`
    pub update: bool,
    /// `d`
    pub delete: bool,
    /// `t`
    pub truncate: bool,
}

/// How rows of one table become change events.
#[derive(Clone, Debug)]
pub struct ChangePlan {
    /// Differs between any two plans of a run.
    pub generation: u64,
    /// OID of its table.
    pub oid: u32,
    /// `schema.table`.
    pub label: String,
    /// `topic.prefix`.
    pub logical_name: String,
    /// Database.
    pub database: String,
    /// Schema.
    pub schema: String,
    /// Table.
    pub table: String,
    /// The topic, and what the names of its schemas begin with.
    pub topic: Arc<str>,
    /// Columns of the key, in the key's order; empty: there is none.
    pub key: Vec<ChangeColumn>,
    /// Columns of the row.
    pub columns: Vec<ChangeColumn>,
    /// A deleted row's event is followed by a tombstone.
    pub tombstones: bool,
    /// Operations that make no event.
    pub skipped: Operations,
    only_changed: bool,
}

/// A column of a change event, and what stands for what the stream does not tell of it.
#[derive(Clone, Debug)]
pub struct ChangeColumn {
    /// The column.
    pub field: Field,
    /// In place of NULL where the column is NOT NULL, as in the old row of which only the key is sent.
    absent: Value<'static>,
    /// In place of a large value that an update left alone.
    unchanged: Value<'static>,
}

/// A change that becomes one event or more.
#[derive(Clone, Copy, Debug)]
pub struct Changed<'a> {
    /// How rows of its table become events.
    pub plan: &'a ChangePlan,
    /// What became of the row.
    pub what: What<'a>,
}

/// What became of a row.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// It is there: new, or read by a snapshot.
    Created(Tuple<'a>),
    /// It is another: what it was, where the stream tells, and what it is.
    Updated(Option<Tuple<'a>>, Tuple<'a>),
    /// It has another key: the row of the old key is gone, and there is a new one.
    Moved(Tuple<'a>, Tuple<'a>),
    /// It is gone.
    Deleted(Tuple<'a>),
    /// All of them are gone.
    Truncated,
    /// A logical decoding message: its prefix and what was written.
    Message(&'a str, Content<'a>),
}

impl ChangePlan {
    pub(super) fn new(
        config: &Config,
        rule: &ChangeRule,
        relation: &Relation,
        facts: &TableFacts,
    ) -> ChangePlan {
        let columns = Columns::new(config, relation, facts);
        let column = |field: Field| ChangeColumn {
            absent: field.default.clone().unwrap_or_else(|| zero(&field.kind)),
            unchanged: unchanged(&field.kind, &rule.placeholder),
            field,
        };
        let names = || relation.columns.iter().map(|column| column.name.as_str());
        let key = key(rule, relation, facts);
        let topic = change_topic(&config.topic_prefix, &relation.schema, &relation.table);
        ChangePlan {
            generation: next_generation(),
            oid: relation.oid,
            label: relation.label(),
            logical_name: config.topic_prefix.clone(),
            database: rule.database.clone(),
            schema: relation.schema.clone(),
            table: relation.table.clone(),
            topic: topic.into(),
            key: key.into_iter().filter_map(|name| columns.of_table(name).ok()).map(column).collect(),
            columns: names().filter_map(|name| columns.find(name).ok()).map(column).collect(),
            tombstones: rule.tombstones,
            skipped: rule.skipped,
            only_changed: rule.only_changed,
        }
    }

    /// How logical decoding messages are told: of no table, with their content as the only column.
    pub(super) fn of_messages(config: &Config, rule: &ChangeRule) -> ChangePlan {
        let kind = match config.types.binary {
            Binary::Bytes => Kind::Bytes,
            notation => Kind::BytesText(notation),
        };
        let name = "content".to_owned();
        let field = Field { index: 0, name, kind, optional: true, default: None, strict: config.strict };
        ChangePlan {
            generation: next_generation(),
            oid: 0,
            label: MESSAGES.to_owned(),
            logical_name: config.topic_prefix.clone(),
            database: rule.database.clone(),
            schema: String::new(),
            table: String::new(),
            topic: format!("{}.message", config.topic_prefix).into(),
            key: Vec::new(),
            columns: vec![ChangeColumn { field, absent: Value::Null, unchanged: Value::Null }],
            tombstones: false,
            skipped: Operations::default(),
            only_changed: false,
        }
    }

    /// Its events are messages, not rows.
    pub fn is_of_messages(&self) -> bool {
        self.schema.is_empty() && self.table.is_empty()
    }

    /// What an update is. A key that the stream does not tell to be another is the same.
    pub(super) fn update<'a>(&self, old: Option<&Old<'a>>, new: Tuple<'a>) -> What<'a> {
        let old = old.map(|(Old::Key(old) | Old::Row(old))| *old);
        match old {
            Some(old) if self.key.iter().any(|column| column.differs(old, new)) => What::Moved(old, new),
            old => What::Updated(old, new),
        }
    }

    /// An update that changed nothing that is in the event, where such are passed over.
    pub(super) fn is_unchanged(&self, what: &What<'_>) -> bool {
        let What::Updated(Some(old), new) = what else { return false };
        self.only_changed && self.columns.iter().all(|column| !column.differs(*old, *new))
    }

    /// How many events a change gives.
    pub fn events(&self, what: &What<'_>) -> u64 {
        self.skipped.events(what)
    }
}

impl Operations {
    /// How many events a change gives when these are skipped.
    pub(super) fn events(&self, what: &What<'_>) -> u64 {
        let Operations { create, update, delete, truncate } = *self;
        let skipped = match what {
            What::Created(_) => create,
            What::Updated(..) => update,
            What::Deleted(_) => delete,
            What::Truncated => truncate,
            What::Message(..) => false,
            What::Moved(..) => return u64::from(!create) + u64::from(!delete),
        };
        u64::from(!skipped)
    }
}

impl ChangeColumn {
    /// Hands the value of a row's cell to `write`. A large value that an update left alone is the old row's, where the
    /// stream tells that.
    pub fn with<R>(
        &self,
        row: Tuple<'_>,
        old: Option<Tuple<'_>>,
        write: impl FnOnce(&Value<'_>) -> R,
    ) -> Result<R, ValueError> {
        let index = self.field.index;
        let cell = match row.get(index) {
            Some(Cell::Unchanged) => match old.and_then(|old| old.get(index)) {
                Some(Cell::Text(text)) => Cell::Text(text),
                _ => return Ok(write(&self.unchanged)),
            },
            other => other.unwrap_or(Cell::Null),
        };
        match cell {
            Cell::Text(text) => Ok(write(&self.field.read(text)?)),
            Cell::Null if self.field.optional => Ok(write(&Value::Null)),
            Cell::Null => Ok(write(&self.absent)),
            Cell::Unchanged | Cell::Binary(_) => {
                Err(ValueError { type_name: self.field.kind.type_name(), what: "it came in binary format" })
            }
        }
    }

    /// Whether the column has another value in another row.
    fn differs(&self, old: Tuple<'_>, new: Tuple<'_>) -> bool {
        match (old.get(self.field.index), new.get(self.field.index)) {
            (_, Some(Cell::Unchanged)) => false,
            (Some(Cell::Null), Some(Cell::Text(text))) if !self.field.optional => {
                self.field.read(text).map_or(true, |value| value != self.absent)
            }
            (old, new) => old != new,
        }
    }
}

impl Changed<'_> {
    /// It cannot be published after all.
    pub fn rejected(&self, reason: Reason, detail: String, hint: impl Into<String>) -> Rejection {
        let (table, origin) = (self.plan.label.clone(), Origin::default());
        Rejection { reason, detail, hint: hint.into(), table, event_id: None, origin }
    }
}

/// Names of the columns of the key: those of `message.key.columns`, else the primary key's, else those of the first
/// unique index.
fn key<'r>(rule: &ChangeRule, relation: &'r Relation, facts: &TableFacts) -> Vec<&'r str> {
    let names = || relation.columns.iter().map(|column| column.name.as_str());
    let mut key: Vec<&str> = Vec::new();
    for regex in &rule.keys {
        let is_meant = |name: &&str| {
            let column = format!("{}.{}.{name}", relation.schema, relation.table);
            regex.is_match(&column).unwrap_or(false) && !key.contains(name)
        };
        let more: Vec<&str> = names().filter(is_meant).collect();
        key.extend(more);
    }
    if !key.is_empty() {
        return key;
    }
    if facts.columns.is_empty() && relation.replica_identity != b'f' {
        return relation.columns.iter().filter(|column| column.key).map(|column| &*column.name).collect();
    }
    let place = |name: &&str| facts.columns.iter().find(|facts| facts.name == *name)?.key_position;
    let mut placed: Vec<(i32, &str)> = names().filter_map(|name| Some((place(&name)?, name))).collect();
    placed.sort_unstable();
    placed.into_iter().map(|(_, name)| name).collect()
}

/// What Debezium has for a large value that an update left alone. Kinds of another form have none there.
fn unchanged(kind: &Kind, placeholder: &str) -> Value<'static> {
    let text = || Value::Text(Cow::Owned(placeholder.to_owned()));
    let bytes = || Value::Bytes(Cow::Owned(placeholder.as_bytes().to_vec()));
    let letters = || placeholder.bytes().map(|byte| Value::Integer(i64::from(byte as i8))).collect();
    match kind {
        Kind::HstoreJson => {
            let entry = serde_json::Value::from(placeholder);
            Value::Text(Cow::Owned(format!("{{{entry}:{entry}}}")))
        }
        Kind::HstoreMap => {
            let owned = || Cow::Owned(placeholder.to_owned());
            Value::Map(vec![(owned(), Some(owned()))])
        }
        Kind::Bytes => bytes(),
        Kind::Array(element) => match **element {
            Kind::String | Kind::Json => Value::Array(vec![text()]),
            Kind::Bytes => Value::Array(vec![bytes()]),
            Kind::Int32 | Kind::Int64 | Kind::Date => Value::Array(letters()),
            _ => Value::Null,
        },
        kind if kind.is_string() => text(),
        _ => Value::Null,
    }
}
