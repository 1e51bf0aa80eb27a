//! Avro schemas of any Connect schema, as JsonConverter prints it: those of change events and of transactions.
//!
//! `AvroData.fromConnectSchema`; the schemas of an outbox's columns are made without that detour ([`super::infer`]).

use super::infer::{SchemaText, Write, scale_and_precision};
use super::names::InvalidName;
use crate::encode::schema::member;
use crate::encode::{java, json};
use base64::Engine;
use serde_json::Value;

/// Appends the schema; answers the name of the record that it is. What is no JSON has no schema.
pub(in crate::encode) fn write(connect: &[u8], to: &mut SchemaText) -> Result<Option<String>, InvalidName> {
    let connect: Value = serde_json::from_slice(connect)
        .map_err(|_| InvalidName::Characters("half a surrogate pair".to_owned()))?;
    schema(&connect, to)?;
    Ok(connect["name"].as_str().map(str::to_owned))
}

fn schema(connect: &Value, to: &mut SchemaText) -> Result<(), InvalidName> {
    match connect["optional"] == Value::Bool(true) {
        true => to.optional(connect.get("default").is_some(), |to| required(connect, to)),
        false => required(connect, to),
    }
}

fn required(connect: &Value, to: &mut SchemaText) -> Result<(), InvalidName> {
    let type_ = connect["type"].as_str().unwrap_or_default();
    if type_ == "struct" {
        let name = connect["name"].as_str().unwrap_or("ConnectDefault");
        let fields = connect["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
        let fields = |to: &mut SchemaText| fields.iter().try_for_each(|of| field(of, to));
        return to.record(name, fields, |out| meta(connect, out));
    }
    let start = to.out.len();
    to.out.extend_from_slice(b"{\"type\":\"");
    to.out.extend_from_slice(type_name(type_).as_bytes());
    to.out.push(b'"');
    let plain = to.out.len();
    match type_ {
        "array" => {
            to.out.extend_from_slice(b",\"items\":");
            schema(&connect["items"], to)?;
        }
        "map" => {
            to.out.extend_from_slice(b",\"values\":");
            schema(&connect["values"], to)?;
        }
        _ => {}
    }
    let logical = logical_type(connect);
    if logical == Some("decimal") {
        let number = |name: &str| connect["parameters"][name].as_str().and_then(|text| text.parse().ok());
        let precision = number("connect.decimal.precision").unwrap_or(64);
        scale_and_precision(number("scale").unwrap_or_default(), precision as u32, &mut to.out);
    }
    if to.meta {
        meta(connect, &mut to.out);
    }
    if let Some(logical) = logical {
        member("logicalType", logical, &mut to.out);
    }
    if to.out.len() == plain {
        // A type without properties is its name alone.
        to.out.drain(start..start + "{\"type\":".len());
    } else {
        to.out.push(b'}');
    }
    Ok(())
}

fn field(connect: &Value, to: &mut SchemaText) -> Result<(), InvalidName> {
    let default = connect.get("default");
    let write_default = |out: &mut Vec<u8>| match default {
        Some(default) => value(connect, default, out),
        None => out.extend_from_slice(b"null"),
    };
    let has_default = default.is_some() || connect["optional"] == Value::Bool(true);
    let written: Option<Write<'_>> = has_default.then_some(&write_default);
    to.field(connect["field"].as_str().unwrap_or_default(), |to| schema(connect, to), written)
}

/// What Connect notes of a schema, in its order.
fn meta(connect: &Value, out: &mut Vec<u8>) {
    if let Some(doc) = connect["doc"].as_str() {
        member("connect.doc", doc, out);
    }
    for (name, known) in [("version", "connect.version"), ("parameters", "connect.parameters")] {
        if let Some(noted) = connect.get(name) {
            out.extend_from_slice(format!(",\"{known}\":").as_bytes());
            out.extend_from_slice(noted.to_string().as_bytes());
        }
    }
    if let Some(default) = connect.get("default") {
        out.extend_from_slice(b",\"connect.default\":");
        value(connect, default, out);
    }
    if let Some(name) = connect["name"].as_str() {
        member("connect.name", name, out);
    }
    if let Some(type_ @ ("int8" | "int16")) = connect["type"].as_str() {
        member("connect.type", type_, out);
    }
}

/// A default as Avro's schemas have them: bytes are the characters of these numbers.
fn value(connect: &Value, default: &Value, out: &mut Vec<u8>) {
    match default {
        Value::String(text) if connect["type"] == "bytes" => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
            let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
            json::string(&text, out);
        }
        Value::String(text) => json::string(text, out),
        Value::Number(number) if !number.is_i64() => java::double(number.as_f64().unwrap_or_default(), out),
        other => out.extend_from_slice(other.to_string().as_bytes()),
    }
}

