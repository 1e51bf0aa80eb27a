//! What is known of each table of the stream, by OID: looked up for every row, decided once per Relation.

use super::plan::{self, Field, Plan, Refusal};
use super::router::{Role, role_of};
use super::{ChangePlan, Config, TableFacts};
use crate::decode::Relation;
use crate::rejection::Reason;
use std::collections::HashMap;
use std::sync::Arc;

/// The tables of one connection.
#[derive(Debug, Default)]
pub(super) struct Tables {
    tables: Vec<Table>,
    by_oid: HashMap<u32, usize>,
    /// Where the last one asked for lies: rows of one table come in runs.
    last: usize,
}

/// One table, as it looks since its last Relation message.
#[derive(Debug)]
pub(super) struct Table {
    relation: Arc<Relation>,
    facts: TableFacts,
    pub(super) state: State,
    /// The columns that identify a row, by index.
    pub(super) key: Vec<usize>,
}

/// What rows of a table are.
#[derive(Debug)]
pub(super) enum State {
    /// Not events.
    Other,
    /// Events that cannot be published, each for the same reason; and the id column, where there is one.
    Refused { refusal: Refusal, id: Option<Field> },
    /// Events.
    Planned(Box<Plan>),
    /// Change events.
    Changes(Arc<ChangePlan>),
}

/// Where the parts of an event lie in a table's rows, as far as they are there: for who looks at a row that cannot be
/// an event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outline {
    /// The event id.
    pub id: Option<Field>,
    /// The record key.
    pub key: Option<Field>,
    /// The payload.
    pub payload: Option<Field>,
    /// The route column.
    pub route_by: Option<Field>,
    /// Indices of columns that `column.include.list` or `column.exclude.list` leaves out: nobody is to be shown these.
    pub left_out: Vec<usize>,
}

impl Outline {
    /// Whether a letter's row has the column: all but the payload and what is left out.
    pub fn is_in_row(&self, index: usize) -> bool {
        self.payload.as_ref().is_none_or(|payload| payload.index != index) && !self.left_out.contains(&index)
    }
}

impl Tables {
    /// Makes a plan for the table, unless it looks as it did before.
    pub(super) fn learn(&mut self, config: &Config, relation: &Relation, facts: &TableFacts) {
        let known = self.by_oid.get(&relation.oid).and_then(|&index| self.tables.get(index));
        let planned = |table: &Table| matches!(table.state, State::Planned(_) | State::Changes(_));
        if known.is_some_and(|table| planned(table) && *table.relation == *relation && table.facts == *facts)
        {
            return;
        }
        let state = match (role_of(config, relation), &config.changes) {
            (Role::Changes, Some(rule)) => {
                State::Changes(Arc::new(ChangePlan::new(config, rule, relation, facts)))
            }
            _ => match Plan::new(config, relation, facts) {
                Ok(plan) => State::Planned(Box::new(plan)),
                Err(refusal) => {
                    State::Refused { refusal, id: plan::find(config, &config.id, relation, facts) }
                }
            },
        };
        let key = plan::key_columns(relation, facts);
        self.put(Table { relation: Arc::new(relation.clone()), facts: facts.clone(), state, key });
    }

    /// The table of a row. `serves` is asked when the table was not learnt, or no longer looks as it was learnt.
    pub(super) fn find(
        &mut self,
        relation: &Arc<Relation>,
        serves: impl FnOnce(&Relation) -> bool,
    ) -> &Table {
        let is_last = |table: &Table| Arc::ptr_eq(&table.relation, relation);
        if !self.tables.get(self.last).is_some_and(is_last) {
            self.last = match self.by_oid.get(&relation.oid) {
                // Another message of the same content: what was learnt of the first holds for it.
                Some(&index) if *self.tables[index].relation == **relation => {
                    self.tables[index].relation = Arc::clone(relation);
                    index
                }
                _ => self.put(Table {
                    relation: Arc::clone(relation),
                    facts: TableFacts::default(),
                    state: if serves(relation) { unlearnt(relation) } else { State::Other },
                    key: Vec::new(),
                }),
            };
        }
        &self.tables[self.last]
    }

    /// The plan of a table whose changes are told, by its OID.
    pub(super) fn changes(&self, oid: u32) -> Option<&Arc<ChangePlan>> {
        match &self.tables[*self.by_oid.get(&oid)?].state {
            State::Changes(plan) => Some(plan),
            _ => None,
        }
    }

    /// The table that [`Tables::find`] found last.
    pub(super) fn found(&self) -> &Table {
        &self.tables[self.last]
    }

    fn put(&mut self, table: Table) -> usize {
        let index = *self.by_oid.entry(table.relation.oid).or_insert(self.tables.len());
        match self.tables.get_mut(index) {
            Some(known) => *known = table,
            None => self.tables.push(table),
        }
        index
    }
}

impl Table {
    /// `schema.table`.
    pub(super) fn name(&self) -> String {
        self.relation.label()
    }

    /// The columns that the configuration names, those of them that are there.
    pub(super) fn outline(&self, config: &Config) -> Outline {
        if let State::Changes(_) = self.state {
            return Outline::default();
        }
        let find = |name: &str| plan::find(config, name, &self.relation, &self.facts);
        let Relation { schema, table, columns, .. } = &*self.relation;
        let is_left_out = |name: &str| !config.tables.columns.has(schema, table, name);
        let left_out = columns.iter().enumerate().filter(|(_, column)| is_left_out(&column.name));
        Outline {
            id: find(&config.id),
            key: find(&config.key),
            payload: find(&config.payload),
            route_by: find(&config.route_by),
            left_out: left_out.map(|(index, _)| index).collect(),
        }
    }

    /// The event id's column, where there is one.
    pub(super) fn id(&self) -> Option<&Field> {
        match &self.state {
            State::Other | State::Changes(_) => None,
            State::Refused { id, .. } => id.as_ref(),
            State::Planned(plan) => Some(&plan.id),
        }
    }
}

/// A row of an outbox table whose Relation was not learnt: a fault of this program, told rather than guessed over.
fn unlearnt(relation: &Relation) -> State {
    let refusal = Refusal {
        reason: Reason::ColumnMissing,
        detail: format!(
            "the columns of {}.{} were not looked up before its rows",
            relation.schema, relation.table
        ),
        hint: "this should not happen: please report it".to_owned(),
    };
    State::Refused { refusal, id: None }
}
