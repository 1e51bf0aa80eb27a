//! Schemas as Connect's AvroConverter makes them of the schemas that Debezium gives columns.

use super::names::{self, InvalidName};
use crate::decode::value::{Kind, Value};
use crate::encode::schema::{self, member};
use crate::encode::{DecimalFormat, java, json};

/// Appends something.
pub(in crate::encode) type Write<'w> = &'w dyn Fn(&mut Vec<u8>);

/// Writes one schema. Types that have a name are written out once and named from then on.
pub(in crate::encode) struct SchemaText {
    pub(in crate::encode) out: Vec<u8>,
    /// `connect.meta.data`.
    pub(in crate::encode) meta: bool,
    /// The namespace of the record we are in.
    pub(in crate::encode) space: Option<String>,
    /// What has been written out.
    named: Vec<(String, Vec<u8>)>,
}

impl SchemaText {
    /// Nothing written yet.
    pub(in crate::encode) fn new(meta: bool) -> SchemaText {
        SchemaText { out: Vec::new(), meta, space: None, named: Vec::new() }
    }

    /// Appends a union with null around `write`; with a default, null comes last.
    pub(in crate::encode) fn optional<E>(
        &mut self,
        default: bool,
        write: impl FnOnce(&mut SchemaText) -> Result<(), E>,
    ) -> Result<(), E> {
        self.out.extend_from_slice(if default { b"[" } else { b"[\"null\"," });
        write(self)?;
        self.out.extend_from_slice(if default { b",\"null\"]" } else { b"]" });
        Ok(())
    }

    /// Appends a record, its fields written by `fields`; `meta` is what Connect adds to it. One that is there already is
    /// named, and one that only has its name is not allowed.
    pub(in crate::encode) fn record<E: From<InvalidName>>(
        &mut self,
        full_name: &str,
        fields: impl FnOnce(&mut SchemaText) -> Result<(), E>,
        meta: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), E> {
        let (space, name) = match full_name.rsplit_once('.') {
            Some((space, name)) => (Some(space), name),
            None => (None, full_name),
        };
        names::check(name)?;
        let start = self.out.len();
        self.out.extend_from_slice(b"{\"type\":\"record\",\"name\":");
        json::string(name, &mut self.out);
        if space != self.space.as_deref() {
            self.out.extend_from_slice(b",\"namespace\":");
            json::string(space.unwrap_or_default(), &mut self.out);
        }
        let body = self.out.len();
        self.out.extend_from_slice(b",\"fields\":[");
        let outside = std::mem::replace(&mut self.space, space.map(str::to_owned));
        fields(self)?;
        self.space = outside;
        self.out.push(b']');
        if self.meta {
            meta(&mut self.out);
        }
        self.out.push(b'}');
        match self.named.iter().find(|(known, _)| known == full_name) {
            None => self.named.push((full_name.to_owned(), self.out[body..].to_vec())),
            Some((_, known)) if *known == self.out[body..] => {
                self.out.truncate(start);
                let is_near = space == self.space.as_deref();
                json::string(if is_near { name } else { full_name }, &mut self.out);
            }
            Some(_) => return Err(InvalidName::Twice.into()),
        }
        Ok(())
    }

