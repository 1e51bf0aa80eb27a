//! The router: the order in which a change is looked at.
//!
//! Enters: changes of one connection. Leaves: [`Routed`]. The order is that of Debezium's router: the operation first
//! (a deleted row is dropped whatever its table looks like), then the table's columns, then the row's values.

use super::plan::{Plan, Refusal, change_topic};
use super::row;
use super::tables::{Outline, State, Table, Tables};
use super::topics::Topics;
use super::{ChangePlan, Changed, Config, Event, OnUpdate, Routed, Skipped, TableFacts, What};
use crate::decode::message::{MessageRow, NotARow, Rows};
use crate::decode::relation::MESSAGES;
use crate::decode::{Cell, Change, Content, Old, Relation, Tuple};
use crate::rejection::{Origin, Reason, Rejection};
use std::sync::Arc;

/// Routes the changes of one connection.
#[derive(Debug)]
pub struct Router {
    config: Config,
    tables: Tables,
    topics: Topics,
    /// Rows of logical decoding messages.
    messages: Rows,
    /// Such messages as they are told where they are no rows.
    told: Option<ChangePlan>,
    /// The route value at hand, where it is not a cell's text as it stands.
    text: String,
}

impl Router {
    /// A router that knows no table yet.
    pub fn new(config: Config) -> Router {
        let messages = Rows::new(config.messages.as_ref().is_some_and(|rule| rule.keep_nulls));
        let rule = config.changes.as_ref().filter(|rule| rule.messages.is_some());
        let told = rule.map(|rule| ChangePlan::of_messages(&config, rule));
        let (tables, topics) = (Tables::default(), Topics::default());
        Router { config, tables, topics, messages, told, text: String::new() }
    }

    /// Whether rows of this table are events, of whichever kind.
    pub fn serves(&self, relation: &Relation) -> bool {
        serves(&self.config, relation)
    }

    /// Whether rows of the table of this name are events, of whichever kind.
    pub fn serves_table(&self, schema: &str, table: &str) -> bool {
        role(&self.config, schema, table) != Role::Outside
    }

    /// Whether rows of the table of this name are events of an outbox.
    pub fn is_outbox(&self, schema: &str, table: &str) -> bool {
        role(&self.config, schema, table) == Role::Outbox
    }

    /// Whether logical decoding messages of this prefix are events, of whichever kind.
    pub fn takes(&self, prefix: &str) -> bool {
        self.takes_as_rows(prefix) || self.config.told().is_some_and(|told| told.takes(prefix))
    }

    /// Whether they are events of the outbox.
    pub fn takes_as_rows(&self, prefix: &str) -> bool {
        self.config.messages.as_ref().is_some_and(|rule| rule.prefixes.takes(prefix))
    }

    /// The topic of transactions, where such are told.
    pub fn transactions(&self) -> Option<&Arc<str>> {
        self.config.changes.as_ref()?.transactions.as_ref()
    }

