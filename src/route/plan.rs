//! How rows of one table become records: columns found once per Relation, not per row.
//!
//! Enters: the router's properties, a Relation and what the catalogue adds to it. Leaves: a [`Plan`], or why no row of
//! this table can be an event: a column that is not there, or one of a type that cannot serve its purpose. What
//! Debezium would say of every single row is thus said once.

use super::{ColumnFacts, ColumnRule, Config, Place, TableFacts};
use crate::decode::value::{self, Kind, Modes, TypeFacts, Value, ValueError, default_value, kind_of, lossy};
use crate::decode::{Column, Relation};
use crate::rejection::Reason;
use std::sync::atomic::{AtomicU64, Ordering};

/// The outbox columns of one table, resolved. Made anew whenever the table's Relation changes.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Differs between any two plans of a run: what an encoder may cache by.
    pub generation: u64,
    /// OID of its table.
    pub oid: u32,
    /// `schema.table`.
    pub table: String,
    /// `<topic.prefix>.<schema>.<table>`, as the change topic is called: with the route value and `.Value` appended,
    /// the envelope's schema name. Empty for a message, whose envelope is named by the route alone.
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
    /// The schema version column, where configured and an envelope is built.
    pub schema_version: Option<Field>,
    /// `header` placements, in order: alias and column.
    pub headers: Vec<(std::sync::Arc<str>, Field)>,
    /// `envelope` placements, in order; `Some(vec![])` when some were configured but none is in the table
    /// (the value is a struct all the same).
    pub envelope: Option<Vec<(String, Field)>>,
    /// The `partition` placement that counts (the last).
    pub partition: Option<Field>,
    /// The column with a trace context, where one is to be passed on and the table has it.
    pub trace: Option<Field>,
    /// The column with the event's type, where something needs it and the table has it.
    pub event_type: Option<Field>,
    /// The attributes of its CloudEvents that are columns, in order; `None`: they are none.
    pub attributes: Option<Vec<(String, Field)>>,
    /// The columns that identify a row, in the table's order: what the header of a row's former key is made of.
    pub old_key: Vec<Field>,
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
    /// `debezium.compat` is `strict`: what Debezium loses of a value is lost.
    pub strict: bool,
}

/// Why rows cannot be events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) detail: String,
    pub(super) hint: String,
}

impl Plan {
    /// Resolves the configured columns in a table.
    pub(super) fn new(config: &Config, relation: &Relation, facts: &TableFacts) -> Result<Plan, Refusal> {
        let mut columns = Columns::new(config, relation, facts);
        let id = columns.required(&config.id);
        let key = columns.required(&config.key);
        let payload = columns.required(&config.payload);
        let route_by = columns.required(&config.route_by);
        let timestamp = config.timestamp.as_deref().map(|name| columns.required(name));
        let placed = |place| config.placements.iter().filter(move |placement| placement.place == place);

        let has_envelope = placed(Place::Envelope).next().is_some();
        let version = config.schema_version.as_deref().filter(|_| has_envelope);
        let schema_version = version.map(|name| columns.required(name));
        let attributes = config.attributes.as_ref().map(|named| {
            let named = named
                .iter()
                .filter_map(|(name, column)| Some(((*name).to_owned(), columns.required(column)?)));
            named.collect::<Vec<_>>()
        });
        let mut optional = |name: &str| match config.ignore_missing {
            true => columns.find(name).ok(),
            false => columns.required(name),
        };
        let headers = placed(Place::Header)
            .filter_map(|placement| Some((placement.alias.as_str().into(), optional(&placement.column)?)))
            .collect();
        let envelope = placed(Place::Envelope)
            .filter_map(|placement| Some((placement.alias.clone(), optional(&placement.column)?)))
            .collect();
        let partitions: Vec<Field> =
            placed(Place::Partition).filter_map(|placement| optional(&placement.column)).collect();

        let attributes = attributes.map(|mut attributes| {
            let placed = placed(Place::Attribute);
            attributes.extend(
                placed.filter_map(|placement| Some((placement.alias.clone(), optional(&placement.column)?))),
            );
            attributes
        });

        let (Some(id), Some(key), Some(payload), Some(route_by)) = (id, key, payload, route_by) else {
            return Err(columns.refusal());
        };
        if !columns.missing.is_empty() {
            return Err(columns.refusal());
        }
        let plan = Plan {
            generation: next_generation(),
            oid: relation.oid,
            table: relation.label(),
            schema_stem: match relation.is_of_messages() {
                true => String::new(),
                false => change_topic(&config.topic_prefix, &relation.schema, &relation.table),
            },
            id,
            key,
            payload,
            route_by,
            timestamp: timestamp.flatten(),
            schema_version: schema_version.flatten(),
            headers,
            envelope: has_envelope.then_some(envelope),
            partition: partitions.last().cloned(),
            trace: config.trace.as_deref().and_then(|name| columns.find(name).ok()).filter(Field::is_string),
            event_type: config.event_type.as_deref().and_then(|name| columns.find(name).ok()),
            attributes,
            old_key: key_columns(relation, facts)
                .iter()
                .filter_map(|index| columns.of_table(&relation.columns[*index].name).ok())
                .collect(),
        };
        plan.check_kinds(&partitions, config.strict)?;
        Ok(plan)
    }