    /// Appends a field of a record: `first` of its fields or not, its name, its type by `write`, its default.
    pub(in crate::encode) fn field<E: From<InvalidName>>(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut SchemaText) -> Result<(), E>,
        default: Option<Write<'_>>,
    ) -> Result<(), E> {
        names::check(name)?;
        if self.out.last() != Some(&b'[') {
            self.out.push(b',');
        }
        self.out.extend_from_slice(b"{\"name\":");
        json::string(name, &mut self.out);
        self.out.extend_from_slice(b",\"type\":");
        write(self)?;
        if let Some(default) = default {
            self.out.extend_from_slice(b",\"default\":");
            default(&mut self.out);
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Appends the schema of a column.
    pub(in crate::encode) fn column(
        &mut self,
        kind: &Kind,
        optional: bool,
        default: Option<&Value<'static>>,
    ) -> Result<(), InvalidName> {
        match optional {
            true => self.optional(default.is_some(), |text| text.base(kind, default)),
            false => self.base(kind, default),
        }
    }

    /// The same, as a field of a record.
    pub(in crate::encode) fn column_field(
        &mut self,
        name: &str,
        kind: &Kind,
        optional: bool,
        default: Option<&Value<'static>>,
    ) -> Result<(), InvalidName> {
        let write_default = |out: &mut Vec<u8>| match default {
            Some(default) => default_value(kind, default, out),
            None => out.extend_from_slice(b"null"),
        };
        let has_default = optional || default.is_some();
        let written: Option<Write<'_>> = has_default.then_some(&write_default);
        self.field(name, |text| text.column(kind, optional, default), written)
    }

    fn base(&mut self, kind: &Kind, default: Option<&Value<'static>>) -> Result<(), InvalidName> {
        match kind {
            Kind::VariableScaleDecimal => {
                let fields = |text: &mut SchemaText| {
                    text.column_field("scale", &Kind::Int32, false, None)?;
                    text.column_field("value", &Kind::Bytes, false, None)
                };
                let name = "io.debezium.data.VariableScaleDecimal";
                return self.record(name, fields, |out| meta(kind, default, out));
            }
            Kind::Point => {
                let fields = |text: &mut SchemaText| {
                    text.column_field("x", &Kind::Float64, false, None)?;
                    text.column_field("y", &Kind::Float64, false, None)?;
                    text.column_field("wkb", &Kind::Bytes, true, None)?;
                    text.column_field("srid", &Kind::Int32, true, None)
                };
                let name = "io.debezium.data.geometry.Point";
                return self.record(name, fields, |out| meta(kind, default, out));
            }
            _ => {}
        }
        let start = self.out.len();
        self.out.extend_from_slice(b"{\"type\":\"");
        self.out.extend_from_slice(type_name(kind).as_bytes());
        self.out.push(b'"');
        let plain = self.out.len();
        match kind {
            Kind::Array(element) => {
                self.out.extend_from_slice(b",\"items\":");
                self.column(element, !matches!(**element, Kind::Enum(_)), None)?;
            }
            Kind::HstoreMap => self.out.extend_from_slice(b",\"values\":[\"null\",\"string\"]"),
            Kind::Decimal { precision, scale } => scale_and_precision(*scale, *precision, &mut self.out),
            Kind::Money => scale_and_precision(2, 64, &mut self.out),
            _ => {}
        }
        if self.meta {
            meta(kind, default, &mut self.out);
        }
        if let Some(logical) = logical_type(kind) {
            member("logicalType", logical, &mut self.out);
        }
        if self.out.len() == plain {
            // A type without properties is its name alone.
            self.out.drain(start..start + "{\"type\":".len());
        } else {
            self.out.push(b'}');
        }
        Ok(())
    }
}

/// What Connect notes of a schema, in its order.
fn meta(kind: &Kind, default: Option<&Value<'static>>, out: &mut Vec<u8>) {
    match kind {
        Kind::VariableScaleDecimal => member("connect.doc", "Variable scaled decimal", out),
        Kind::Point => member("connect.doc", "Geometry (POINT)", out),
        _ => {}
    }
    let name = kind.semantic_name();
    if name.is_some() {
        out.extend_from_slice(b",\"connect.version\":1");
    }
    schema::parameters(kind, "connect.parameters", out);
    if let Some(default) = default {
        out.extend_from_slice(b",\"connect.default\":");
        default_value(kind, default, out);
    }
    if let Some(name) = name {
        member("connect.name", name, out);
    }
    if kind.connect_type() == "INT16" {
        member("connect.type", "int16", out);
    }
}

/// A default as Avro's schemas have them: bytes are the characters of these numbers.
fn default_value(kind: &Kind, default: &Value<'static>, out: &mut Vec<u8>) {
    let characters = |bytes: &[u8], out: &mut Vec<u8>| {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        json::string(&text, out);
    };
    match default {
        Value::Bytes(bytes) => characters(bytes, out),
        Value::Decimal { unscaled, .. } if *kind != Kind::VariableScaleDecimal => {
            characters(&java::unscaled_bytes(unscaled), out);
        }
        other => json::write(kind, other, DecimalFormat::Base64, out),
    }
}

pub(super) fn scale_and_precision(scale: i32, precision: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(format!(",\"scale\":{scale},\"precision\":{precision}").as_bytes());
}

fn logical_type(kind: &Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Decimal { .. } | Kind::Money => "decimal",
        Kind::ConnectDate => "date",
        Kind::ConnectTime => "time-millis",
        Kind::ConnectTimestamp => "timestamp-millis",
        _ => return None,
    })
}