    /// The captured table of a change, and how many events Debezium's connector makes of it: the event router comes after
    /// that, and drops some. Not asked of messages.
    pub fn captured<'s>(&'s mut self, change: &Change<'s>) -> Option<(&'s Relation, u64)> {
        let skipped = self.config.changes.as_ref()?.skipped;
        let (relation, what) = match *change {
            Change::Insert { relation, new } => (relation, What::Created(new)),
            Change::Update { relation, new, .. } => (relation, What::Updated(None, new)),
            Change::Delete { relation, old: Old::Key(old) | Old::Row(old) } => (relation, What::Deleted(old)),
            _ => return None,
        };
        let table = self.find(relation);
        let events = match (&table.state, change) {
            (State::Other, _) => return None,
            (State::Changes(plan), Change::Update { old, new, .. }) => {
                let what = plan.update(old.as_ref(), *new);
                if plan.is_unchanged(&what) { 0 } else { plan.events(&what) }
            }
            (_, Change::Update { old, new, .. }) if is_another_row(table, old.as_ref(), *new) => {
                u64::from(!skipped.create) + u64::from(!skipped.delete)
            }
            _ => skipped.events(&what),
        };
        Some((relation, events))
    }

    /// How loudly an updated outbox row is dropped.
    pub fn on_update(&self) -> OnUpdate {
        self.config.on_update
    }

    /// Takes in what a table looks like from here on. An outbox table that lacks a column makes every row of it a
    /// rejection, not an error here. A table that looks as it did before keeps its plan.
    pub fn learn(&mut self, relation: &Relation, facts: &TableFacts) {
        self.tables.learn(&self.config, relation, facts);
    }

    /// Where the parts of an event lie in this table's rows.
    pub fn outline(&mut self, relation: &Arc<Relation>) -> Outline {
        let config = &self.config;
        self.tables.find(relation, |relation| serves(config, relation)).outline(config)
    }

    /// Decides what becomes of a change.
    pub fn route<'s>(&'s mut self, change: &Change<'s>) -> Routed<'s> {
        match *change {
            Change::Insert { relation, new } => match self.find(relation).state {
                State::Other => Routed::Skipped(Skipped::OtherTable),
                State::Changes(_) => self.change(|_| What::Created(new)),
                _ => self.event(new),
            },
            Change::Update { relation, ref old, new } => self.update(relation, old.as_ref(), new),
            Change::Delete { relation, old } => match self.find(relation).state {
                State::Other => Routed::Skipped(Skipped::OtherTable),
                State::Changes(_) => self.change(|_| {
                    let (Old::Key(old) | Old::Row(old)) = old;
                    What::Deleted(old)
                }),
                _ => Routed::Skipped(Skipped::Delete),
            },
            Change::Truncate { ref relations, .. } => self.truncate(relations.oids()),
            Change::Message { transactional, prefix, content, .. } => {
                self.message(transactional, prefix, content)
            }
            Change::Begin { .. }
            | Change::Commit { .. }
            | Change::Origin { .. }
            | Change::Relation(_)
            | Change::Type { .. } => Routed::Skipped(Skipped::NotARow),
        }
    }

    /// An UPDATE that changes the primary key reaches Debezium's router as a deleted and a created row, and the created
    /// one is published; of any other, the router sees an update.
    fn update<'s>(
        &'s mut self,
        relation: &Arc<Relation>,
        old: Option<&Old<'s>>,
        new: Tuple<'s>,
    ) -> Routed<'s> {
        let refused = self.config.on_update == OnUpdate::Fatal;
        let table = self.find(relation);
        match table.state {
            State::Other => return Routed::Skipped(Skipped::OtherTable),
            State::Changes(_) => return self.change(|plan| plan.update(old, new)),
            _ => {}
        }
        if !is_another_row(table, old, new) {
            return match refused {
                false => Routed::Skipped(Skipped::Update),
                true => Routed::Rejected(rejection(table, new, updated())),
            };
        }
        if let State::Planned(plan) = &table.state
            && let Some(name) = unchanged(plan, new)
        {
            return Routed::Rejected(rejection(table, new, not_sent_again(name)));
        }
        let old = old.map(|(Old::Key(old) | Old::Row(old))| *old);
        match self.event(new) {
            Routed::Event(event) => {
                let old = old.filter(|_| !event.plan.old_key.is_empty());
                Routed::Event(Event { old, ..event })
            }
            other => other,
        }
    }

    /// A change of the table that was found, whose rows are told as they change.
    fn change<'s>(&'s self, what: impl FnOnce(&ChangePlan) -> What<'s>) -> Routed<'s> {
        let State::Changes(plan) = &self.tables.found().state else {
            return Routed::Skipped(Skipped::OtherTable);
        };
        let what = what(plan);
        match plan.is_unchanged(&what) {
            true => Routed::Skipped(Skipped::Unchanged),
            false if plan.events(&what) == 0 => Routed::Skipped(Skipped::Operation),
            false => Routed::Change(Changed { plan, what }),
        }
    }

    fn truncate(&self, tables: impl Iterator<Item = u32>) -> Routed<'static> {
        let told = tables.filter_map(|oid| self.tables.changes(oid)).filter(|plan| !plan.skipped.truncate);
        let told: Vec<Arc<ChangePlan>> = told.cloned().collect();
        match told.is_empty() {
            true => Routed::Skipped(Skipped::Truncate),
            false => Routed::Truncated(told),
        }
    }

    /// A logical decoding message, which is to Debezium's router a created row once its content was decoded, and no business
    /// of its before.
    fn message<'s>(&'s mut self, transactional: bool, prefix: &'s str, content: Content<'s>) -> Routed<'s> {
        let Router { config, tables, topics, messages, told, text } = self;
        let is_told = config.told().is_some_and(|prefixes| prefixes.takes(prefix));
        if let Some(plan) = told.as_ref().filter(|_| is_told) {
            return Routed::Change(Changed { plan, what: What::Message(prefix, content) });
        }
        let Some(rule) = config.messages.as_ref().filter(|rule| rule.prefixes.takes(prefix)) else {
            return Routed::Skipped(Skipped::Message);
        };
        if !transactional && !rule.alone {
            return Routed::Rejected(of_message(prefix, "belongs to no transaction", ALONE));
        }
        match read(config, tables, messages, content) {
            Ok(MessageRow { row, .. }) => event(config, tables.found(), topics, text, row),
            Err(why) => Routed::Rejected(of_message(prefix, &why.to_string(), NOT_A_ROW)),
        }
    }

    /// What a logical decoding message is as a row, and where the parts of an event lie in it.
    pub fn row_of<'s>(&'s mut self, content: Content<'_>) -> Result<(MessageRow<'s>, Outline), NotARow> {
        let Router { config, tables, messages, .. } = self;
        let row = read(config, tables, messages, content)?;
        Ok((row, tables.found().outline(config)))
    }

    /// The row of the table that was found.
    fn event<'s>(&'s mut self, row: Tuple<'s>) -> Routed<'s> {
        event(&self.config, self.tables.found(), &mut self.topics, &mut self.text, row)
    }

    fn find(&mut self, relation: &Arc<Relation>) -> &Table {
        let config = &self.config;
        self.tables.find(relation, |relation| serves(config, relation))
    }
}

