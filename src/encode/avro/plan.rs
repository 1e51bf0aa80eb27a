//! A registered schema, made ready: types in one list, defaults encoded.

use super::defaults;
use crate::encode::framed::straight::Names;
use crate::registry::Referenced;
use serde_json::Value;
use std::collections::HashMap;

/// A schema, made ready.
#[derive(Debug)]
pub(in crate::encode) struct Plan {
    /// All types; those with a name stand for themselves wherever they are named.
    pub(super) types: Vec<Type>,
    /// The schema's own.
    pub(super) root: u32,
    /// The record's full name, where it is one.
    pub(in crate::encode) name: Option<String>,
    /// How many records there are among the types.
    pub(super) records: usize,
}

/// One type.
#[derive(Debug)]
pub(super) enum Type {
    Null,
    Boolean,
    Int(Reading),
    Long(Reading),
    Float,
    Double,
    Bytes(Reading),
    Text(Reading),
    Fixed {
        size: usize,
        reading: Reading,
    },
    Enum(Vec<Box<[u8]>>),
    Array(u32),
    Map(u32),
    Union(Vec<u32>),
    Record(Record),
    /// Named already, and not described yet.
    Open,
}

/// A record.
#[derive(Debug)]
pub(super) struct Record {
    /// Its number among the records.
    pub(super) number: usize,
    pub(super) fields: Vec<Field>,
    /// Their names, where they can be found in a text as they are.
    pub(super) names: Option<Names>,
    /// Places by name, when there are many.
    places: HashMap<Box<[u8]>, u16>,
}

/// A record's field.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: Box<str>,
    pub(super) type_: u32,
    /// Its default, in Avro's binary encoding.
    pub(super) default: Option<Box<[u8]>>,
}

/// What JSON stands for in a type: its logical type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Plain,
    Date,
    TimeMillis,
    TimeMicros,
    /// So many to a second; `local` has no offset.
    Timestamp {
        per_second: i64,
        local: bool,
    },
    Decimal {
        precision: u32,
        scale: u32,
    },
    Uuid,
}

impl Record {
    /// Where the field of this name is.
    pub(super) fn find(&self, name: &[u8]) -> Option<u16> {
        if !self.places.is_empty() {
            return self.places.get(name).copied();
        }
        self.fields.iter().position(|field| field.name.as_bytes() == name).map(|place| place as u16)
    }
}

/// More fields than these are looked up by hash.
const FEW: usize = 12;

impl Plan {
    /// Reads a schema's text, and those it refers to. The error says what is not understood.
    pub(in crate::encode) fn new(text: &str, references: &[Referenced]) -> Result<Plan, String> {
        let mut compiler =
            Compiler { types: Vec::new(), named: HashMap::new(), records: 0, defaults: Vec::new() };
        for reference in references {
            compiler.schema(&parse(&reference.schema)?, "")?;
        }
        let schema = parse(text)?;
        let root = compiler.schema(&schema, "")?;
        compiler.encode_defaults()?;
        let name = match &compiler.types[root as usize] {
            Type::Record(_) => compiler.named.iter().find(|(_, type_)| **type_ == root),
            _ => None,
        };
        let name = name.map(|(name, _)| name.clone());
        Ok(Plan { types: compiler.types, root, name, records: compiler.records })
    }
}

fn parse(text: &str) -> Result<Value, String> {
    // Old registries hold bare names as well.
    serde_json::from_str(text)
        .or_else(|error| match text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            true => Ok(Value::String(text.to_owned())),
            false => Err(error),
        })
        .map_err(|error| format!("it is not JSON: {error}"))
}

struct Compiler {
    types: Vec<Type>,
    named: HashMap<String, u32>,
    records: usize,
    /// Record, field and the default that it is to have, once all types are there.
    defaults: Vec<(u32, usize, Value)>,
}

impl Compiler {
    /// The number of the type that `schema` describes or names.
    fn schema(&mut self, schema: &Value, space: &str) -> Result<u32, String> {
        match schema {
            Value::String(name) => self.by_name(name, space),
            Value::Array(branches) => {
                let branches: Result<Vec<u32>, String> =
                    branches.iter().map(|branch| self.schema(branch, space)).collect();
                Ok(self.push(Type::Union(branches?)))
            }
            Value::Object(members) => match &members.get("type") {
                Some(Value::String(kind)) => self.described(kind, schema, space),
                Some(inner) => self.schema(inner, space),
                None => Err("a type has no `type`".to_owned()),
            },
            _ => Err("a type is neither a name, a list nor an object".to_owned()),
        }
    }

    fn push(&mut self, type_: Type) -> u32 {
        self.types.push(type_);
        self.types.len() as u32 - 1
    }

    fn by_name(&mut self, name: &str, space: &str) -> Result<u32, String> {
        if let Some(type_) = primitive(name, Reading::Plain) {
            return Ok(self.push(type_));
        }
        let full =
            if name.contains('.') || space.is_empty() { name.to_owned() } else { format!("{space}.{name}") };
        let known = self.named.get(&full).or_else(|| self.named.get(name));
        known.copied().ok_or_else(|| format!("the type {full} is not described"))
    }

