//! Converters and their options.

use super::registry;
use super::report::Report;
use super::values::View;
use crate::config::catalog::{
    self, Property, cloudevents, converters as declared, registry as registered, walpost,
};
use crate::config::raw::Raw;
use crate::encode::{self, Converter, DecimalFormat, Framed, HeaderConverter, Number};
use crate::registry::SchemaType;

const STRING_OPTIONS: &[&Property] = &[&declared::ENCODING, &declared::CONVERTER_TYPE];
const JSON_OPTIONS: &[&Property] = &[
    &declared::SCHEMAS_ENABLE,
    &declared::DECIMAL_FORMAT,
    &declared::REPLACE_NULL,
    &declared::CONVERTER_TYPE,
];
const BYTES_OPTIONS: &[&Property] = &[&declared::CONVERTER_TYPE];
/// With `walpost.value.verify`, BYTES have a registry to ask as well.
fn verifying(place: &str, options: &[&'static Property]) -> Vec<&'static Property> {
    let mut options = options.to_vec();
    if place == declared::VALUE.name {
        options.extend(registered::REACHING);
        options.push(&registered::VALUE_STRATEGY);
    }
    options
}

const BINARY_OPTIONS: &[&Property] = &[&declared::DELEGATE, &declared::CONVERTER_TYPE];

/// The three converters. Context headers are the connector's to say.
pub(super) fn encode(raw: &Raw, max_record_bytes: usize, report: &mut Report) -> encode::Config {
    let plain = View::plain(raw);
    let mut of = |class: &'static Property| converter(raw, class.name, plain.word(class), report);
    encode::Config {
        key: of(&declared::KEY),
        value: of(&declared::VALUE),
        header: match plain.word(&declared::HEADER) {
            Some(declared::SIMPLE_HEADER) | None => {
                options(raw, declared::HEADER.name, declared::SIMPLE_HEADER, BYTES_OPTIONS, report);
                HeaderConverter::Simple
            }
            class => HeaderConverter::As(converter(raw, declared::HEADER.name, class, report)),
        },
        context: None,
        verify: registry::verify(raw, report),
        cloud: None,
        expand: None,
        messages: None,
        strict: plain.word(&walpost::COMPAT) == Some("strict"),
        max_record_bytes,
    }
}

/// The converter configured at a place; a class that is refused was reported and counts as text.
fn converter(raw: &Raw, place: &str, class: Option<&'static str>, report: &mut Report) -> Converter {
    let view = View::under(raw, place);
    let Some(class) = class else { return Converter::String };
    match class {
        declared::JSON => {
            options(raw, place, class, JSON_OPTIONS, report);
            Converter::Json {
                schemas: view.flag(&declared::SCHEMAS_ENABLE),
                decimal: decimals(view, &declared::DECIMAL_FORMAT),
                replace_null_with_default: view.flag(&declared::REPLACE_NULL),
            }
        }
        declared::CLOUD_EVENTS => {
            let mut known: Vec<&Property> = cloudevents::OPTIONS.iter().collect();
            known.push(&declared::CONVERTER_TYPE);
            options(raw, place, class, &known, report);
            if view.word(&cloudevents::DATA_SERIALIZER) == Some("avro") {
                let place = declared::CLOUD_EVENTS_AVRO;
                options(raw, place, declared::AVRO, &framed_options(declared::AVRO), report);
                let framed = registry::framed(raw, place, SchemaType::Avro, report);
                return Converter::Framed(Box::new(Framed { registered: None, ..framed }));
            }
            if let Some(entry) = raw.get(place).filter(|_| place != declared::VALUE.name) {
                report.wrong(
                    entry,
                    "it is for values",
                    "write org.apache.kafka.connect.storage.StringConverter",
                );
            }
            Converter::Json {
                schemas: view.flag(&cloudevents::JSON_SCHEMAS),
                decimal: decimals(view, &cloudevents::JSON_DECIMALS),
                replace_null_with_default: view.flag(&cloudevents::JSON_NULLS),
            }
        }
        declared::BYTES => {
            options(raw, place, class, &verifying(place, BYTES_OPTIONS), report);
            Converter::Bytes
        }
        declared::AVRO | declared::JSON_SCHEMA | declared::PROTOBUF => {
            options(raw, place, class, &framed_options(class), report);
            Converter::Framed(Box::new(registry::framed(raw, place, language(class), report)))
        }
        declared::BOOLEAN
        | declared::SHORT
        | declared::INTEGER
        | declared::LONG
        | declared::FLOAT
        | declared::DOUBLE => {
            options(raw, place, class, BYTES_OPTIONS, report);
            Converter::Number(number(class))
        }
        declared::BINARY => {
            options(raw, place, class, &verifying(place, BINARY_OPTIONS), report);
            let delegate = view.word(&declared::DELEGATE);
            let place = view.key(&declared::DELEGATE);
            let delegate = delegate.map(|class| Box::new(converter(raw, &place, Some(class), report)));
            Converter::Binary { delegate }
        }
        _ => {
            options(raw, place, class, STRING_OPTIONS, report);
            Converter::String
        }
    }
}

/// Options of a converter that asks a registry.
fn framed_options(class: &str) -> Vec<&'static Property> {
    let of_others: [&[&Property]; 2] = match class {
        declared::AVRO => [registered::OF_JSON_SCHEMA, registered::OF_PROTOBUF],
        declared::JSON_SCHEMA => [registered::OF_AVRO, registered::OF_PROTOBUF],
        _ => [registered::OF_AVRO, registered::OF_JSON_SCHEMA],
    };
    let is_others = |option: &Property| {
        of_others.iter().flat_map(|all| all.iter()).any(|other| other.name == option.name)
    };
    let mut known: Vec<&Property> = registered::OPTIONS.iter().filter(|option| !is_others(option)).collect();
    known.push(&declared::CONVERTER_TYPE);
    if class == declared::JSON_SCHEMA {
        known.push(&declared::DECIMAL_FORMAT);
    }
    known
}

pub(super) fn decimals(view: View<'_>, property: &Property) -> DecimalFormat {
    match view.word(property) {
        Some("NUMERIC") => DecimalFormat::Numeric,
        _ => DecimalFormat::Base64,
    }
}

fn language(class: &str) -> SchemaType {
    match class {
        declared::JSON_SCHEMA => SchemaType::Json,
        declared::PROTOBUF => SchemaType::Protobuf,
        _ => SchemaType::Avro,
    }
}

fn number(class: &str) -> Number {
    match class {
        declared::BOOLEAN => Number::Boolean,
        declared::SHORT => Number::Short,
        declared::INTEGER => Number::Integer,
        declared::FLOAT => Number::Float,
        declared::DOUBLE => Number::Double,
        _ => Number::Long,
    }
}

/// Options that another converter would know change nothing: files are full of them.
fn options(raw: &Raw, place: &str, class: &str, known: &[&Property], report: &mut Report) {
    let beginning = format!("{place}.");
    let simple = class.rsplit('.').next().unwrap_or(class);
    for entry in raw.entries().filter(|entry| entry.key.starts_with(&beginning)) {
        let Some(property) = catalog::find(&entry.key) else { continue };
        let all = declared::OPTIONS.iter().chain(registered::OPTIONS).chain(cloudevents::OPTIONS);
        let is_option = all.into_iter().any(|option| option.name == property.name);
        let is_known = known.iter().any(|known| known.name == property.name)
            && catalog::is_of(property, place, &entry.key);
        // Its AvroConverter has options of its own, which are looked at where it is one.
        let is_avros = class == declared::CLOUD_EVENTS
            && entry.key.starts_with(&format!("{}.", declared::CLOUD_EVENTS_AVRO));
        let is_delegates = known.iter().any(|known| known.name == declared::DELEGATE.name)
            && entry.key.starts_with(&format!("{}.", declared::DELEGATE.key(place)));
        if is_option && !is_known && !is_delegates && !is_avros {
            report.ignored(entry, &format!("{simple} has no such option"));
        }
    }
}