/// Reads a message; what its rows look like is the table that was found last.
fn read<'s>(
    config: &Config,
    tables: &mut Tables,
    messages: &'s mut Rows,
    content: Content<'_>,
) -> Result<MessageRow<'s>, NotARow> {
    let read = messages.read(content.0)?;
    if read.is_new {
        tables.learn(config, &read.relation, &TableFacts::default());
    }
    tables.find(&read.relation, |_| true);
    Ok(read)
}

fn event<'s>(
    config: &Config,
    table: &'s Table,
    topics: &'s mut Topics,
    text: &'s mut String,
    row: Tuple<'s>,
) -> Routed<'s> {
    match &table.state {
        State::Other | State::Changes(_) => Routed::Skipped(Skipped::OtherTable),
        State::Refused { refusal, .. } => Routed::Rejected(rejection(table, row, refusal.clone())),
        State::Planned(plan) => match row::event(config, plan, topics, text, row) {
            Ok(event) => Routed::Event(event),
            Err(refusal) => Routed::Rejected(rejection(table, row, refusal)),
        },
    }
}

/// What rows of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing: the configuration does not capture it.
    Outside,
    /// Events of an outbox.
    Outbox,
    /// Change events: captured, and the event router is not asked.
    Changes,
}

/// What rows of this table, or messages, are.
pub(super) fn role_of(config: &Config, relation: &Relation) -> Role {
    match relation.is_of_messages() {
        true => Role::Outbox,
        false => role(config, &relation.schema, &relation.table),
    }
}

fn serves(config: &Config, relation: &Relation) -> bool {
    role(config, &relation.schema, &relation.table) != Role::Outside
}