    /// Types that the router's typed getters refuse for every row, NULL or not.
    fn check_kinds(&self, partitions: &[Field], strict: bool) -> Result<(), Refusal> {
        if let Some(field) =
            self.fields().find(|field| field.kind == Kind::Tree && !std::ptr::eq(*field, &self.payload))
        {
            return Err(field.refusal(
                Reason::HeaderNotEncodable,
                "of a message, only the payload may be an object or an array",
                "write a text or a number there",
            ));
        }
        if !self.route_by.kind.is_string() {
            return Err(self.route_by.refusal(
                Reason::TopicIllegal,
                "a topic is named by a STRING",
                "route by a column of type varchar, text, uuid or an enum",
            ));
        }
        // Of another INT64, a NULL is the time of publishing.
        let may_serve = |kind: &Kind| match kind {
            Kind::ZonedTimestamp { .. } => !strict,
            kind => kind.connect_type() == "INT64",
        };
        if let Some(field) = self.timestamp.as_ref().filter(|field| !may_serve(&field.kind)) {
            return Err(field.no_timestamp());
        }
        let mut attributes = self.attributes.iter().flatten();
        if let Some((_, field)) = attributes.find(|(name, field)| name == "time" && !field.kind.is_moment()) {
            return Err(field.refusal(
                Reason::TimestampIllegal,
                "the time of a CloudEvent is a timestamp",
                "name a column of type timestamp or timestamptz in walpost.cloudevents.time",
            ));
        }
        if let Some(field) = partitions.iter().find(|field| field.kind != Kind::Int32) {
            return Err(field.refusal(
                Reason::PartitionIllegal,
                "a partition is an INT32",
                "place a column of type integer",
            ));
        }
        if let Some(field) = self.schema_version.as_ref().filter(|field| field.kind != Kind::Int32) {
            return Err(field.refusal(
                Reason::PayloadNotEncodable,
                "a schema version is an INT32",
                "take a column of type integer",
            ));
        }
        Ok(())
    }

    /// Every column of which a record is made.
    pub(super) fn fields(&self) -> impl Iterator<Item = &Field> {
        let always = [&self.id, &self.key, &self.payload, &self.route_by].into_iter();
        let single = self.timestamp.iter().chain(&self.schema_version).chain(&self.partition);
        let headers = self.headers.iter().map(|(_, field)| field);
        let attributes = self.attributes.iter().flatten().map(|(_, field)| field);
        let single = single.chain(attributes);
        always.chain(single).chain(headers).chain(self.envelope.iter().flatten().map(|(_, field)| field))
    }
}

impl Field {
    /// Reads the text of its cell.
    pub fn read<'a>(&self, text: &'a [u8]) -> Result<Value<'a>, ValueError> {
        if self.strict { lossy::parse(&self.kind, text) } else { value::parse(&self.kind, text) }
    }

    fn is_string(&self) -> bool {
        self.kind.is_string()
    }

    /// It holds no moment in time.
    pub(super) fn no_timestamp(&self) -> Refusal {
        const HINT: &str = "take a column of type timestamp or timestamptz";
        self.refusal(Reason::TimestampIllegal, "a record's timestamp is a timestamp", HINT)
    }

    fn refusal(&self, reason: Reason, rule: &str, hint: &str) -> Refusal {
        let detail = format!("column {} is {}, but {rule}", self.name, describe(&self.kind));
        Refusal { reason, detail, hint: hint.to_owned() }
    }
}

/// Finds columns by name, and keeps what it did not find.
pub(super) struct Columns<'a> {
    relation: &'a Relation,
    facts: &'a TableFacts,
    types: Modes,
    strict: bool,
    rule: &'a ColumnRule,
    missing: Vec<String>,
}

