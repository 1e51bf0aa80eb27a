//! The event router, and which tables are outbox tables.

use super::messages::Messages;
use super::names::Names;
use super::report::Report;
use super::values::View;
use super::{changes, cloudevents, messages};
use crate::config::catalog::{connector, nearest, postgres, router as declared, walpost};
use crate::config::raw::{Entry, Raw};
use crate::decode::value::{Binary, Decimals, Hstore, Intervals, Modes, Times};
use crate::encode::{Expand, Nulls, Renaming};
use crate::route::{
    self, ChangeRule, ColumnRule, OnUpdate, Place, Placement, TableRule, TopicRule, java_regex,
};
use fancy_regex::Regex;

const PLACES: &[(&str, Place)] = &[
    ("header", Place::Header),
    ("envelope", Place::Envelope),
    ("partition", Place::Partition),
    ("ce", Place::Attribute),
];

/// The event router's properties; `None` when there is none, which was reported.
pub(super) fn router(raw: &Raw, names: &Names, report: &mut Report) -> Option<route::Config> {
    let tables = tables(raw, names, report);
    let plain = View::plain(raw);
    let name = match &names.router {
        Some(name) => name.as_str(),
        None if names.transforms.is_empty() => "",
        None => return None,
    };
    let view = View::under(raw, name);
    let optional = |property| view.optional(property).map(str::to_owned);
    let strict = plain.word(&walpost::COMPAT) == Some("strict");
    if strict {
        refuse_empty(view, report);
    }
    let placements = placements(view, report);
    let topic = topic(view, strict, report)?;
    let (messages, told) = match messages::messages(raw, names, report) {
        Messages::Rows(rule) => (Some(rule), None),
        Messages::Told(prefixes) => (None, Some(prefixes)),
    };
    Some(route::Config {
        topic_prefix: plain.text(&connector::TOPIC_PREFIX).to_owned(),
        tables,
        id: view.text(&declared::EVENT_ID).to_owned(),
        key: view.text(&declared::EVENT_KEY).to_owned(),
        payload: view.text(&declared::EVENT_PAYLOAD).to_owned(),
        timestamp: optional(&declared::EVENT_TIMESTAMP),
        schema_version: optional(&declared::EVENT_SCHEMA_VERSION),
        placements,
        ignore_missing: ignore_missing(view, strict, report),
        on_update: on_update(plain, view),
        route_by: view.text(&declared::ROUTE_BY_FIELD).to_owned(),
        topic,
        tombstone_on_empty: view.flag(&declared::ROUTE_TOMBSTONE),
        messages,
        event_type: event_type(plain),
        attributes: None,
        trace: optional(&declared::TRACING_FIELD).filter(|_| !strict),
        types: types(plain),
        changes: Some(ChangeRule { messages: told, ..changes::changes(plain, report) }),
        strict,
    })
}

/// The column with an event's type, where schemas are found by it.
fn event_type(plain: View<'_>) -> Option<String> {
    let by_type = plain.word(&walpost::VALUE_SCHEMA) == Some("registered")
        || plain.word(&walpost::VALUE_VERIFY) == Some("subject");
    by_type.then(|| plain.text(&walpost::EVENT_TYPE_COLUMN).to_owned())
}

/// Names of columns that are written and empty: Debezium looks for a column without a name, and dies.
fn refuse_empty(view: View<'_>, report: &mut Report) {
    for property in [
        &declared::EVENT_ID,
        &declared::EVENT_KEY,
        &declared::EVENT_PAYLOAD,
        &declared::EVENT_TIMESTAMP,
        &declared::EVENT_SCHEMA_VERSION,
        &declared::ADDITIONAL_PLACEMENT,
        &declared::ROUTE_BY_FIELD,
    ] {
        if let Some(entry) = view.blank(property) {
            report.wrong(
                entry,
                "it is empty, of which Debezium dies",
                "write a column's name, or take it out",
            );
        }
    }
}

/// How the connector has types read.
fn types(plain: View<'_>) -> Modes {
    Modes {
        times: match plain.word(&postgres::TIME_PRECISION_MODE) {
            Some("adaptive_time_microseconds") => Times::AdaptiveTimeMicroseconds,
            Some("connect") => Times::Connect,
            Some("isostring") => Times::Iso,
            Some("microseconds") => Times::Microseconds,
            Some("nanoseconds") => Times::Nanoseconds,
            _ => Times::Adaptive,
        },
        decimals: match plain.word(&postgres::DECIMAL_HANDLING_MODE) {
            Some("double") => Decimals::Double,
            Some("string") => Decimals::Text,
            _ => Decimals::Precise,
        },
        binary: match plain.word(&postgres::BINARY_HANDLING_MODE) {
            Some("base64") => Binary::Base64,
            Some("base64-url-safe") => Binary::Base64UrlSafe,
            Some("hex") => Binary::Hex,
            _ => Binary::Bytes,
        },
        intervals: match plain.word(&postgres::INTERVAL_HANDLING_MODE) {
            Some("string") => Intervals::Text,
            _ => Intervals::Numeric,
        },
        hstore: match plain.word(&postgres::HSTORE_HANDLING_MODE) {
            Some("map") => Hstore::Map,
            _ => Hstore::Json,
        },
    }
}