/// A regex that gives up on a name (it backtracks too much) counts for serving the table: its rows are then refused
/// aloud, where leaving them out would lose them in silence.
fn role(config: &Config, schema: &str, table: &str) -> Role {
    let rule = &config.tables;
    let name = format!("{schema}.{table}");
    let any = |regexes: &[fancy_regex::Regex], text: &str, otherwise: bool| {
        regexes.iter().any(|regex| regex.is_match(text).unwrap_or(otherwise))
    };
    let included =
        |regexes: &[fancy_regex::Regex], text: &str| regexes.is_empty() || any(regexes, text, true);
    let is_asked = || match &rule.predicate {
        None => true,
        Some((regex, negate)) => {
            let topic = change_topic(&config.topic_prefix, schema, table);
            regex.is_match(&topic).map_or(true, |matches| matches != *negate)
        }
    };
    let is_captured = included(&rule.schema_include, schema)
        && !any(&rule.schema_exclude, schema, false)
        && included(&rule.include, &name)
        && !any(&rule.exclude, &name, false);
    match (is_captured, &config.changes) {
        (false, _) => Role::Outside,
        (true, _) if !rule.unrouted && is_asked() => Role::Outbox,
        (true, Some(_)) => Role::Changes,
        (true, None) => Role::Outside,
    }
}

/// Whether an UPDATE changed the key: a column of it whose old value the stream tells, and tells to be another.
fn is_another_row(table: &Table, old: Option<&Old<'_>>, new: Tuple<'_>) -> bool {
    let (Some(Old::Key(old)) | Some(Old::Row(old))) = old else { return false };
    table.key.iter().any(|&index| {
        let new = new.get(index);
        new != Some(Cell::Unchanged) && old.get(index) != new
    })
}

/// A column of the plan whose TOASTed value the stream does not repeat.
fn unchanged<'p>(plan: &'p Plan, row: Tuple<'_>) -> Option<&'p str> {
    let mut fields = plan.fields();
    fields.find(|field| row.get(field.index) == Some(Cell::Unchanged)).map(|field| field.name.as_str())
}

fn updated() -> Refusal {
    Refusal {
        reason: Reason::UpdateRefused,
        detail: "an outbox row was updated, and table.op.invalid.behavior is fatal".to_owned(),
        hint: "an event is inserted and, at most, deleted: insert another row instead, or set \
               table.op.invalid.behavior to warn or error, which drop the update"
            .to_owned(),
    }
}

fn not_sent_again(column: &str) -> Refusal {
    Refusal {
        reason: Reason::UpdateRefused,
        detail: format!(
            "an UPDATE changed the row's primary key, which publishes it anew, and Postgres does not send the large \
             value of column {column} again"
        ),
        hint:
            "insert another row instead; or ALTER TABLE … REPLICA IDENTITY FULL, with which the value is sent"
                .to_owned(),
    }
}

const ALONE: &str = "emit it with transactional set to true, so that it is published if the transaction commits, and with it; or \
     have such messages published as well, with walpost.messages.without.transaction=publish";

const NOT_A_ROW: &str = "emit a JSON object with a member for each column that the event router reads; or keep messages of another \
     kind out with message.prefix.include.list or message.prefix.exclude.list";

/// Of a message that is no row, there is only the prefix to know it by.
fn of_message(prefix: &str, what: &str, hint: &str) -> Rejection {
    Rejection {
        reason: Reason::PayloadNotEncodable,
        detail: format!("the message of prefix {prefix:?} {what}"),
        hint: hint.to_owned(),
        table: MESSAGES.to_owned(),
        event_id: None,
        origin: Origin::default(),
    }
}

fn rejection(table: &Table, row: Tuple<'_>, refusal: Refusal) -> Rejection {
    let Refusal { reason, detail, hint } = refusal;
    let event_id = table.id().and_then(|id| row::event_id(id, row));
    Rejection { reason, detail, hint, table: table.name(), event_id, origin: Origin::default() }
}
