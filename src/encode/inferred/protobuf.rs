//! A file of Protobuf as `ProtobufData.fromConnectSchema` makes it and `ProtobufSchemaUtils.toString` prints it.

use super::{Inferring, NoSchema};
use serde_json::Value;
use std::fmt::Write as _;

/// A file, the full name of its message that is meant, and the message's place in it.
pub(super) struct File {
    pub(super) text: String,
    pub(super) name: String,
    pub(super) index: u8,
}

const SHAPELESS: NoSchema = NoSchema {
    what: "its type alone is no message: of an array, a map, a Decimal, and Connect's own dates and times ProtobufConverter \
           makes nothing that can be read",
    hint: "place another column in the value's envelope, so that it is a member, or take another type or converter",
};
const NESTED: NoSchema = NoSchema {
    what: "there is an array of arrays in it, or an array of maps, which Protobuf has not",
    hint: "write such a value otherwise, or take another converter",
};
const NAME: NoSchema = NoSchema {
    what: "a name in its schema is none that Protobuf allows",
    hint: "Protobuf's names are letters, digits and underscores: use other names, or set field.name.adjustment.mode=avro of \
           the router",
};
const TWICE: NoSchema = NoSchema {
    what: "ProtobufConverter gives two things in one message the same name",
    hint: "rename a member of the payload, or take another converter",
};

/// Makes the file of a schema.
pub(super) fn file(connect: &Value, inferring: Inferring) -> Result<File, NoSchema> {
    if connect["type"] != "struct" {
        let index = wrapper_index(connect).ok_or(SHAPELESS)?;
        let name = format!("google.protobuf.{}", WRAPPERS[usize::from(index)]);
        return Ok(File { text: WRAPPERS_FILE.to_owned(), name, index });
    }
    let mut file = Writer { inferring, nameless: 0, imports: Vec::new() };
    let name = match connect["name"].as_str() {
        Some(name) => name.to_owned(),
        None => file.default_name(),
    };
    let (package, last) = match name.rsplit_once('.') {
        Some((package, last)) => (Some(package), last),
        None => (None, name.as_str()),
    };
    let message = file.message(last, connect)?;
    let mut text = "syntax = \"proto3\";\n".to_owned();
    if let Some(package) = package {
        let _ = writeln!(text, "package {package};");
    }
    if !file.imports.is_empty() {
        text.push('\n');
    }
    for import in &file.imports {
        let _ = writeln!(text, "import \"{import}\";");
    }
    text.push('\n');
    text.push_str(&message);
    Ok(File { text, name, index: 0 })
}

struct Writer {
    inferring: Inferring,
    /// How many names were made up.
    nameless: u32,
    /// In the order of their first use.
    imports: Vec<&'static str>,
}

/// What becomes of a field's schema.
struct Type<'c> {
    name: String,
    message: Option<Message<'c>>,
    params: Params,
}

