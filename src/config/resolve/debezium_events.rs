//! Debezium's CloudEventsConverter, as its documentation has it before an event router: metadata from headers.

use super::report::Report;
use super::values::View;
use crate::config::catalog::{Property, cloudevents as declared, connector, converters, router, walpost};
use crate::config::raw::Raw;
use crate::encode;
use crate::encode::cloudevents::{CloudEvents, Mode};
use crate::route::{self, Place};

/// Where the converter is.
const PLACE: &str = converters::VALUE.name;

/// Whether it is the value's converter.
pub(super) fn is_there(raw: &Raw) -> bool {
    View::plain(raw).word(&converters::VALUE) == Some(converters::CLOUD_EVENTS)
}

/// Fills in what router and encoder need for it; what it would do otherwise than here is refused.
pub(super) fn converter(
    raw: &Raw,
    encode: &mut encode::Config,
    route: Option<&mut route::Config>,
    report: &mut Report,
) {
    let (plain, view) = (View::plain(raw), View::under(raw, PLACE));
    if let Some(entry) = plain.entry(&declared::MODE).filter(|_| plain.word(&declared::MODE) != Some("none"))
    {
        let instead = "take it out, or name the converter of the data alone in value.converter";
        report.wrong(entry, "CloudEventsConverter makes CloudEvents already", instead);
    }
    metadata(view, report);
    let in_avro = format!("{PLACE}.avro.");
    for entry in raw.entries().filter(|entry| entry.key.starts_with(&in_avro) && !entry.is_blank()) {
        report.wrong(entry, declared::NO_AVRO, declared::WRITE_MODE);
    }
    must_be_false(
        view,
        &declared::EXTENSIONS,
        "what Debezium knows of a change is no attribute here",
        report,
    );
    must_be_false(
        view,
        &declared::TRACING,
        "traceparent is an attribute of walpost's own CloudEvents only",
        report,
    );
    must_be_false(view, &declared::SCHEMA_HEADER, "the schema of JSON has no place for the name", report);
    if !plain.millis(&connector::HEARTBEAT_INTERVAL).is_zero()
        && let Some(entry) = plain.entry(&connector::HEARTBEAT_INTERVAL)
    {
        report.wrong(
            entry,
            "CloudEventsConverter makes nothing of heartbeats: their values are null",
            "take it out",
        );
    }
    if plain.word(&walpost::COMPAT) == Some("strict")
        && let Some(entry) = plain.entry(&walpost::COMPAT)
    {
        let what = "the headers source, op and transaction of HeaderFrom are not published";
        report.wrong(entry, what, "take it out, or take another value.converter");
    }
    let Some(route) = route else { return };
    let is_type = |placed: &&route::Placement| placed.place == Place::Header && placed.alias == "type";
    let Some(placed) = route.placements.iter().find(is_type) else {
        let (key, instead) = (&router::ADDITIONAL_PLACEMENT, "add type:header, or column:header:type");
        let written = raw.entries().find(|entry| key.matches(&entry.key));
        match written {
            Some(entry) => report.wrong(entry, "CloudEventsConverter finds no header type", instead),
            None => report.missing(&key.key("outbox"), "CloudEventsConverter finds no header type", instead),
        }
        return;
    };
    route.attributes = Some(vec![("id", route.id.clone()), ("type", placed.column.clone())]);
    encode.cloud = Some(CloudEvents {
        mode: Mode::Debezium,
        source: format!("/debezium/postgresql/{}", route.topic_prefix),
        type_prefix: String::new(),
        content_type: None,
        data_schema: None,
    });
}

/// `metadata.source`: the first is for all, and each other for one attribute.
fn metadata(view: View<'_>, report: &mut Report) {
    let written = view.list(&declared::METADATA);
    let of = |name: &str| {
        written.iter().skip(1).filter_map(|item| item.split_once(':')).find(|(known, _)| *known == name)
    };
    let is_header = |name: &str| of(name).is_none_or(|(_, from)| from == "header");
    if written.first() == Some(&"header") && is_header("id") && is_header("type") {
        return;
    }
    let what = "an outbox event is no change event: of value, Debezium makes null, and what it would generate tells of the row";
    refuse(view, &declared::METADATA, what, "header", report);
}

/// An option of which only one value is taken.
fn must_be_false(view: View<'_>, property: &Property, what: &str, report: &mut Report) {
    if view.flag(property) {
        refuse(view, property, what, "false", report);
    }
}

fn refuse(view: View<'_>, property: &Property, what: &str, instead: &str, report: &mut Report) {
    let instead = format!(
        "write {}={instead}; or walpost.cloudevents.mode=structured with the converter of the data",
        view.key(property)
    );
    match view.entry(property) {
        Some(entry) => report.wrong(entry, what, instead),
        None => report.missing(&view.key(property), what, instead),
    }
}
