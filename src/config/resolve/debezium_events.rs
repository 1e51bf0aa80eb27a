//! Debezium's CloudEventsConverter, as its documentation has it before an event router: metadata from headers.

use super::report::Report;
use super::values::View;
use crate::config::catalog::{
    self, Property, cloudevents as declared, connector, converters, postgres, registry, router, walpost,
};
use crate::config::raw::Raw;
use crate::encode;
use crate::encode::cloudevents::{CloudEvents, Mode};
use crate::route::{self, Place};

/// Where the converter is.
const PLACE: &str = converters::VALUE.name;

/// Where its AvroConverter is.
const AVRO_PLACE: &str = converters::CLOUD_EVENTS_AVRO;

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
    let avro = Avro::of(view);
    avro.look(raw, view, report);
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
    must_be_false(
        view,
        &declared::SCHEMA_HEADER,
        "the data's schema is called as Debezium calls it without",
        report,
    );
    if !plain.millis(&connector::HEARTBEAT_INTERVAL).is_zero()
        && let Some(entry) = plain.entry(&connector::HEARTBEAT_INTERVAL)
    {
        report.wrong(
            entry,
            "CloudEventsConverter makes nothing of heartbeats: their values are null",
            "take it out",
        );
    }
    if plain.flag(&connector::PROVIDE_TRANSACTIONS)
        && let Some(entry) = plain.entry(&connector::PROVIDE_TRANSACTIONS)
    {
        let what = "CloudEventsConverter makes nothing of transactions: their values are null";
        report.wrong(entry, what, "take it out");
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
        data_schema: avro.data.then(|| data_schema(raw)),
        record: avro.event.then(|| record(raw, &route.topic_prefix, report)),
    });
}

/// What is in Avro.
#[derive(Clone, Copy)]
struct Avro {
    /// The event's data.
    data: bool,
    /// The event itself.
    event: bool,
}

impl Avro {
    fn of(view: View<'_>) -> Avro {
        let is = |property: &Property| view.word(property) == Some("avro");
        Avro { data: is(&declared::DATA_SERIALIZER), event: is(&declared::SERIALIZER) }
    }

    /// What does not go together, and what is written for nothing.
    fn look(self, raw: &Raw, view: View<'_>, report: &mut Report) {
        if let (true, false, Some(entry)) = (self.event, self.data, view.entry(&declared::SERIALIZER)) {
            let instead = format!("write {}=avro as well", view.key(&declared::DATA_SERIALIZER));
            report.wrong(
                entry,
                "data in JSON is not in events in Avro: Debezium does not start with it",
                instead,
            );
        }
        let without_effect = |properties: &[&Property], why: &str, report: &mut Report| {
            for entry in properties.iter().filter_map(|property| view.entry(property)) {
                report.ignored(entry, why);
            }
        };
        if self.data {
            without_effect(declared::OF_JSON, "the data is in Avro", report);
        }
        if !self.event {
            without_effect(declared::OF_AVRO, "an event in JSON has no schema of its own", report);
        }
        let beginning = format!("{AVRO_PLACE}.");
        for entry in raw.entries().filter(|entry| entry.key.starts_with(&beginning) && !entry.is_blank()) {
            let is_known = catalog::find(&entry.key)
                .is_some_and(|property| catalog::is_of(property, AVRO_PLACE, &entry.key));
            match (self.data, is_known) {
                (false, _) => report.ignored(entry, "the data is in JSON"),
                (true, true) => {}
                (true, false) => {
                    let instead = format!(
                        "take it out, or write the option of AvroConverter that is meant after {beginning}"
                    );
                    report.wrong(entry, "AvroConverter has no such option here", instead);
                }
            }
        }
        if self.data {
            self.of_avro(raw, report);
        }
    }

    /// What the AvroConverter cannot do inside an event.
    fn of_avro(self, raw: &Raw, report: &mut Report) {
        let (plain, avro) = (View::plain(raw), View::under(raw, AVRO_PLACE));
        if let (Some(registry::HEADER), Some(entry)) =
            (avro.word(&registry::VALUE_ID), avro.entry(&registry::VALUE_ID))
        {
            report.wrong(entry, "the data's schema is told by its id, in dataschema", "take it out");
        }
        if let (Some("registered"), Some(entry)) =
            (plain.word(&walpost::VALUE_SCHEMA), plain.entry(&walpost::VALUE_SCHEMA))
        {
            let what = "CloudEventsConverter writes data by the schema that is inferred of it";
            let instead = "take it out, or take AvroConverter with walpost.cloudevents.mode=structured";
            report.wrong(entry, what, instead);
        }
        let urls = avro.entry(&registry::URL);
        // Without the value, which is not for everybody's eyes.
        if let Some(entry) = urls.filter(|entry| entry.value.contains('@')) {
            report.missing(
                &entry.key,
                "events name it in dataschema, and user and password with it",
                format!("write them in {AVRO_PLACE}.basic.auth.user.info"),
            );
        }
    }
}

/// Where the data's schema is: all URLs, as Debezium has it, and the schema's place.
fn data_schema(raw: &Raw) -> String {
    let urls = View::under(raw, AVRO_PLACE).text(&registry::URL);
    format!("{urls}/schemas/ids/{}", CloudEvents::ID)
}

/// The full name of an event's record.
fn record(raw: &Raw, prefix: &str, report: &mut Report) -> String {
    let view = View::under(raw, PLACE);
    let written = view.entry(&declared::SCHEMA_NAME);
    let name = match written {
        Some(entry) => entry.value.trim().to_owned(),
        None => {
            let database = View::plain(raw).text(&postgres::DBNAME);
            format!("{prefix}.{database}.CloudEvents.Envelope")
        }
    };
    let name = if view.word(&declared::ADJUSTMENT) == Some("none") { name } else { adjusted(&name) };
    if let Some(entry) = written.filter(|_| !CloudEvents::may_be_called(&name)) {
        let instead = "write letters, digits and underscores, with dots between them";
        report.wrong(entry, "Avro does not allow this name", instead);
    }
    name
}

/// As Debezium makes a name one that Avro allows.
fn adjusted(name: &str) -> String {
    let mut adjusted = String::new();
    for letter in name.chars() {
        match letter {
            '0'..='9' if adjusted.is_empty() => adjusted.extend(['_', letter]),
            '.' if adjusted.is_empty() => adjusted.push('_'),
            '0'..='9' | 'a'..='z' | 'A'..='Z' | '_' | '.' => adjusted.push(letter),
            _ => adjusted.push('_'),
        }
    }
    adjusted
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
