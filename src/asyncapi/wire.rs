//! What the configuration makes of columns: how keys, headers and values look on the wire, as JSON Schema.

use super::columns::{Column, Columns};
use crate::config::Config;
use crate::decode::value::Kind;
use crate::encode::{Converter, DecimalFormat, HeaderConverter, Number};
use crate::registry::Strategy;
use crate::registry::wire::VALUE_HEADER;
use crate::route::{Place, Placement};
use serde_json::{Map, Value, json};

/// How a key or a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As JSON.
    Json(DecimalFormat),
    /// As JSON, in an object beside its Connect schema.
    JsonBesideSchema(DecimalFormat),
    /// As text.
    Text,
    /// As bytes of one length.
    Number(Number),
    /// As bytes.
    Bytes,
    /// By a schema of the registry.
    Framed(Framed),
}

/// How registered schemas are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed {
    /// By which subject.
    pub strategy: Strategy,
    /// What tells the schema is in a header; else it stands before the bytes.
    pub in_header: bool,
}

impl Framed {
    /// The strategy by Confluent's name.
    pub fn strategy_name(self) -> &'static str {
        match self.strategy {
            Strategy::Topic => "TopicNameStrategy",
            Strategy::Record => "RecordNameStrategy",
            Strategy::TopicRecord => "TopicRecordNameStrategy",
        }
    }
}

/// The configuration and the columns that it speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Wire<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The columns.
    pub columns: &'a Columns,
}

impl Wire<'_> {
    /// How keys are written.
    pub fn key_form(&self) -> Form {
        self.form(&self.config.encode.key, &self.config.route.key)
    }

    /// How values are written, or the data in them, where they are objects around it.
    pub fn data_form(&self) -> Form {
        let encode = &self.config.encode;
        match &encode.verify {
            Some(verify) => Form::Framed(Framed { strategy: verify.subject, in_header: false }),
            None => self.form(&encode.value, &self.config.route.payload),
        }
    }

    fn form(&self, converter: &Converter, column: &str) -> Form {
        match converter {
            Converter::String => Form::Text,
            Converter::Json { schemas: true, decimal, .. } => Form::JsonBesideSchema(*decimal),
            Converter::Json { decimal, .. } => Form::Json(*decimal),
            Converter::Number(number) => Form::Number(*number),
            Converter::Framed(by) => Form::Framed(Framed { strategy: by.subject, in_header: by.in_header }),
            Converter::Binary { delegate: Some(delegate) } if !self.is_bytes(column) => {
                self.form(delegate, column)
            }
            Converter::Bytes | Converter::Binary { .. } => Form::Bytes,
        }
    }

    fn is_bytes(&self, column: &str) -> bool {
        self.kind(column).is_some_and(|kind| kind.connect_type() == "BYTES")
    }

    fn kind(&self, column: &str) -> Option<&Kind> {
        self.columns.get(column).and_then(|column| column.kind.as_ref())
    }

    /// The schema of keys.
    pub fn key(&self) -> Value {
        self.column(&self.config.route.key, self.key_form())
    }

    /// The headers that every record may have: their schemas, and which of them it always has.
    pub fn headers(&self) -> (Map<String, Value>, Vec<String>) {
        let route = &self.config.route;
        let form = match &self.config.encode.header {
            HeaderConverter::Simple => None,
            HeaderConverter::As(converter) => Some(self.form(converter, "")),
        };
        let schema = |column: &str| match (form, self.columns.get(column)) {
            (Some(form), _) => self.column(column, form),
            (None, Some(column)) => optional(column, simple(column.kind.as_ref())),
            (None, None) => json!({ "type": "string" }),
        };
        let (mut headers, mut always) = (Map::new(), Vec::new());
        for (name, column) in [("id", &route.id)]
            .into_iter()
            .chain(self.placed(Place::Header).map(|placement| (placement.alias.as_str(), &placement.column)))
        {
            // With table.field.additional.missing=ignore some tables may not have it.
            if name == "id" || !route.ignore_missing {
                always.push(name.to_owned());
            }
            headers.insert(name.to_owned(), schema(column));
        }
        let text = || json!({ "type": "string" });
        if route.trace.is_some() {
            headers.extend(["traceparent", "tracestate", "baggage"].map(|name| (name.to_owned(), text())));
        }
        if self.config.encode.context.is_some() {
            let names = ["connectorLogicalName", "taskId", "connectorName", "runId"];
            headers.extend(names.map(|name| (format!("__debezium.context.{name}"), text())));
        }
        self.add_attributes(&mut headers, &mut always);
        if matches!(self.value_form(), Form::Framed(Framed { in_header: true, .. })) {
            let what = "what tells the schema of the value: a 1, then its GUID's 16 bytes";
            headers.insert(
                VALUE_HEADER.to_owned(),
                json!({ "type": "string", "format": "binary", "description": what }),
            );
            always.push(VALUE_HEADER.to_owned());
        }
        (headers, always)
    }

    /// Media type and schema of data of which nothing more is known than its column.
    pub(super) fn data(&self) -> (&'static str, Value) {
        let (route, form) = (&self.config.route, self.data_form());
        let is_expanded = self.config.encode.expand.is_some();
        let is_text = self.kind(&route.payload).is_none_or(Kind::is_string);
        let payload = match form {
            // Any JSON at all.
            Form::Json(_) if is_expanded && is_text => json!({}),
            Form::Text if self.is_json() => json!({}),
            form => self.column(&route.payload, form),
        };
        let has_envelope = self.placed(Place::Envelope).next().is_some();
        match form {
            Form::Json(_) | Form::JsonBesideSchema(_) if has_envelope => {
                ("application/json", self.envelope(payload, form))
            }
            Form::Json(_) | Form::JsonBesideSchema(_) => ("application/json", payload),
            Form::Text if has_envelope => ("text/plain", json!({ "type": "string" })),
            Form::Text if self.is_json() => ("application/json", payload),
            Form::Text => ("text/plain", payload),
            Form::Number(_) | Form::Bytes | Form::Framed(_) => ("application/octet-stream", payload),
        }
    }

    /// The payload is JSON by its column's type.
    fn is_json(&self) -> bool {
        self.kind(&self.config.route.payload) == Some(&Kind::Json)
    }

    fn envelope(&self, payload: Value, form: Form) -> Value {
        let inner = match form {
            Form::JsonBesideSchema(decimals) => Form::Json(decimals),
            form => form,
        };
        let payload = match (form, payload.get("properties").and_then(|members| members.get("payload"))) {
            (Form::JsonBesideSchema(_), Some(payload)) => payload.clone(),
            _ => payload,
        };
        let mut members = Map::from_iter([("payload".to_owned(), payload)]);
        for placement in self.placed(Place::Envelope) {
            members.insert(placement.alias.clone(), self.column(&placement.column, inner));
        }
        let names: Vec<&String> = members.keys().collect();
        let schema = json!({ "type": "object", "required": names, "properties": members });
        if inner == form { schema } else { beside_schema(schema) }
    }

    pub(super) fn placed(&self, place: Place) -> impl Iterator<Item = &Placement> {
        self.config.route.placements.iter().filter(move |placement| placement.place == place)
    }

    /// Where an event's type is, if anywhere.
    pub fn event_type(&self) -> Option<&Placement> {
        let placements = self.config.route.placements.iter();
        let is_it = |placement: &&Placement| placement.column == self.config.event_type_column;
        placements.filter(is_it).find(|placement| placement.place != Place::Partition)
    }

    fn column(&self, name: &str, form: Form) -> Value {
        let unknown = Column { kind: None, optional: false };
        let column = self.columns.get(name).unwrap_or(&unknown);
        let kind = column.kind.as_ref();
        let schema = match form {
            Form::Text => text(kind),
            Form::Json(decimals) => optional(column, member(kind, decimals)),
            Form::JsonBesideSchema(decimals) => {
                return beside_schema(optional(column, member(kind, decimals)));
            }
            Form::Number(number) => number_schema(number),
            Form::Bytes => json!({ "type": "string", "format": "binary" }),
            Form::Framed(_) => member(kind, DecimalFormat::Base64),
        };
        if matches!(form, Form::Json(_)) { schema } else { optional(column, schema) }
    }
}