/// How payloads of logical decoding messages are taken apart, when there are such.
pub(super) fn of_messages(route: Option<&route::Config>) -> Option<Nulls> {
    route?.messages.as_ref().map(|rule| if rule.keep_nulls { Nulls::OptionalBytes } else { Nulls::Ignore })
}

/// How JSON payloads are taken apart, when they are.
pub(super) fn expansion(raw: &Raw, names: &Names) -> Option<Expand> {
    let view = View::under(raw, names.router.as_ref()?);
    view.flag(&declared::EXPAND_JSON).then(|| Expand {
        nulls: match view.word(&declared::JSON_NULLS) {
            Some("optional_bytes") => Nulls::OptionalBytes,
            _ => Nulls::Ignore,
        },
        renaming: match view.word(&declared::JSON_RENAMING) {
            Some("avro") => Renaming::Underscore,
            Some("avro_unicode") => Renaming::Unicode,
            _ => Renaming::Never,
        },
    })
}

/// The name from 3.6 on wins over the older one, which 3.6 itself does not know any more.
fn ignore_missing(view: View<'_>, strict: bool, report: &mut Report) -> bool {
    match (view.entry(&declared::ADDITIONAL_MISSING), view.entry(&declared::ADDITIONAL_ERROR_ON_MISSING)) {
        (Some(_), _) => view.word(&declared::ADDITIONAL_MISSING) == Some("ignore"),
        (None, Some(entry)) if strict => {
            report.ignored(entry, "Debezium 3.6 does not know it any more");
            false
        }
        (None, _) => !view.flag(&declared::ADDITIONAL_ERROR_ON_MISSING),
    }
}

/// An update that is skipped in the connector never comes to the router.
fn on_update(plain: View<'_>, view: View<'_>) -> OnUpdate {
    let is_skipped = plain.list(&connector::SKIPPED_OPERATIONS).contains(&"u");
    match view.word(&declared::OP_INVALID_BEHAVIOR) {
        Some("error") if !is_skipped => OnUpdate::Error,
        Some("fatal") if !is_skipped => OnUpdate::Fatal,
        _ => OnUpdate::Warn,
    }
}

/// `None` when regex or replacement cannot be used, which is reported.
fn topic(view: View<'_>, strict: bool, report: &mut Report) -> Option<TopicRule> {
    let regex = view.text(&declared::ROUTE_TOPIC_REGEX);
    let replacement = view.text(&declared::ROUTE_TOPIC_REPLACEMENT);
    if java_regex(regex, false).is_err() {
        return None; // The regex is reported by its kind.
    }
    let make = if strict { TopicRule::late } else { TopicRule::new };
    let error = match make(regex, replacement) {
        Ok(rule) => return Some(rule),
        Err(error) => error,
    };
    let entry = view.entry(&declared::ROUTE_TOPIC_REPLACEMENT).or(view.entry(&declared::ROUTE_TOPIC_REGEX))?;
    let what = if entry.secret { "it cannot be used".to_owned() } else { error };
    report.wrong(entry, what, "write $1 or ${name} for a group of the regex, and \\$ for a dollar sign");
    None
}

/// `column:place[:alias]`, between commas; each item that is not is reported.
fn placements(view: View<'_>, report: &mut Report) -> Vec<Placement> {
    let Some(entry) = view.entry(&declared::ADDITIONAL_PLACEMENT) else { return Vec::new() };
    let items = entry.value.split(',').map(str::trim).filter(|item| !item.is_empty());
    let mut members = vec!["payload".to_owned()];
    items
        .filter_map(|item| {
            let placed = placement(item).and_then(|placed| another_member(placed, &mut members));
            placed.map_err(|what| misplaced(entry, item, &what, report)).ok()
        })
        .collect()
}

/// Each member of the envelope has a name of its own.
fn another_member(placed: Placement, members: &mut Vec<String>) -> Result<Placement, String> {
    if placed.place == Place::Envelope {
        if members.contains(&placed.alias) {
            return Err(format!("would be a second member {} of the envelope", placed.alias));
        }
        members.push(placed.alias.clone());
    }
    Ok(placed)
}