    fn described(&mut self, kind: &str, schema: &Value, space: &str) -> Result<u32, String> {
        match kind {
            "array" => {
                let items = self.schema(&schema["items"], space)?;
                Ok(self.push(Type::Array(items)))
            }
            "map" => {
                let values = self.schema(&schema["values"], space)?;
                Ok(self.push(Type::Map(values)))
            }
            "enum" => {
                let symbols = schema["symbols"].as_array().into_iter().flatten();
                let symbols = symbols.filter_map(|symbol| Some(symbol.as_str()?.as_bytes().into())).collect();
                let type_ = self.push(Type::Enum(symbols));
                self.name(schema, space, type_)?;
                Ok(type_)
            }
            "fixed" => {
                let size = schema["size"].as_u64().ok_or("a fixed has no size")? as usize;
                let type_ = self.push(Type::Fixed { size, reading: reading(schema) });
                self.name(schema, space, type_)?;
                Ok(type_)
            }
            "record" | "error" => self.record(schema, space),
            _ => match primitive(kind, reading(schema)) {
                Some(type_) => Ok(self.push(type_)),
                None => self.by_name(kind, space),
            },
        }
    }

    fn record(&mut self, schema: &Value, space: &str) -> Result<u32, String> {
        let number = self.records;
        self.records += 1;
        let type_ = self.push(Type::Open);
        let full = self.name(schema, space, type_)?;
        let space = full.rsplit_once('.').map_or("", |(space, _)| space);
        let mut fields = Vec::new();
        for field in schema["fields"].as_array().into_iter().flatten() {
            let name = field["name"].as_str().ok_or("a field has no name")?;
            let of = self.schema(&field["type"], space).map_err(|error| format!("{name}: {error}"))?;
            if let Some(default) = field.get("default") {
                self.defaults.push((type_, fields.len(), default.clone()));
            }
            fields.push(Field { name: name.into(), type_: of, default: None });
        }
        if fields.len() > usize::from(u16::MAX - 1) {
            return Err("a record has too many fields".to_owned());
        }
        let mut places = HashMap::new();
        if fields.len() > FEW {
            places.extend(
                fields.iter().enumerate().map(|(at, field)| (field.name.as_bytes().into(), at as u16)),
            );
        }
        let names = Names::new(fields.iter().map(|field| &*field.name), std::iter::empty());
        self.types[type_ as usize] = Type::Record(Record { number, fields, names, places });
        Ok(type_)
    }

    /// Enters the type's full name.
    fn name(&mut self, schema: &Value, space: &str, type_: u32) -> Result<String, String> {
        let name = schema["name"].as_str().ok_or("a type that must have a name has none")?;
        let space = schema["namespace"].as_str().unwrap_or(space);
        let full =
            if name.contains('.') || space.is_empty() { name.to_owned() } else { format!("{space}.{name}") };
        self.named.insert(full.clone(), type_);
        Ok(full)
    }

    fn encode_defaults(&mut self) -> Result<(), String> {
        for (record, place, default) in std::mem::take(&mut self.defaults) {
            let Type::Record(known) = &self.types[record as usize] else { continue };
            let field = &known.fields[place];
            let mut encoded = Vec::new();
            defaults::write(&self.types, field.type_, &default, 0, &mut encoded)
                .map_err(|error| format!("the default of {}: {error}", field.name))?;
            if let Type::Record(known) = &mut self.types[record as usize] {
                known.fields[place].default = Some(encoded.into());
            }
        }
        Ok(())
    }
}

fn primitive(name: &str, reading: Reading) -> Option<Type> {
    Some(match name {
        "null" => Type::Null,
        "boolean" => Type::Boolean,
        "int" => Type::Int(reading),
        "long" => Type::Long(reading),
        "float" => Type::Float,
        "double" => Type::Double,
        "bytes" => Type::Bytes(reading),
        "string" => Type::Text(reading),
        _ => return None,
    })
}

/// The logical type, if it is one that is known; any other is as if it were not there, as Avro says.
fn reading(schema: &Value) -> Reading {
    let timestamp = |per_second, local| Reading::Timestamp { per_second, local };
    match schema["logicalType"].as_str().unwrap_or_default() {
        "date" => Reading::Date,
        "time-millis" => Reading::TimeMillis,
        "time-micros" => Reading::TimeMicros,
        "timestamp-millis" => timestamp(1_000, false),
        "timestamp-micros" => timestamp(1_000_000, false),
        "timestamp-nanos" => timestamp(1_000_000_000, false),
        "local-timestamp-millis" => timestamp(1_000, true),
        "local-timestamp-micros" => timestamp(1_000_000, true),
        "local-timestamp-nanos" => timestamp(1_000_000_000, true),
        "uuid" => Reading::Uuid,
        "decimal" => {
            let number = |name: &str| schema[name].as_u64().and_then(|number| u32::try_from(number).ok());
            match (number("precision"), number("scale").or(Some(0))) {
                (Some(precision), Some(scale)) if precision > 0 && scale <= precision => {
                    Reading::Decimal { precision, scale }
                }
                _ => Reading::Plain,
            }
        }
        _ => Reading::Plain,
    }
}
