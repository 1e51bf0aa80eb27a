//! ③ A change becomes an event for a topic, as Debezium's outbox event router would have it. Pure.
//!
//! Enters: a [`Change`](crate::decode::Change). Leaves: [`Routed`]: an [`Event`] that still borrows the row, a reason
//! why it passes no event, or a [`Rejection`]. Promised: the order of processing, null substitution, deletes, updates,
//! tombstones and placements of Debezium 3.6 (`io.debezium.transforms.outbox.EventRouter`). Not done here: bytes.

pub mod change;
mod java_regex;
pub mod plan;
pub mod router;
mod row;
mod tables;
pub mod testing;
pub mod topic;
mod topics;

pub use change::{ChangePlan, ChangeRule, Changed, Operations, What};
pub use java_regex::java_regex;
pub use plan::{Field, Plan};
pub use router::Router;
pub use tables::Outline;
pub use topic::TopicRule;

use crate::decode::Tuple;
use crate::decode::value::{Modes, TypeFacts};
use crate::rejection::{Origin, Reason, Rejection};
use std::sync::Arc;

/// The event router's properties, and which tables it serves.
#[derive(Clone, Debug)]
pub struct Config {
    /// `topic.prefix`: the logical name, part of envelope schema names.
    pub topic_prefix: String,
    /// `schema.include.list` / `table.include.list` and their exclude twins: which tables are outbox tables.
    pub tables: TableRule,
    /// `table.field.event.id`.
    pub id: String,
    /// `table.field.event.key`.
    pub key: String,
    /// `table.field.event.payload`.
    pub payload: String,
    /// `table.field.event.timestamp`.
    pub timestamp: Option<String>,
    /// `table.field.event.schema.version`.
    pub schema_version: Option<String>,
    /// `table.fields.additional.placement`, in order.
    pub placements: Vec<Placement>,
    /// `table.field.additional.missing` = `ignore`.
    pub ignore_missing: bool,
    /// `table.op.invalid.behavior`.
    pub on_update: OnUpdate,
    /// `route.by.field`.
    pub route_by: String,
    /// `route.topic.regex`, `route.topic.replacement`.
    pub topic: TopicRule,
    /// `route.tombstone.on.empty.payload`.
    pub tombstone_on_empty: bool,
    /// Which logical decoding messages are events of the outbox; `None`: none of them.
    pub messages: Option<MessageRule>,
    /// `tracing.span.context.field`, where it is to be passed on.
    pub trace: Option<String>,
    /// `walpost.event.type.column`, where something needs it.
    pub event_type: Option<String>,
    /// `walpost.cloudevents.*`: attributes of CloudEvents and their columns; placements come after them. `None`: events are
    /// none.
    pub attributes: Option<Vec<(&'static str, String)>>,
    /// How types are read.
    pub types: Modes,
    /// Change events of captured tables whose rows the event router is not asked for; `None`: there are none.
    pub changes: Option<ChangeRule>,
    /// `debezium.compat` is `strict`: a timestamptz is not the record's timestamp.
    pub strict: bool,
}

impl Config {
    /// Which logical decoding messages are told as they are.
    fn told(&self) -> Option<&Prefixes> {
        self.changes.as_ref()?.messages.as_ref()
    }

    /// The columns that an event is made of.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let always = [&self.id, &self.key, &self.payload, &self.route_by].into_iter();
        let sometimes =
            [&self.timestamp, &self.schema_version, &self.trace, &self.event_type].into_iter().flatten();
        let attributes = self.attributes.iter().flatten().map(|(_, column)| column);
        let placed = self.placements.iter().map(|placement| &placement.column);
        always.chain(sometimes).chain(attributes).chain(placed).map(String::as_str)
    }
}

/// Which tables are outbox tables: anchored, case-insensitive Java regexes, as Debezium's include lists are.
#[derive(Clone, Debug, Default)]
pub struct TableRule {
    /// `schema.include.list`; empty: every schema.
    pub schema_include: Vec<fancy_regex::Regex>,
    /// `schema.exclude.list`.
    pub schema_exclude: Vec<fancy_regex::Regex>,
    /// `table.include.list` on `schema.table`; empty: every table.
    pub include: Vec<fancy_regex::Regex>,
    /// `table.exclude.list` on `schema.table`.
    pub exclude: Vec<fancy_regex::Regex>,
    /// Which of their columns there are.
    pub columns: ColumnRule,
    /// There is no event router: no table is an outbox.
    pub unrouted: bool,
    /// A `TopicNameMatches` predicate of the router on `prefix.schema.table`, and whether it is negated.
    pub predicate: Option<(fancy_regex::Regex, bool)>,
}

/// Prefixes of logical decoding messages.
#[derive(Clone, Debug, Default)]
pub struct Prefixes {
    /// `message.prefix.include.list`; empty: every prefix. Anchored, case-insensitive Java regexes.
    pub include: Vec<fancy_regex::Regex>,
    /// `message.prefix.exclude.list`.
    pub exclude: Vec<fancy_regex::Regex>,
}

/// Which logical decoding messages are events of the outbox, and how they are read (`DecodeLogicalDecodingMessageContent`).
#[derive(Clone, Debug, Default)]
pub struct MessageRule {
    /// Those of these prefixes.
    pub prefixes: Prefixes,
    /// `fields.null.include`.
    pub keep_nulls: bool,
    /// Messages that belong to no transaction are events as well.
    pub alone: bool,
}

