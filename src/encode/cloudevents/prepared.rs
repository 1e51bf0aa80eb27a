//! What is the same for every event of a table: names, the source, the data's content type and how it is put into JSON.

use super::{CloudEvents, Mode, percent_encoded};
use crate::decode::value::Kind;
use crate::encode::{Config, Converter, json};
use crate::registry::SchemaType;
use crate::route::{Field, Plan};
use std::sync::Arc;

/// A table's events as CloudEvents.
#[derive(Debug)]
pub(in crate::encode) struct Prepared {
    pub(super) mode: Mode,
    /// Names and values of the attributes that are the same for all: `ce_specversion`, `ce_source`.
    pub(super) constant: [(Arc<str>, Vec<u8>); 2],
    /// The same as the beginning of a JSON object.
    pub(super) head: Vec<u8>,
    /// Those of columns, in the plan's order.
    pub(super) attributes: Vec<Attribute>,
    /// `ce_traceparent` and `ce_tracestate`.
    pub(super) trace: [Attribute; 2],
    /// `content-type`.
    pub(super) content_type: Arc<str>,
    /// The data's; of an event without data there is none.
    pub(super) data_type: Vec<u8>,
    /// `,"datacontenttype":"…"`.
    pub(super) data_type_member: Vec<u8>,
    pub(super) data_schema: Option<(Attribute, String)>,
    pub(super) form: Form,
    /// Of Debezium's in Avro: the event's schema, and its full name.
    pub(super) record: Option<(String, String)>,
    /// JSON data has its schema with it.
    pub(super) has_schemas: bool,
}

/// An attribute by its names.
#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) name: String,
    /// `ce_` and its name.
    pub(super) header: Arc<str>,
    /// `,"name":`.
    pub(super) member: Vec<u8>,
    pub(super) rule: Rule,
    /// What stands before its value.
    pub(super) prefix: Vec<u8>,
    /// Its column, where it has one.
    pub(super) field: Option<Field>,
}

/// How an attribute is made of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// As text; without one there is no event.
    Required,
    /// As text; NULL and nothing are no attribute.
    Plain,
    /// A moment in time, RFC 3339.
    Moment,
    /// As text that sorts as its numbers do.
    Sequence,
}

/// How data gets into a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `data`, as it is.
    Json {
        /// It may be something else.
        checked: bool,
    },
    /// `data`, in quotes.
    Text,
    /// `data_base64`.
    Bytes,
}

/// What a converter makes of payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    Json,
    Text,
    Bytes,
    /// Bytes with a schema's id before them.
    Frame(&'static str),
}

impl Prepared {
    /// Of this plan's events; `None`: they are not CloudEvents.
    pub(in crate::encode) fn new(plan: &Plan, config: &Config) -> Option<Prepared> {
        let (cloud, columns) = (config.cloud.as_ref()?, plan.attributes.as_ref()?);
        let (kind, is_alone) = (&plan.payload.kind, plan.envelope.is_none());
        let (data_type, form) = cloud.data(&config.value, (kind, is_alone), config.expand.is_some());
        let source = source(&cloud.source, plan);
        let mut head = br#"{"specversion":"1.0","source":"#.to_vec();
        json::string_bytes(&source, &mut head);
        let attribute = |(name, field): &(String, Field)| Attribute {
            rule: Rule::of(name, field),
            prefix: if name == "type" { cloud.type_prefix.clone().into_bytes() } else { Vec::new() },
            field: Some(match Rule::of(name, field) {
                // Whatever the connector makes of timestamps elsewhere.
                Rule::Moment => {
                    Field { kind: Kind::ZonedTimestamp { digits: 0 }, default: None, ..field.clone() }
                }
                _ => field.clone(),
            }),
            ..Attribute::new(name)
        };
        let mut data_type_member = Attribute::new("datacontenttype").member;
        json::string(data_type, &mut data_type_member);
        Some(Prepared {
            mode: cloud.mode,
            constant: [(Arc::from("ce_specversion"), b"1.0".to_vec()), (Arc::from("ce_source"), source)],
            head,
            attributes: columns.iter().map(attribute).collect(),
            trace: ["traceparent", "tracestate"].map(Attribute::new),
            content_type: Arc::from("content-type"),
            data_type: data_type.as_bytes().to_vec(),
            data_type_member,
            data_schema: cloud.data_schema.clone().map(|uri| (Attribute::new("dataschema"), uri)),
            form,
            record: cloud
                .record
                .as_ref()
                .map(|name| (super::debezium::schema(name, &config.value), name.clone())),
            has_schemas: config.value.heads().is_some(),
        })
    }
}

