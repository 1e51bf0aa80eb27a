//! CloudEvents: attributes, their columns, and what has to be a URI.

use super::debezium_events;
use super::report::Report;
use super::values::View;
use crate::config::catalog::{Property, cloudevents as declared, converters, registry, router, walpost};
use crate::config::raw::{Entry, Raw};
use crate::encode::cloudevents::{CloudEvents, Mode, percent_encoded};
use crate::encode::{self, Converter};
use crate::registry::SchemaType;
use crate::route::{self, Place};

/// Attributes that are no extensions (CloudEvents 1.0, section 3), and those of the envelope.
const RESERVED: [&str; 9] =
    ["id", "source", "specversion", "type", "datacontenttype", "dataschema", "subject", "time", "data"];

/// In a source: `topic.prefix`.
const PREFIX: &str = "${prefix}";

/// Fills in what router and encoder need, where events are CloudEvents.
pub(super) fn cloudevents(
    raw: &Raw,
    encode: &mut encode::Config,
    route: Option<&mut route::Config>,
    report: &mut Report,
) {
    if debezium_events::is_there(raw) {
        unused(raw, route.as_deref(), report);
        return debezium_events::converter(raw, encode, route, report);
    }
    let view = View::plain(raw);
    let mode = match view.word(&declared::MODE) {
        Some("binary") => Mode::Binary,
        Some("structured") => Mode::Structured,
        _ => return unused(raw, route.as_deref(), report),
    };
    let cloud = CloudEvents {
        mode,
        source: source(view, report),
        type_prefix: view.text(&declared::TYPE_PREFIX).to_owned(),
        content_type: content_type(view, report),
        data_schema: data_schema(view, &encode.value, report),
        record: None,
    };
    if let (Converter::Framed(framed), Mode::Structured) = (&encode.value, mode)
        && framed.in_header
        && let Some(entry) = view.entry(&declared::MODE)
    {
        let what = "the header of HeaderSchemaIdSerializer tells the schema of a whole value, and here that is an envelope";
        let instead = format!(
            "write binary, or leave {} out",
            View::under(raw, converters::VALUE.name).key(&registry::VALUE_ID)
        );
        report.wrong(entry, what, instead);
    }
    let Some(route) = route else { return };
    let taken = |property| view.optional(property).map(str::to_owned);
    let mut attributes = vec![
        ("id", route.id.clone()),
        ("type", view.text(&walpost::EVENT_TYPE_COLUMN).to_owned()),
        ("subject", taken(&declared::SUBJECT).unwrap_or_else(|| route.key.clone())),
    ];
    for (name, column) in [
        ("time", taken(&declared::TIME).or_else(|| route.timestamp.clone())),
        ("partitionkey", taken(&declared::PARTITION_KEY)),
        ("sequence", taken(&declared::SEQUENCE)),
    ] {
        attributes.extend(column.map(|column| (name, column)));
    }
    doubled(raw, route, &attributes, report);
    route.attributes = Some(attributes);
    encode.cloud = Some(cloud);
}

/// What is written for nothing.
fn unused(raw: &Raw, route: Option<&route::Config>, report: &mut Report) {
    let of_these = |entry: &&Entry| entry.key.starts_with(declared::KEYS) && entry.key != declared::MODE.name;
    for entry in raw.entries().filter(of_these).filter(|entry| !entry.is_blank()) {
        report.ignored(entry, "events are no CloudEvents, as walpost.cloudevents.mode is none");
    }
    let placed =
        |route: &route::Config| route.placements.iter().any(|placed| placed.place == Place::Attribute);
    if let (true, Some(entry)) = (route.is_some_and(placed), placement_entry(raw)) {
        let instead = "write walpost.cloudevents.mode=binary or structured";
        report.wrong(entry, "a column is placed in a CloudEvent, and events are none", instead);
    }
}

