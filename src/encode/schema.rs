//! Connect schemas as JsonConverter writes them (`schemas.enable`).

use super::{DecimalFormat, java, json};
use crate::decode::value::{Kind, Value};

/// A schema, and where it stands.
pub(super) struct Schema<'a> {
    /// Type, semantic name and parameters.
    pub(super) kind: &'a Kind,
    /// May be null.
    pub(super) optional: bool,
    /// Default.
    pub(super) default: Option<&'a Value<'static>>,
    /// Name of the field, inside a struct.
    pub(super) field: Option<&'a str>,
}

impl Schema<'_> {
    /// Appends the schema: type, fields or items, optional, name, version, doc, parameters, default, field.
    pub(super) fn write(&self, decimals: DecimalFormat, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(type_name(self.kind).as_bytes());
        out.push(b'"');
        self.write_parts(decimals, out);
        out.extend_from_slice(if self.optional { b",\"optional\":true" } else { b",\"optional\":false" });
        if let Some(name) = self.kind.semantic_name() {
            member("name", name, out);
            out.extend_from_slice(b",\"version\":1");
        }
        match self.kind {
            Kind::VariableScaleDecimal => member("doc", "Variable scaled decimal", out),
            Kind::Point => member("doc", "Geometry (POINT)", out),
            _ => {}
        }
        parameters(self.kind, "parameters", out);
        if let Some(default) = self.default {
            out.extend_from_slice(b",\"default\":");
            json::write(self.kind, default, decimals, out);
        }
        if let Some(field) = self.field {
            member("field", field, out);
        }
        out.push(b'}');
    }

    fn write_parts(&self, decimals: DecimalFormat, out: &mut Vec<u8>) {
        match self.kind {
            Kind::VariableScaleDecimal => out.extend_from_slice(
                br#","fields":[{"type":"int32","optional":false,"field":"scale"},{"type":"bytes","optional":false,"field":"value"}]"#,
            ),
            Kind::Point => out.extend_from_slice(
                br#","fields":[{"type":"double","optional":false,"field":"x"},{"type":"double","optional":false,"field":"y"},{"type":"bytes","optional":true,"field":"wkb"},{"type":"int32","optional":true,"field":"srid"}]"#,
            ),
            Kind::HstoreMap => out.extend_from_slice(
                br#","keys":{"type":"string","optional":false},"values":{"type":"string","optional":true}"#,
            ),
            Kind::Array(element) => {
                out.extend_from_slice(b",\"items\":");
                // Debezium makes the elements of an enum array required, and those of every other optional.
                let optional = !matches!(**element, Kind::Enum(_));
                Schema { kind: element, optional, default: None, field: None }.write(decimals, out);
            }
            _ => {}
        }
    }
}

/// Appends the type's parameters as an object that `member` names, if it has any.
pub(super) fn parameters(kind: &Kind, member: &str, out: &mut Vec<u8>) {
    let mut list: Vec<(&str, String)> = Vec::new();
    match kind {
        Kind::Decimal { precision, scale } => {
            list.push(("scale", scale.to_string()));
            list.push(("connect.decimal.precision", precision.to_string()));
        }
        Kind::Money => list.push(("scale", "2".to_owned())),
        Kind::Bits { length } => list.push(("length", length.to_string())),
        Kind::Enum(labels) => list.push(("allowed", labels.join(","))),
        _ => return,
    }
    out.push(b',');
    json::string(member, out);
    out.push(b':');
    for (index, (name, value)) in list.iter().enumerate() {
        out.push(if index == 0 { b'{' } else { b',' });
        json::string(name, out);
        out.push(b':');
        json::string(value, out);
    }
    out.push(b'}');
}

/// Appends `,"name":"value"`.
pub(super) fn member(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b',');
    json::string(name, out);
    out.push(b':');
    json::string(value, out);
}

/// The type in JsonConverter's words.
fn type_name(kind: &Kind) -> &'static str {
    match kind.connect_type() {
        "BOOLEAN" => "boolean",
        "INT16" => "int16",
        "INT32" => "int32",
        "INT64" => "int64",
        "FLOAT32" => "float",
        "FLOAT64" => "double",
        "BYTES" => "bytes",
        "STRUCT" => "struct",
        "ARRAY" => "array",
        "MAP" => "map",
        _ => "string",
    }
}

/// Appends the end of an envelope's schema, after its fields: name, version, and the word before the payload.
pub(super) fn close_envelope(stem: &[u8], route: &str, version: Option<i32>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"],\"optional\":false,\"name\":\"");
    match stem {
        // A message has no table.
        b"" => json::escape(route, out),
        stem => {
            out.extend_from_slice(stem);
            out.push(b'.');
            json::escape(route, out);
            out.extend_from_slice(b".Value");
        }
    }
    out.push(b'"');
    if let Some(version) = version {
        out.extend_from_slice(b",\"version\":");
        java::integer(i64::from(version), out);
    }
    out.extend_from_slice(b"},\"payload\":");
}