fn placement(item: &str) -> Result<Placement, String> {
    const FORM: &str = "is not column:place or column:place:alias";
    let parts: Vec<&str> = item.split(':').map(str::trim).collect();
    let (column, place, alias) = match parts[..] {
        [column, place] | [column, place, ""] => (column, place, column),
        [column, place, alias] => (column, place, alias),
        _ => return Err(FORM.to_owned()),
    };
    if column.is_empty() || place.is_empty() {
        return Err(FORM.to_owned());
    }
    let known = PLACES.iter().find(|(word, _)| word.eq_ignore_ascii_case(place));
    let Some((_, place)) = known else {
        let near = nearest::pick(place, PLACES.iter().map(|(word, _)| (*word).to_owned()));
        let hint = near.map(|near| format!(" (meant is {near}?)")).unwrap_or_default();
        return Err(format!("has no place {place}{hint}"));
    };
    if *place == Place::Attribute {
        cloudevents::extension(alias)?;
    }
    Ok(Placement { column: column.to_owned(), place: *place, alias: alias.to_owned() })
}

fn misplaced(entry: &Entry, item: &str, what: &str, report: &mut Report) {
    let what = if entry.secret { "an item cannot be used".to_owned() } else { format!("`{item}` {what}") };
    report.wrong(
        entry,
        what,
        "write column:header, column:envelope, column:partition or column:ce, with :alias for another name",
    );
}

/// Include and exclude lists, which do not go together, and the predicate.
fn tables(raw: &Raw, names: &Names, report: &mut Report) -> TableRule {
    let view = View::plain(raw);
    for (include, exclude) in [
        (&postgres::SCHEMA_INCLUDE_LIST, &postgres::SCHEMA_EXCLUDE_LIST),
        (&postgres::TABLE_INCLUDE_LIST, &postgres::TABLE_EXCLUDE_LIST),
        (&postgres::COLUMN_INCLUDE_LIST, &postgres::COLUMN_EXCLUDE_LIST),
    ] {
        if let (Some(_), Some(entry)) = (view.entry(include), view.entry(exclude)) {
            report.wrong(entry, format!("{} is there already", include.name), "leave one of the two out");
        }
    }
    TableRule {
        schema_include: view.regexes(&postgres::SCHEMA_INCLUDE_LIST),
        schema_exclude: view.regexes(&postgres::SCHEMA_EXCLUDE_LIST),
        include: view.regexes(&postgres::TABLE_INCLUDE_LIST),
        exclude: view.regexes(&postgres::TABLE_EXCLUDE_LIST),
        columns: ColumnRule {
            include: view.regexes(&postgres::COLUMN_INCLUDE_LIST),
            exclude: view.regexes(&postgres::COLUMN_EXCLUDE_LIST),
        },
        unrouted: names.router.is_none(),
        predicate: predicate(raw, names, report),
    }
}

fn predicate(raw: &Raw, names: &Names, report: &mut Report) -> Option<(Regex, bool)> {
    let name = names.predicate.as_ref()?;
    let is_negated = View::under(raw, names.router.as_ref()?).flag(&declared::NEGATE);
    if let (Some(entry), false) = (of_tombstones(raw, name), is_negated) {
        let what = "a row is no tombstone: with this predicate none would be an event";
        report.wrong(entry, what, format!("write {}=true", declared::NEGATE.key(names.router.as_ref()?)));
    }
    require_pattern(raw, name, report);
    Some((pattern(raw, name)?, is_negated))
}

/// The type of a predicate that no row and no message fulfils.
pub(super) fn of_tombstones<'r>(raw: &'r Raw, predicate: &'r str) -> Option<&'r Entry> {
    let view = View::under(raw, predicate);
    let is_such = view.word(&declared::PREDICATE_TYPE) == Some(declared::RECORD_IS_TOMBSTONE);
    view.entry(&declared::PREDICATE_TYPE).filter(|_| is_such)
}

/// A predicate on topics needs a pattern.
pub(super) fn require_pattern(raw: &Raw, predicate: &str, report: &mut Report) {
    let view = View::under(raw, predicate);
    if view.word(&declared::PREDICATE_TYPE) == Some(declared::TOPIC_NAME_MATCHES)
        && view.entry(&declared::PREDICATE_PATTERN).is_none()
    {
        report.required(&declared::PREDICATE_PATTERN, &view.key(&declared::PREDICATE_PATTERN));
    }
}

/// What the topics of a predicate are; `None` when it cannot be used, which is reported elsewhere.
pub(super) fn pattern(raw: &Raw, predicate: &str) -> Option<Regex> {
    let view = View::under(raw, predicate);
    view.word(&declared::PREDICATE_TYPE)?;
    java_regex(view.entry(&declared::PREDICATE_PATTERN)?.value.trim(), false).ok()
}