/// What is noted of a field.
type Params = Vec<(&'static str, String)>;

/// A message that has to be defined: of a struct, or the entry of a map with such values.
#[derive(Clone, Copy)]
enum Message<'c> {
    Struct(&'c Value),
    Map(&'c Value),
}

impl Writer {
    fn message(&mut self, name: &str, connect: &Value) -> Result<String, NoSchema> {
        check(name)?;
        let (mut lines, mut nested) = (String::new(), String::new());
        let (mut taken, mut types) = (Vec::new(), Vec::new());
        for (at, field) in connect["fields"].as_array().into_iter().flatten().enumerate() {
            let field_name = field["field"].as_str().unwrap_or_default();
            check(field_name)?;
            take(&mut taken, field_name)?;
            let Type { name: type_, message, params } = self.of_field(name, field_name, field)?;
            let label = match field["type"].as_str() {
                Some("array" | "map") => "repeated ",
                _ if self.inferring.optional && field["optional"] == true => "optional ",
                _ => "",
            };
            let line = format!("{label}{type_} {field_name} = {}{};\n", at + 1, options(&params));
            indented(&line, &mut lines);
            let Some(message) = message else { continue };
            let is_known = |known: &&(String, Message<'_>)| known.0 == type_;
            match (types.iter().find(is_known).map(|(_, known)| *known), message) {
                (Some(Message::Struct(known)), Message::Struct(again))
                    if known["fields"] == again["fields"] => {}
                (Some(_), _) => return Err(TWICE),
                (None, message) => {
                    take(&mut taken, &type_)?;
                    let text = match message {
                        Message::Struct(connect) => self.message(&type_, connect)?,
                        Message::Map(values) => self.entry(&type_, values),
                    };
                    types.push((type_, message));
                    indented(&text, &mut nested);
                }
            }
        }
        let newline = |part: &str| if part.is_empty() { "" } else { "\n" };
        Ok(format!("message {name} {{{}{lines}{}{nested}}}\n", newline(&lines), newline(&nested)))
    }

    fn of_field<'c>(&mut self, parent: &str, name: &str, field: &'c Value) -> Result<Type<'c>, NoSchema> {
        let is_array = field["type"] == "array";
        let connect = if is_array { &field["items"] } else { field };
        if let Some((type_, params)) = self.logical(connect) {
            return Ok(Type { name: type_.to_owned(), message: None, params });
        }
        let (mut params, mut message) = (Vec::new(), None);
        let type_ = match connect["type"].as_str().unwrap_or_default() {
            "struct" => {
                let mut type_ = self.last_name(connect);
                if type_ == name {
                    type_.push_str("Message");
                }
                // It would be taken for the message that it is in.
                if type_ == parent {
                    return Err(TWICE);
                }
                message = Some(Message::Struct(connect));
                type_
            }
            "map" if !is_array => {
                message = Some(Message::Map(&connect["values"]));
                format!("{}Entry", self.default_name())
            }
            "array" | "map" => return Err(NESTED),
            scalar => {
                if matches!(scalar, "int8" | "int16") {
                    params.push(("connect.type", scalar.to_owned()));
                }
                self.scalar(scalar, connect["optional"] == true)
            }
        };
        Ok(Type { name: type_, message, params })
    }

    /// The entry of a map: Confluent's has no maps of Protobuf's own.
    fn entry(&mut self, name: &str, values: &Value) -> String {
        let value = self.scalar("string", values["optional"] == true);
        format!("message {name} {{\n  string key = 1;\n  {value} value = 2;\n}}\n")
    }

    fn logical(&mut self, connect: &Value) -> Option<(&'static str, Params)> {
        let name = connect["name"].as_str()?;
        let (type_, file) = match name.strip_prefix("org.apache.kafka.connect.data.")? {
            "Decimal" => ("confluent.type.Decimal", "confluent/type/decimal.proto"),
            "Date" => ("google.type.Date", "google/type/date.proto"),
            "Time" => ("google.type.TimeOfDay", "google/type/timeofday.proto"),
            "Timestamp" => ("google.protobuf.Timestamp", "google/protobuf/timestamp.proto"),
            _ => return None,
        };
        let mut params = Vec::new();
        if type_ == "confluent.type.Decimal" {
            for (theirs, ours) in [("connect.decimal.precision", "precision"), ("scale", "scale")] {
                let value = connect["parameters"][theirs].as_str();
                params.extend(value.map(|value| (ours, value.to_owned())));
            }
        }
        self.import(file);
        Some((type_, params))
    }

    fn scalar(&mut self, connect: &str, optional: bool) -> String {
        if self.inferring.wrapper && optional {
            self.import("google/protobuf/wrappers.proto");
            let connect = Value::Object([("type".to_owned(), Value::from(connect))].into_iter().collect());
            let index = wrapper_index(&connect).unwrap_or_default();
            return format!("google.protobuf.{}", WRAPPERS[usize::from(index)]);
        }
        let type_ = match connect {
            "int8" | "int16" | "int32" => "int32",
            "boolean" => "bool",
            same => same,
        };
        type_.to_owned()
    }

    fn import(&mut self, file: &'static str) {
        if !self.imports.contains(&file) {
            self.imports.push(file);
        }
    }

    fn last_name(&mut self, connect: &Value) -> String {
        match connect["name"].as_str().filter(|name| !name.is_empty()) {
            Some(name) => name.rsplit('.').next().unwrap_or_default().to_owned(),
            None => self.default_name(),
        }
    }

    fn default_name(&mut self) -> String {
        self.nameless += 1;
        format!("ConnectDefault{}", self.nameless)
    }
}

fn options(params: &[(&'static str, String)]) -> String {
    if params.is_empty() {
        return String::new();
    }
    let mut text = " [(confluent.field_meta) = {\n  params: [\n".to_owned();
    for (at, (key, value)) in params.iter().enumerate() {
        let mut lines = [format!("      key: \"{key}\""), format!("      value: \"{value}\"")];
        // Confluent's has these the other way round, for compatibility with itself.
        if *key != "connect.type" {
            lines.reverse();
        }
        let comma = if at + 1 < params.len() { "," } else { "" };
        let _ = write!(text, "    {{\n{}\n    }}{comma}\n", lines.join(",\n"));
    }
    text.push_str("  ]\n}]");
    text
}

fn indented(text: &str, out: &mut String) {
    for line in text.lines() {
        let _ = writeln!(out, "  {line}");
    }
}

fn check(name: &str) -> Result<(), NoSchema> {
    let is = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    match name.starts_with(|first: char| !first.is_ascii_digit()) && name.chars().all(is) {
        true => Ok(()),
        false => Err(NAME),
    }
}

fn take(taken: &mut Vec<String>, name: &str) -> Result<(), NoSchema> {
    match taken.iter().any(|known| known == name) {
        true => Err(TWICE),
        false => {
            taken.push(name.to_owned());
            Ok(())
        }
    }
}

/// Messages of one field, in the order of their file.
const WRAPPERS: [&str; 9] = [
    "DoubleValue",
    "FloatValue",
    "Int64Value",
    "UInt64Value",
    "Int32Value",
    "UInt32Value",
    "BoolValue",
    "StringValue",
    "BytesValue",
];

fn wrapper_index(connect: &Value) -> Option<u8> {
    let is_logical =
        connect["name"].as_str().is_some_and(|name| name.starts_with("org.apache.kafka.connect.data."));
    Some(match connect["type"].as_str()? {
        _ if is_logical => return None,
        "double" => 0,
        "float" => 1,
        "int64" => 2,
        "int8" | "int16" | "int32" => 4,
        "boolean" => 6,
        "string" => 7,
        "bytes" => 8,
        _ => return None,
    })
}

/// `google/protobuf/wrappers.proto` as it is printed of its descriptor.
const WRAPPERS_FILE: &str = r#"syntax = "proto3";
package google.protobuf;

option java_package = "com.google.protobuf";
option java_outer_classname = "WrappersProto";
option java_multiple_files = true;
option go_package = "google.golang.org/protobuf/types/known/wrapperspb";
option cc_enable_arenas = true;
option objc_class_prefix = "GPB";
option csharp_namespace = "Google.Protobuf.WellKnownTypes";

message DoubleValue {
  double value = 1 [json_name = "value"];
}
message FloatValue {
  float value = 1 [json_name = "value"];
}
message Int64Value {
  int64 value = 1 [json_name = "value"];
}
message UInt64Value {
  uint64 value = 1 [json_name = "value"];
}
message Int32Value {
  int32 value = 1 [json_name = "value"];
}
message UInt32Value {
  uint32 value = 1 [json_name = "value"];
}
message BoolValue {
  bool value = 1 [json_name = "value"];
}
message StringValue {
  string value = 1 [json_name = "value"];
}
message BytesValue {
  bytes value = 1 [json_name = "value"];
}
"#;