fn logical_type(connect: &Value) -> Option<&'static str> {
    Some(match connect["name"].as_str()?.strip_prefix("org.apache.kafka.connect.data.")? {
        "Decimal" => "decimal",
        "Date" => "date",
        "Time" => "time-millis",
        "Timestamp" => "timestamp-millis",
        _ => return None,
    })
}

fn type_name(type_: &str) -> &'static str {
    match type_ {
        "boolean" => "boolean",
        "int8" | "int16" | "int32" => "int",
        "int64" => "long",
        "float" => "float",
        "double" => "double",
        "bytes" => "bytes",
        "array" => "array",
        "map" => "map",
        _ => "string",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::value::Kind;
    use crate::decode::value::Value as Cell;
    use crate::encode::DecimalFormat;
    use crate::encode::schema::Schema;

    #[test]
    fn columns_have_the_schemas_that_they_have_as_an_outboxs() {
        let kinds = [
            Kind::Boolean,
            Kind::Int16,
            Kind::Int32,
            Kind::Int64,
            Kind::Float32,
            Kind::Float64,
            Kind::Decimal { precision: 10, scale: 2 },
            Kind::VariableScaleDecimal,
            Kind::Money,
            Kind::String,
            Kind::Uuid,
            Kind::Bytes,
            Kind::Date,
            Kind::Bits { length: 5 },
            Kind::Array(Box::new(Kind::Uuid)),
            Kind::Array(Box::new(Kind::Enum(vec!["a".into()]))),
            Kind::ConnectDate,
            Kind::ConnectTime,
            Kind::ConnectTimestamp,
            Kind::HstoreMap,
            Kind::Point,
            Kind::Enum(vec!["sad".into(), "happy".into()]),
        ];
        let default = |kind: &Kind| match kind {
            Kind::Boolean => Some(Cell::Boolean(true)),
            Kind::Int16 | Kind::Int32 | Kind::Int64 | Kind::Date => Some(Cell::Integer(-5)),
            Kind::Float64 => Some(Cell::Float64(1e21)),
            Kind::Float32 => Some(Cell::Float32(0.1)),
            Kind::String | Kind::Uuid => Some(Cell::Text("x\"".into())),
            Kind::Bytes => Some(Cell::Bytes(vec![0, 255, 9].into())),
            _ => None,
        };
        for kind in &kinds {
            for (optional, default, meta) in [
                (false, None, true),
                (true, None, true),
                (true, None, false),
                (false, default(kind), true),
                (true, default(kind), true),
            ] {
                let (mut connect, mut ours, mut expected) =
                    (Vec::new(), SchemaText::new(meta), SchemaText::new(meta));
                Schema { kind, optional, default: default.as_ref(), field: None }
                    .write(DecimalFormat::Base64, &mut connect);
                write(&connect, &mut ours).unwrap();
                expected.column(kind, optional, default.as_ref()).unwrap();
                let text = |schema: &SchemaText| String::from_utf8(schema.out.clone()).unwrap();
                assert_eq!(text(&ours), text(&expected), "{kind:?} {optional} {default:?}");
            }
        }
    }
}