impl Prefixes {
    /// Whether messages of this prefix are meant. A regex that gives up on one takes it.
    pub fn takes(&self, prefix: &str) -> bool {
        let any = |regexes: &[fancy_regex::Regex], otherwise: bool| {
            regexes.iter().any(|regex| regex.is_match(prefix).unwrap_or(otherwise))
        };
        (self.include.is_empty() || any(&self.include, true)) && !any(&self.exclude, false)
    }
}

/// Which columns a row has, on `schema.table.column`: anchored, case-insensitive Java regexes.
#[derive(Clone, Debug, Default)]
pub struct ColumnRule {
    /// `column.include.list`; empty: every column.
    pub include: Vec<fancy_regex::Regex>,
    /// `column.exclude.list`.
    pub exclude: Vec<fancy_regex::Regex>,
}

impl ColumnRule {
    /// Whether rows have this column. A regex that gives up on a name takes nothing away.
    pub fn has(&self, schema: &str, table: &str, column: &str) -> bool {
        if self.include.is_empty() && self.exclude.is_empty() {
            return true;
        }
        let name = format!("{schema}.{table}.{column}");
        let any = |regexes: &[fancy_regex::Regex], otherwise: bool| {
            regexes.iter().any(|regex| regex.is_match(&name).unwrap_or(otherwise))
        };
        (self.include.is_empty() || any(&self.include, true)) && !any(&self.exclude, false)
    }
}

/// One item of `table.fields.additional.placement`: `column:place[:alias]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Column.
    pub column: String,
    /// Where it goes.
    pub place: Place,
    /// Name there; the column's when no alias was given.
    pub alias: String,
}

/// Where an additional column goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A record header.
    Header,
    /// A member of the value, which becomes a struct with `payload` first.
    Envelope,
    /// The record's partition.
    Partition,
    /// An attribute of the CloudEvent.
    Attribute,
}

/// `table.op.invalid.behavior`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUpdate {
    /// Log a warning, drop.
    Warn,
    /// Log an error, drop.
    Error,
    /// Refuse: a [`Rejection`].
    Fatal,
}

/// What the catalogue tells of a table's columns, beyond the Relation message. By column name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableFacts {
    /// Known columns; one that is missing is taken for optional and without default.
    pub columns: Vec<ColumnFacts>,
}

/// What the catalogue tells of one column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnFacts {
    /// Name.
    pub name: String,
    /// Its type.
    pub type_facts: TypeFacts,
    /// `NOT NULL`, or part of the primary key.
    pub not_null: bool,
    /// Part of the primary key.
    pub primary_key: bool,
    /// Its place in the primary key, or, where there is none, in the first unique index.
    pub key_position: Option<i32>,
    /// Default expression as `pg_get_expr` prints it.
    pub default_expression: Option<String>,
}

/// What became of a change.
#[derive(Debug)]
pub enum Routed<'a> {
    /// It is to be published.
    Event(Event<'a>),
    /// A row of another table changed, which is to be told.
    Change(Changed<'a>),
    /// Tables were truncated, which is to be told of each.
    Truncated(Vec<Arc<ChangePlan>>),
    /// It passes no event.
    Skipped(Skipped),
    /// It cannot be published.
    Rejected(Rejection),
}

/// Why a change passes no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Skipped {
    /// A row of a table that is not an outbox table.
    OtherTable,
    /// A deleted outbox row.
    Delete,
    /// An updated outbox row (`table.op.invalid.behavior` is `warn` or `error`).
    Update,
    /// A truncated table.
    Truncate,
    /// An operation on a row of another table that is passed over (`skipped.operations`).
    Operation,
    /// An update that changed nothing (`skip.messages.without.change`).
    Unchanged,
    /// A logical decoding message.
    Message,
    /// Begin, Commit, Relation and the like.
    NotARow,
}

/// An event: the row, and everything that is decided about it but its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// How rows of its table become records.
    pub plan: &'a Plan,
    /// The row.
    pub row: Tuple<'a>,
    /// The route column's value.
    pub route: &'a str,
    /// Its topic; shared, so that a record can keep it without copying.
    pub topic: &'a Arc<str>,
    /// From a `partition` placement.
    pub partition: Option<i32>,
    /// From the timestamp column, ms since 1970; `None`: the connector's clock.
    pub timestamp_ms: Option<i64>,
    /// From `table.field.event.schema.version`, when an envelope is built.
    pub schema_version: Option<i32>,
    /// The row as it was, when an UPDATE of its primary key publishes it anew: only the key's columns are there for certain.
    pub old: Option<Tuple<'a>>,
    /// When its transaction was committed, ms since 1970; `None`: whoever has read the row does not know.
    pub committed_ms: Option<i64>,
    /// The payload is empty and `route.tombstone.on.empty.payload` is set: no value at all.
    pub tombstone: bool,
}

impl Event<'_> {
    /// It cannot be published after all.
    pub fn rejected(&self, reason: Reason, detail: String, hint: impl Into<String>) -> Rejection {
        let event_id = row::event_id(&self.plan.id, self.row);
        let (table, origin) = (self.plan.table.clone(), Origin::default());
        Rejection { reason, detail, hint: hint.into(), table, event_id, origin }
    }
}

#[cfg(test)]
mod tests;
