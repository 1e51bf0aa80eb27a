//! What becomes of events that cannot be published, and where dead letters go.

use super::connector::check_topic;
use super::report::Report;
use super::values::View;
use crate::config::catalog::{self, connector, errors as declared, nearest, postgres};
use crate::config::raw::{Entry, Raw};
use crate::config::{DeadLetters, Parking};
use crate::rejection::{Policies, Policy, Reason};
use crate::{encode, publish};
use std::sync::Arc;

/// What was written about them.
pub(super) struct Errors {
    pub policies: Policies,
    pub dead_letters: Option<DeadLetters>,
    pub parking: Option<Parking>,
    /// Where the topic of dead letters is named.
    named: Option<Entry>,
}

impl Errors {
    /// Letters do not go where something else is kept.
    pub(super) fn check_others(&self, position_topic: &str, report: &mut Report) {
        if let (Some(letters), Some(entry)) = (&self.dead_letters, &self.named)
            && letters.topic.topic == position_topic
        {
            report.wrong(entry, "positions are kept there", "write another topic's name");
        }
    }
}

/// Policies, and the topic of dead letters where one of them asks for it.
pub(super) fn errors(raw: &Raw, report: &mut Report) -> Errors {
    let view = View::plain(raw);
    let policies = policies(raw, report);
    let named = view.entry(&declared::TOPIC_NAME);
    if let Some(entry) = named {
        check_topic(entry, entry.value.trim(), report);
    }
    let dead_letters = match (policies.has(Policy::DeadLetter), named) {
        (false, Some(entry)) => {
            report.ignored(entry, "no policy sends anything there; errors.tolerance=all would");
            None
        }
        (false, None) => None,
        (true, None) => {
            without_topic(view, report);
            None
        }
        (true, Some(entry)) => Some(dead_letters(view, entry.value.trim())),
    };
    let parking = parking(view, dead_letters.is_some(), report);
    Errors { policies, dead_letters, parking, named: named.cloned() }
}

/// Events can only follow dead letters where there are any.
fn parking(view: View<'_>, has_letters: bool, report: &mut Report) -> Option<Parking> {
    let entry = view.entry(&declared::PARKING_ROUTES)?;
    if !has_letters {
        report.ignored(entry, "no policy sends anything to the dead letters; errors.tolerance=all would");
        return None;
    }
    let routes = view.regexes(&declared::PARKING_ROUTES);
    Some(Parking { routes, most_keys: view.size(&declared::PARKING_MAX_KEYS) })
}

fn dead_letters(view: View<'_>, topic: &str) -> DeadLetters {
    let replication =
        view.entry(&declared::TOPIC_REPLICATION).map(|_| view.number(&declared::TOPIC_REPLICATION));
    let name = view.optional(&connector::NAME).unwrap_or_else(|| view.text(&connector::TOPIC_PREFIX));
    DeadLetters {
        topic: publish::dead_letters::Config {
            topic: topic.to_owned(),
            replication_factor: replication.and_then(|replicas| replicas.try_into().ok()),
        },
        writer: encode::dead_letter::Config {
            topic: Arc::from(topic),
            connect_headers: view.flag(&declared::CONTEXT_HEADERS),
            connector: name.to_owned(),
            slot: view.text(&postgres::SLOT_NAME).to_owned(),
        },
    }
}

/// Something asks for dead letters, and there is no topic for them.
fn without_topic(view: View<'_>, report: &mut Report) {
    let topic = format!("{}={}.outbox.dlt", declared::TOPIC_NAME.name, view.text(&connector::TOPIC_PREFIX));
    match view.entry(&declared::TOLERANCE).filter(|_| policy(view, &declared::ANY).is_none()) {
        Some(entry) if view.word(&declared::TOLERANCE) == Some("all") => {
            let what = "Connect then drops what it cannot convert, without a word; here it goes to the dead letters, and \
                        their topic is not named";
            report.wrong(
                entry,
                what,
                format!("write {topic}; or {}=skip to pass events over", declared::ANY.name),
            );
        }
        _ => report.missing(
            declared::TOPIC_NAME.name,
            "it is missing, and a policy sends events to the dead letters",
            format!("write {topic}"),
        ),
    }
}

fn policies(raw: &Raw, report: &mut Report) -> Policies {
    let view = View::plain(raw);
    let tolerated = view.word(&declared::TOLERANCE) == Some("all");
    let otherwise = if tolerated { Policy::DeadLetter } else { Policy::Stop };
    let every = policy(view, &declared::ANY).unwrap_or(otherwise);
    let mut policies = Policies { every, ..Policies::default() };
    for entry in raw.entries() {
        let Some(property) = catalog::find(&entry.key) else { continue };
        if property.name == declared::BY_REASON.name {
            by_reason(raw, entry, &mut policies, report);
        } else if property.name == declared::BY_TABLE.name {
            by_table(raw, entry, &mut policies, report);
        }
    }
    policies
}

fn by_reason(raw: &Raw, entry: &Entry, policies: &mut Policies, report: &mut Report) {
    let name = entry.key.strip_prefix(&declared::BY_REASON.key("")).unwrap_or_default();
    let Some(reason) = Reason::named(name).filter(|reason| *reason != Reason::Parked) else {
        return no_reason(entry, name, report);
    };
    if let Some(policy) = policy(View::under(raw, name), &declared::BY_REASON) {
        policies.by_reason.insert(reason, policy);
    }
}

/// `schema.table`, or that and a reason.
fn by_table(raw: &Raw, entry: &Entry, policies: &mut Policies, report: &mut Report) {
    let rest = entry.key.strip_prefix(&declared::BY_TABLE.key("")).unwrap_or_default();
    let policy = policy(View::under(raw, rest), &declared::BY_TABLE);
    match *rest.split('.').collect::<Vec<_>>() {
        [schema, table] => {
            let table = policies.by_table.entry(format!("{schema}.{table}")).or_default();
            table.every = policy;
        }
        [schema, table, name] => match (Reason::named(name).filter(|it| *it != Reason::Parked), policy) {
            (None, _) => no_reason(entry, name, report),
            (Some(reason), Some(policy)) => {
                let table = policies.by_table.entry(format!("{schema}.{table}")).or_default();
                table.by_reason.insert(reason, policy);
            }
            (Some(_), None) => {}
        },
        _ => report.wrong(
            entry,
            "it names no table",
            format!("write {} or the same with a reason after it", declared::BY_TABLE.key("schema.table")),
        ),
    }
}

fn no_reason(entry: &Entry, name: &str, report: &mut Report) {
    // What is parked is so for another event's sake.
    let names = || Reason::ALL.into_iter().filter(|reason| *reason != Reason::Parked).map(Reason::name);
    let instead = match nearest::pick(name, names().map(str::to_owned)) {
        Some(near) => format!("write {near}"),
        None => format!("write any, or one of {}", names().collect::<Vec<_>>().join(", ")),
    };
    report.wrong(entry, format!("{name} is no reason for which events cannot be published"), instead);
}

/// The policy that was written; a word that is none was reported.
fn policy(view: View<'_>, property: &catalog::Property) -> Option<Policy> {
    match view.word(property)? {
        "stop" => Some(Policy::Stop),
        "dead-letter" => Some(Policy::DeadLetter),
        "skip" => Some(Policy::Skip),
        _ => None,
    }
}