impl<'a> Columns<'a> {
    pub(super) fn new(config: &'a Config, relation: &'a Relation, facts: &'a TableFacts) -> Columns<'a> {
        let Config { types, strict, .. } = *config;
        Columns { relation, facts, types, strict, rule: &config.tables.columns, missing: Vec::new() }
    }

    fn required(&mut self, name: &str) -> Option<Field> {
        match self.find(name) {
            Ok(field) => Some(field),
            Err(why) => {
                if !self.missing.contains(&why) {
                    self.missing.push(why);
                }
                None
            }
        }
    }

    /// The column of this name, or why a row has none. Names are as the catalogue has them, case included.
    pub(super) fn find(&self, name: &str) -> Result<Field, String> {
        let field = self.of_table(name)?;
        match self.rule.has(&self.relation.schema, &self.relation.table, name) {
            true => Ok(field),
            false => Err(format!("column {name} is left out by column.include.list or column.exclude.list")),
        }
    }

    /// The column of this name in the table, which the key of its own changes is made of.
    pub(super) fn of_table(&self, name: &str) -> Result<Field, String> {
        let columns = &self.relation.columns;
        let Some((index, column)) = columns.iter().enumerate().find(|(_, column)| column.name == name) else {
            return Err(format!("column {name} is not there"));
        };
        let facts = self.facts.columns.iter().find(|facts| facts.name == name);
        let type_facts = type_facts(column, facts);
        let mut kind = kind_of(&type_facts, &self.types);
        let is_lost = kind == Kind::Unknown && self.strict;
        if is_lost {
            kind = lossy::kind_of(&type_facts, &self.types);
        }
        if kind == Kind::Unknown {
            let type_name =
                if type_facts.name.is_empty() { format!("OID {}", type_facts.oid) } else { type_facts.name };
            return Err(format!(
                "column {name} is of type {type_name}, which has no Connect type and is left out"
            ));
        }
        let primary = self.relation.replica_identity == b'd' && column.key;
        let optional = !(primary || facts.is_some_and(|facts| facts.not_null));
        // Debezium reads the defaults of types that it knows by name, and a domain is none of them.
        let is_domain = column.type_oid >= FIRST_NORMAL_OID && column.type_oid != type_facts.oid;
        let facts = facts.filter(|_| !is_domain && !is_lost);
        let expression = facts.and_then(|facts| facts.default_expression.as_deref());
        let default = expression.and_then(|expression| default_value(&kind, expression));
        Ok(Field { index, name: name.to_owned(), kind, optional, default, strict: self.strict })
    }

    fn refusal(&self) -> Refusal {
        let names: Vec<&str> = self.relation.columns.iter().map(|column| column.name.as_str()).collect();
        if self.relation.is_of_messages() {
            return Refusal {
                reason: Reason::ColumnMissing,
                detail: format!("{}; the message has the members {}", self.missing.join("; "), names.join(", ")),
                hint: "write a JSON object with a member for each column that the event router reads; a member that \
                       is null is none"
                    .to_owned(),
            };
        }
        Refusal {
            reason: Reason::ColumnMissing,
            detail: format!(
                "{}; {} is published with the columns {}",
                self.missing.join("; "),
                self.relation.label(),
                names.join(", ")
            ),
            hint: "name the column exactly as the catalogue has it, case included; generated columns and those that \
                   the publication leaves out are not in the stream"
                .to_owned(),
        }
    }
}

/// The columns whose change makes an UPDATE a new row. With REPLICA IDENTITY FULL the stream marks every column, and
/// the catalogue has to tell.
pub(super) fn key_columns(relation: &Relation, facts: &TableFacts) -> Vec<usize> {
    let primary = |name: &str| facts.columns.iter().any(|facts| facts.name == name && facts.primary_key);
    let is_key = |index: &usize| match &relation.columns[*index] {
        column if relation.replica_identity == b'f' => primary(&column.name),
        column => column.key,
    };
    (0..relation.columns.len()).filter(is_key).collect()
}

/// The column of this name, where there is one.
pub(super) fn find(config: &Config, name: &str, relation: &Relation, facts: &TableFacts) -> Option<Field> {
    Columns::new(config, relation, facts).find(name).ok()
}

/// OIDs of types that are made begin here.
const FIRST_NORMAL_OID: u32 = 16_384;

/// Types with fixed OIDs are what the stream says they were when the row was written; of the others, the catalogue
/// knows more.
fn type_facts(column: &Column, facts: Option<&ColumnFacts>) -> TypeFacts {
    match facts {
        Some(facts) if column.type_oid >= FIRST_NORMAL_OID => facts.type_facts.clone(),
        _ => TypeFacts {
            oid: column.type_oid,
            type_modifier: column.type_modifier,
            name: facts.map(|facts| facts.type_facts.name.clone()).unwrap_or_default(),
            ..TypeFacts::default()
        },
    }
}

/// A kind for people: `INT64 (io.debezium.time.Timestamp)`.
pub(super) fn describe(kind: &Kind) -> String {
    match kind.semantic_name() {
        Some(name) => format!("{} ({name})", kind.connect_type()),
        None => kind.connect_type().to_owned(),
    }
}

/// The topic Debezium would give the table's own changes; every UTF-16 unit that Kafka does not allow becomes `_`.
pub(super) fn change_topic(prefix: &str, schema: &str, table: &str) -> String {
    let mut topic = String::with_capacity(prefix.len() + schema.len() + table.len() + 2);
    for c in format!("{prefix}.{schema}.{table}").chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => topic.push(c),
            _ => topic.extend(std::iter::repeat_n('_', c.len_utf16())),
        }
    }
    topic
}

/// A number that no other plan has.
pub(super) fn next_generation() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