/// What JsonConverter writes with its schemas.
fn beside_schema(payload: Value) -> Value {
    let members = json!({ "schema": { "type": ["object", "null"] }, "payload": payload });
    json!({ "type": "object", "required": ["schema", "payload"], "properties": members })
}

/// What may be NULL may be null.
fn optional(column: &Column, mut schema: Value) -> Value {
    if let (true, Some(one @ Value::String(_))) = (column.optional, schema.get("type")) {
        let both = json!([one, "null"]);
        schema["type"] = both;
    }
    schema
}

/// A column's text.
pub(super) fn text(kind: Option<&Kind>) -> Value {
    match kind {
        Some(Kind::Uuid) => json!({ "type": "string", "format": "uuid" }),
        Some(Kind::Enum(labels)) => json!({ "type": "string", "enum": labels }),
        _ => json!({ "type": "string" }),
    }
}

/// A header by SimpleHeaderConverter: text, which consumers read as what it looks like.
fn simple(kind: Option<&Kind>) -> Value {
    match kind {
        Some(Kind::ConnectDate | Kind::ConnectTime | Kind::ConnectTimestamp) => json!({ "type": "string" }),
        Some(kind) => match kind.connect_type() {
            "STRING" => text(Some(kind)),
            "INT16" | "INT32" | "INT64" => json!({ "type": "integer" }),
            "FLOAT32" | "FLOAT64" => json!({ "type": "number" }),
            "BOOLEAN" => json!({ "type": "boolean" }),
            _ => json!({ "type": "string" }),
        },
        None => json!({ "type": "string" }),
    }
}

/// A member by JsonConverter.
fn member(kind: Option<&Kind>, decimals: DecimalFormat) -> Value {
    let Some(kind) = kind else { return json!({}) };
    match kind {
        Kind::Json => json!({ "type": "string", "contentMediaType": "application/json" }),
        Kind::ZonedTimestamp { .. } => json!({ "type": "string", "format": "date-time" }),
        Kind::Decimal { .. } | Kind::Money if decimals == DecimalFormat::Numeric => {
            json!({ "type": "number" })
        }
        Kind::Array(element) => json!({ "type": "array", "items": member(Some(element), decimals) }),
        _ => match kind.connect_type() {
            "STRING" => text(Some(kind)),
            "INT16" | "INT32" | "INT64" => json!({ "type": "integer" }),
            "FLOAT32" | "FLOAT64" => json!({ "type": "number" }),
            "BOOLEAN" => json!({ "type": "boolean" }),
            "BYTES" => json!({ "type": "string", "contentEncoding": "base64" }),
            "STRUCT" | "MAP" => json!({ "type": "object" }),
            _ => json!({}),
        },
    }
}

fn number_schema(number: Number) -> Value {
    let (name, bytes, what) = match number {
        Number::Boolean => ("boolean", 1, "0 or 1"),
        Number::Short => ("integer", 2, "big endian"),
        Number::Integer => ("integer", 4, "big endian"),
        Number::Long => ("integer", 8, "big endian"),
        Number::Float => ("number", 4, "IEEE 754, big endian"),
        Number::Double => ("number", 8, "IEEE 754, big endian"),
    };
    json!({ "type": name, "description": format!("bytes: {bytes}, {what}") })
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
