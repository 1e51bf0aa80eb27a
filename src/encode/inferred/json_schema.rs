//! JSON Schema as `JsonSchemaData.fromConnectSchema` makes it and `JsonSchema.canonicalString` prints it.
//!
//! Members of one schema come in the order of everit's `ToStringVisitor`, what it does not know itself and properties in that
//! of a Java HashMap.

use super::Inferring;
use crate::decode::value::as_a_hash_map;
use crate::encode::{DecimalFormat, java, json};
use serde_json::Value;

/// The text that is registered.
pub(super) fn text(connect: &Value, inferring: Inferring) -> String {
    let mut out = Vec::new();
    Writer { out: &mut out, inferring }.schema(connect, None);
    String::from_utf8(out).unwrap_or_default()
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    inferring: Inferring,
}

impl Writer<'_> {
    /// A schema; as a struct's member, with its place.
    fn schema(&mut self, connect: &Value, index: Option<usize>) {
        if connect["optional"] != Value::Bool(true) {
            return self.required(connect, index);
        }
        self.out.push(b'{');
        if let Some(index) = index {
            self.plain("\"connect.index\":");
            java::integer(index as i64, self.out);
            self.out.push(b',');
        }
        self.plain(r#""oneOf":[{"type":"null"},"#);
        self.required(connect, None);
        self.plain("]}");
    }

    fn required(&mut self, connect: &Value, index: Option<usize>) {
        self.out.push(b'{');
        let type_ = connect["type"].as_str().unwrap_or_default();
        // A boolean's type comes last.
        let is_boolean = type_ == "boolean";
        if !is_boolean {
            self.plain("\"type\":");
            json::string(self.type_name(connect), self.out);
        }
        if type_ == "struct" && !self.inferring.additional {
            self.plain(",\"additionalProperties\":false");
        }
        for (member, name) in [("name", "title"), ("doc", "description")] {
            if let Some(text) = connect[member].as_str() {
                self.member(name);
                json::string(text, self.out);
            }
        }
        if let Some(default) = connect.get("default") {
            self.member("default");
            self.value(default);
        }
        self.of_connect(connect, index);
        match type_ {
            "boolean" => {
                self.member("type");
                self.plain("\"boolean\"");
            }
            "struct" => self.properties(&connect["fields"]),
            "array" => {
                self.member("items");
                self.schema(&connect["items"], None);
            }
            "map" => {
                self.member("additionalProperties");
                self.schema(&connect["values"], None);
            }
            _ => {}
        }
        self.out.push(b'}');
    }

    /// What only Connect knows.
    fn of_connect(&mut self, connect: &Value, index: Option<usize>) {
        let type_ = match connect["type"].as_str().unwrap_or_default() {
            "float" => Some("float32"),
            "double" => Some("float64"),
            of @ ("int8" | "int16" | "int32" | "int64" | "bytes" | "map") => Some(of),
            _ => None,
        };
        // In the order of a HashMap that was copied from another; whichever there are, and whichever Java.
        for (name, value) in [
            ("connect.index", index.map(Value::from)),
            ("connect.version", connect.get("version").cloned()),
            ("connect.type", type_.map(Value::from)),
            ("connect.parameters", connect.get("parameters").cloned()),
        ] {
            let Some(value) = value else { continue };
            self.member(name);
            // Parameters are a decimal's scale and precision, in this order, or there is one.
            match value {
                Value::Object(parameters) => self.object(parameters.iter()),
                value => self.value(&value),
            }
        }
    }

    fn properties(&mut self, fields: &Value) {
        let fields = fields.as_array().map(Vec::as_slice).unwrap_or_default();
        let name = |field: &Value| -> String { field["field"].as_str().unwrap_or_default().to_owned() };
        let mut fields: Vec<(String, usize, &Value)> =
            fields.iter().enumerate().map(|(index, field)| (name(field), index, field)).collect();
        if fields.is_empty() {
            return;
        }
        as_a_hash_map(&mut fields, |(name, ..)| name);
        self.member("properties");
        self.out.push(b'{');
        for (at, (name, index, field)) in fields.into_iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            json::string(&name, self.out);
            self.out.push(b':');
            self.schema(field, Some(index));
        }
        self.out.push(b'}');
    }

    fn type_name(&self, connect: &Value) -> &'static str {
        match connect["type"].as_str().unwrap_or_default() {
            "int8" | "int16" | "int32" | "int64" => "integer",
            "float" | "double" => "number",
            "bytes" if self.inferring.decimals == DecimalFormat::Numeric && is_decimal(connect) => "number",
            "struct" | "map" => "object",
            "array" => "array",
            _ => "string",
        }
    }

    /// A default, as org.json prints it and Jackson prints what it reads of that.
    fn value(&mut self, value: &Value) {
        match value {
            Value::String(text) => json::string(text, self.out),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => java::integer(whole, self.out),
                None => self.fraction(number.as_f64().unwrap_or_default()),
            },
            Value::Array(items) => {
                self.out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        self.out.push(b',');
                    }
                    self.value(item);
                }
                self.out.push(b']');
            }
            Value::Object(members) => {
                let mut members: Vec<(&String, &Value)> = members.iter().collect();
                as_a_hash_map(&mut members, |(name, _)| name);
                self.object(members.into_iter());
            }
            Value::Bool(true) => self.plain("true"),
            Value::Bool(false) => self.plain("false"),
            Value::Null => self.plain("null"),
        }
    }

    fn object<'v>(&mut self, members: impl Iterator<Item = (&'v String, &'v Value)>) {
        self.out.push(b'{');
        for (at, (name, value)) in members.enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            json::string(name, self.out);
            self.out.push(b':');
            self.value(value);
        }
        self.out.push(b'}');
    }

    /// Without zeros at its end; and what has an exponent is a BigDecimal then.
    fn fraction(&mut self, number: f64) {
        let mut text = Vec::new();
        java::double(number, &mut text);
        let text = String::from_utf8(text).unwrap_or_default();
        let Some((mantissa, exponent)) = text.split_once('E') else {
            return self.plain(text.trim_end_matches('0').trim_end_matches('.'));
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent: i32 = exponent.parse().unwrap_or_default();
        java::decimal(&format!("{whole}{fraction}"), fraction.len() as i32 - exponent, self.out);
    }

    fn member(&mut self, name: &str) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        json::string(name, self.out);
        self.out.push(b':');
    }

    fn plain(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

fn is_decimal(connect: &Value) -> bool {
    connect["name"] == "org.apache.kafka.connect.data.Decimal"
}