/// Attributes and headers have one value each.
fn doubled(raw: &Raw, route: &route::Config, attributes: &[(&'static str, String)], report: &mut Report) {
    let Some(entry) = placement_entry(raw) else { return };
    let mut known: Vec<&str> = attributes.iter().map(|(name, _)| *name).collect();
    if route.trace.is_some() {
        known.extend(["traceparent", "tracestate"]);
    }
    for placed in &route.placements {
        let alias = placed.alias.as_str();
        match placed.place {
            Place::Attribute if known.contains(&alias) => {
                let what = format!("would be a second attribute {alias} of the CloudEvent");
                report.wrong(entry, shown(entry, &placed.column, &what), "place it under another name");
            }
            Place::Attribute => known.push(alias),
            Place::Header
                if alias.to_ascii_lowercase().starts_with("ce_")
                    || alias.eq_ignore_ascii_case("content-type") =>
            {
                let what = format!("would be a header {alias} beside those of the CloudEvent");
                let instead = "take it out; column:ce:name places an attribute, and walpost.cloudevents.* has the others";
                report.wrong(entry, shown(entry, &placed.column, &what), instead);
            }
            _ => {}
        }
    }
}

/// The entry that places columns, of whichever router: there is one.
fn placement_entry(raw: &Raw) -> Option<&Entry> {
    raw.entries().find(|entry| router::ADDITIONAL_PLACEMENT.matches(&entry.key))
}

fn shown(entry: &Entry, column: &str, what: &str) -> String {
    if entry.secret { "an item cannot be used".to_owned() } else { format!("column {column} {what}") }
}

/// Whether an extension may be called so; else what is wrong.
pub(super) fn extension(name: &str) -> Result<(), String> {
    if RESERVED.contains(&name) {
        return Err(format!(
            "is the attribute {name}, which is no extension: walpost.cloudevents.* says what it is"
        ));
    }
    match name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) && !name.is_empty() {
        true => Ok(()),
        false => Err(format!("has the name {name}, and an attribute's is lowercase letters and digits")),
    }
}

fn source(view: View<'_>, report: &mut Report) -> String {
    let mut prefix = Vec::new();
    percent_encoded(view.text(&crate::config::catalog::connector::TOPIC_PREFIX).as_bytes(), &mut prefix);
    let source = view.text(&declared::SOURCE).replace(PREFIX, &String::from_utf8_lossy(&prefix));
    if !is_reference(&source.replace(CloudEvents::TABLE, "t")) {
        wrong(
            view,
            &declared::SOURCE,
            "it is no URI reference",
            "write a path or a URI, such as /shop/orders",
            report,
        );
    }
    source
}

/// A media type: `type/subtype`, and parameters.
fn content_type(view: View<'_>, report: &mut Report) -> Option<String> {
    let written = view.optional(&declared::CONTENT_TYPE)?;
    let media = written.split(';').next().unwrap_or_default().trim();
    let is_token = |part: &str| {
        let is = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
        !part.is_empty() && part.bytes().all(is)
    };
    let is_media = media.split_once('/').is_some_and(|(left, right)| is_token(left) && is_token(right));
    let is_printed = written.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    if !is_media || !is_printed {
        wrong(
            view,
            &declared::CONTENT_TYPE,
            "it is no media type",
            "write one such as application/json",
            report,
        );
    } else if media.to_ascii_lowercase().starts_with("application/cloudevents") {
        let instead = "write the type of the data alone";
        wrong(view, &declared::CONTENT_TYPE, "readers would take the data for an envelope", instead, report);
    }
    Some(written.to_owned())
}

fn data_schema(view: View<'_>, value: &Converter, report: &mut Report) -> Option<String> {
    let written = view.optional(&declared::DATA_SCHEMA)?;
    let plain = written.replace(CloudEvents::ID, "1").replace(CloudEvents::TYPE, "t");
    let has_id = written.contains(CloudEvents::ID);
    let is_framed = match value {
        Converter::Framed(framed) => !framed.in_header,
        Converter::Bytes | Converter::Binary { .. } => true,
        _ => false,
    };
    if !is_reference(&plain) || scheme(&plain).is_none() {
        let instead = "write one such as https://registry.example/schemas/ids/${id}";
        wrong(view, &declared::DATA_SCHEMA, "it is no URI", instead, report);
    } else if has_id && !is_framed {
        let what = match value {
            Converter::Framed(framed) if framed.language != SchemaType::Json => {
                "HeaderSchemaIdSerializer writes no id"
            }
            _ => "this value.converter writes no schema's id",
        };
        wrong(view, &declared::DATA_SCHEMA, what, "write a URI without ${id}", report);
    }
    Some(written.to_owned())
}

fn wrong(view: View<'_>, property: &Property, what: &str, instead: &str, report: &mut Report) {
    if let Some(entry) = view.entry(property) {
        report.wrong(entry, what, instead);
    }
}

/// What stands before the first colon, where that ends a scheme (RFC 3986, section 3.1).
fn scheme(uri: &str) -> Option<&str> {
    let (scheme, _) = uri.split_once(':')?;
    let is = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    (scheme.bytes().all(is) && scheme.starts_with(|first: char| first.is_ascii_alphabetic()))
        .then_some(scheme)
}

/// RFC 3986, section 4.1, by its characters; brackets count as those of an address.
fn is_reference(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let is_legal = match byte {
            b'%' => {
                let mut hex = || bytes.next().is_some_and(|digit| digit.is_ascii_hexdigit());
                hex() && hex()
            }
            _ => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&byte),
        };
        if !is_legal {
            return false;
        }
    }
    // A colon in the first segment ends a scheme.
    let first = text.split(['/', '?', '#']).next().unwrap_or_default();
    !text.is_empty() && text.matches('#').count() < 2 && (!first.contains(':') || scheme(text).is_some())
}