fn type_name(kind: &Kind) -> &'static str {
    match kind.connect_type() {
        "BOOLEAN" => "boolean",
        "INT16" | "INT32" => "int",
        "INT64" => "long",
        "FLOAT32" => "float",
        "FLOAT64" => "double",
        "BYTES" => "bytes",
        "ARRAY" => "array",
        "MAP" => "map",
        _ => "string",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(kind: Kind, optional: bool, default: Option<Value<'static>>, meta: bool) -> String {
        let mut text = SchemaText::new(meta);
        text.column(&kind, optional, default.as_ref()).unwrap();
        let written = String::from_utf8(text.out).unwrap();
        assert!(apache_avro::Schema::parse_str(&written).is_ok(), "{written}");
        written
    }

    #[test]
    fn columns_have_the_schemas_that_connect_gives_them() {
        for (kind, optional, expected) in [
            (Kind::String, false, r#""string""#),
            (Kind::Int64, true, r#"["null","long"]"#),
            (Kind::Int16, false, r#"{"type":"int","connect.type":"int16"}"#),
            (
                Kind::ConnectTimestamp,
                false,
                r#"{"type":"long","connect.version":1,"connect.name":"org.apache.kafka.connect.data.Timestamp","logicalType":"timestamp-millis"}"#,
            ),
            (Kind::HstoreMap, true, r#"["null",{"type":"map","values":["null","string"]}]"#),
            (
                Kind::Array(Box::new(Kind::Enum(vec!["a".into()]))),
                false,
                r#"{"type":"array","items":{"type":"string","connect.version":1,"connect.parameters":{"allowed":"a"},"connect.name":"io.debezium.data.Enum"}}"#,
            ),
        ] {
            assert_eq!(schema(kind, optional, None, true), expected);
        }
    }

    #[test]
    fn without_metadata_only_avros_own_properties_stay() {
        assert_eq!(schema(Kind::Uuid, false, None, false), r#""string""#);
        assert_eq!(
            schema(Kind::Decimal { precision: 10, scale: 2 }, true, None, false),
            r#"["null",{"type":"bytes","scale":2,"precision":10,"logicalType":"decimal"}]"#
        );
    }

    #[test]
    fn a_default_stands_in_schema_and_field_and_null_comes_last() {
        let default = Value::Text("new".into());
        assert_eq!(
            schema(Kind::String, true, Some(default.clone()), true),
            r#"[{"type":"string","connect.default":"new"},"null"]"#
        );
        let mut text = SchemaText::new(true);
        text.column_field("state", &Kind::String, false, Some(&default)).unwrap();
        assert_eq!(
            String::from_utf8(text.out).unwrap(),
            r#",{"name":"state","type":{"type":"string","connect.default":"new"},"default":"new"}"#
        );
    }

    #[test]
    fn a_type_that_comes_again_is_named() {
        let mut text = SchemaText::new(false);
        let fields = |text: &mut SchemaText| {
            text.column_field("a", &Kind::VariableScaleDecimal, false, None)?;
            text.column_field("b", &Kind::VariableScaleDecimal, true, None)
        };
        text.record("acme.Value", fields, |_| {}).unwrap();
        let written = String::from_utf8(text.out).unwrap();
        let again =
            r#"{"name":"b","type":["null","io.debezium.data.VariableScaleDecimal"],"default":null}]}"#;
        assert!(written.ends_with(again), "{written}");
        assert!(apache_avro::Schema::parse_str(&written).is_ok());
    }
}