/// The blocks of a change event that tell of its source and its transaction.
pub(super) const BLOCKS_SCHEMA: &str = r#"{"type":"struct","fields":[{"type":"string","optional":false,"field":"version"},{"type":"string","optional":false,"field":"connector"},{"type":"string","optional":false,"field":"name"},{"type":"int64","optional":false,"field":"ts_ms"},{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},"default":"false","field":"snapshot"},{"type":"string","optional":false,"field":"db"},{"type":"string","optional":true,"field":"sequence"},{"type":"int64","optional":true,"field":"ts_us"},{"type":"int64","optional":true,"field":"ts_ns"},{"type":"string","optional":false,"field":"schema"},{"type":"string","optional":false,"field":"table"},{"type":"int64","optional":true,"field":"txId"},{"type":"int64","optional":true,"field":"lsn"},{"type":"int64","optional":true,"field":"xmin"},{"type":"string","optional":true,"field":"origin"},{"type":"int64","optional":true,"field":"origin_lsn"}],"optional":false,"name":"io.debezium.connector.postgresql.Source","version":1,"field":"source"},{"type":"struct","fields":[{"type":"string","optional":false,"field":"id"},{"type":"int64","optional":false,"field":"total_order"},{"type":"int64","optional":false,"field":"data_collection_order"}],"optional":true,"name":"event.block","version":1,"field":"transaction"}"#;

/// What follows `before`, `after` and those in the schema of a change event, up to the name of its envelope.
pub(super) const CHANGE_SCHEMA_BEGIN: &str = r#",{"type":"string","optional":false,"field":"op"},{"type":"int64","optional":true,"field":"ts_ms"},{"type":"int64","optional":true,"field":"ts_us"},{"type":"int64","optional":true,"field":"ts_ns"}],"optional":false,"name":""#;

/// The end of that schema, and the word before the payload.
pub(super) const CHANGE_SCHEMA_END: &str = r#".Envelope","version":2},"payload":"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(kind: Kind, optional: bool, default: Option<Value<'static>>, field: Option<&str>) -> String {
        let mut out = Vec::new();
        Schema { kind: &kind, optional, default: default.as_ref(), field }
            .write(DecimalFormat::Base64, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_kind_has_the_schema_debezium_publishes() {
        let rows = [
            (Kind::Boolean, r#"{"type":"boolean","optional":true}"#),
            (Kind::Int16, r#"{"type":"int16","optional":true}"#),
            (Kind::Int32, r#"{"type":"int32","optional":true}"#),
            (Kind::Int64, r#"{"type":"int64","optional":true}"#),
            (Kind::Float32, r#"{"type":"float","optional":true}"#),
            (Kind::Float64, r#"{"type":"double","optional":true}"#),
            (
                Kind::Decimal { precision: 10, scale: 2 },
                r#"{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"10"}}"#,
            ),
            (
                Kind::VariableScaleDecimal,
                r#"{"type":"struct","fields":[{"type":"int32","optional":false,"field":"scale"},{"type":"bytes","optional":false,"field":"value"}],"optional":true,"name":"io.debezium.data.VariableScaleDecimal","version":1,"doc":"Variable scaled decimal"}"#,
            ),
            (
                Kind::Money,
                r#"{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}}"#,
            ),
            (Kind::String, r#"{"type":"string","optional":true}"#),
            (Kind::Uuid, r#"{"type":"string","optional":true,"name":"io.debezium.data.Uuid","version":1}"#),
            (Kind::Bytes, r#"{"type":"bytes","optional":true}"#),
            (Kind::Date, r#"{"type":"int32","optional":true,"name":"io.debezium.time.Date","version":1}"#),
            (
                Kind::Bits { length: 5 },
                r#"{"type":"bytes","optional":true,"name":"io.debezium.data.Bits","version":1,"parameters":{"length":"5"}}"#,
            ),
            (
                Kind::Array(Box::new(Kind::Uuid)),
                r#"{"type":"array","items":{"type":"string","optional":true,"name":"io.debezium.data.Uuid","version":1},"optional":true}"#,
            ),
            (
                Kind::ConnectTimestamp,
                r#"{"type":"int64","optional":true,"name":"org.apache.kafka.connect.data.Timestamp","version":1}"#,
            ),
            (Kind::DecimalText { scale: Some(2) }, r#"{"type":"string","optional":true}"#),
            (
                Kind::HstoreMap,
                r#"{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"string","optional":true},"optional":true}"#,
            ),
            (
                Kind::Enum(vec!["sad".into(), "happy".into()]),
                r#"{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"sad,happy"}}"#,
            ),
        ];
        for (kind, json) in rows {
            assert_eq!(schema(kind, true, None, None), json);
        }
    }

    #[test]
    fn default_and_field_come_last() {
        assert_eq!(
            schema(Kind::MicroTimestamp, false, Some(Value::Integer(0)), Some("ts\"")),
            r#"{"type":"int64","optional":false,"name":"io.debezium.time.MicroTimestamp","version":1,"default":0,"field":"ts\""}"#
        );
    }
}