impl Attribute {
    fn new(name: &str) -> Attribute {
        Attribute {
            name: name.to_owned(),
            header: Arc::from(format!("ce_{name}")),
            member: format!(",\"{name}\":").into_bytes(),
            rule: Rule::Plain,
            prefix: Vec::new(),
            field: None,
        }
    }
}

impl Rule {
    fn of(name: &str, field: &Field) -> Rule {
        match name {
            "id" | "type" => Rule::Required,
            "sequence" => Rule::Sequence,
            _ if field.kind.is_moment() => Rule::Moment,
            _ => Rule::Plain,
        }
    }
}

impl Made {
    fn content_type(self) -> &'static str {
        match self {
            Made::Json => "application/json",
            Made::Text => "text/plain; charset=UTF-8",
            Made::Bytes => "application/octet-stream",
            Made::Frame(content_type) => content_type,
        }
    }

    fn form(self, content_type: &str) -> Form {
        match (self, is_json(content_type)) {
            (Made::Frame(_), _) | (Made::Bytes, false) => Form::Bytes,
            (Made::Json, true) => Form::Json { checked: false },
            (Made::Text | Made::Bytes, true) => Form::Json { checked: true },
            (Made::Json | Made::Text, false) => Form::Text,
        }
    }
}

impl CloudEvents {
    /// The content type of data, and how it gets into a JSON object: of payloads of this kind, alone or with columns beside
    /// them, taken apart or not.
    pub fn data(
        &self,
        converter: &Converter,
        (kind, is_alone): (&Kind, bool),
        is_expanded: bool,
    ) -> (&str, Form) {
        let made = made(converter, (kind, is_alone), is_expanded);
        let data_type = self.content_type.as_deref().unwrap_or(made.content_type());
        (data_type, made.form(data_type))
    }
}

/// What the value converter makes of payloads.
fn made(converter: &Converter, (kind, is_alone): (&Kind, bool), is_expanded: bool) -> Made {
    match converter {
        Converter::Json { .. } => Made::Json,
        Converter::String => match kind {
            Kind::Json | Kind::HstoreJson if is_alone && !is_expanded => Made::Json,
            _ => Made::Text,
        },
        Converter::Bytes | Converter::Number(_) => Made::Bytes,
        Converter::Binary { delegate } => match (kind, delegate) {
            (Kind::Bytes | Kind::Bits { .. }, _) if is_alone => Made::Bytes,
            (_, Some(delegate)) => made(delegate, (kind, is_alone), is_expanded),
            (_, None) => Made::Bytes,
        },
        Converter::Framed(framed) => match (framed.language, framed.in_header) {
            (SchemaType::Avro, _) => Made::Frame("application/avro"),
            (SchemaType::Protobuf, _) => Made::Frame("application/protobuf"),
            (SchemaType::Json, true) => Made::Json,
            // It is JSON from the sixth byte on only.
            (SchemaType::Json, false) => Made::Frame("application/octet-stream"),
        },
    }
}

/// Whether data of this type is a JSON value (JSON format, section 3.1).
fn is_json(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media.ends_with("/json") || media.ends_with("+json")
}

fn source(template: &str, plan: &Plan) -> Vec<u8> {
    // The topic of a logical decoding message is called so.
    let table = if plan.schema_stem.is_empty() { "message" } else { &plan.table };
    let mut encoded = Vec::new();
    percent_encoded(table.as_bytes(), &mut encoded);
    template.replace(CloudEvents::TABLE, &String::from_utf8_lossy(&encoded)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_its_media_type() {
        for (content_type, is) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/vnd.acme.order+json", true),
            ("text/json", true),
            ("text/plain", false),
            ("application/jsonl", false),
            ("application/x-json-seq; x=+json", false),
        ] {
            assert_eq!(is_json(content_type), is, "{content_type}");
        }
    }

    #[test]
    fn frames_are_bytes_and_what_may_be_no_json_is_looked_at() {
        let forms = [
            (Made::Json, "application/json", Form::Json { checked: false }),
            (Made::Json, "text/plain", Form::Text),
            (Made::Text, "application/json", Form::Json { checked: true }),
            (Made::Text, "text/plain", Form::Text),
            (Made::Bytes, "application/json", Form::Json { checked: true }),
            (Made::Bytes, "image/png", Form::Bytes),
            (Made::Frame(""), "application/json", Form::Bytes),
        ];
        for (made, content_type, form) in forms {
            assert_eq!(made.form(content_type), form, "{made:?} {content_type}");
        }
    }
}
