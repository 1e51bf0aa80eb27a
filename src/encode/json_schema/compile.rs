//! A schema's keywords, made ready for payloads: those that are known here, or else nothing.

use crate::decode::json::Node;
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::ops::RangeInclusive;

/// One schema. Each of its parts is for values of one kind, and says nothing of others.
#[derive(Debug)]
pub(super) struct Schema {
    /// The types that it takes, a [`bit`] for each.
    pub(super) types: u8,
    /// Of whole numbers.
    pub(super) bounds: RangeInclusive<i64>,
    /// Of texts, in characters.
    pub(super) lengths: RangeInclusive<u64>,
    /// Of arrays.
    pub(super) counts: RangeInclusive<u64>,
    /// Of arrays: what all items fit.
    pub(super) items: Option<u32>,
    pub(super) members: Option<Members>,
    /// `enum` and `const`: it is one of these.
    pub(super) values: Option<Vec<Value>>,
    /// Of what is no container: keywords that are best known to the validator.
    pub(super) other: Option<Validator>,
    /// It fits all of these as well,
    pub(super) all: Vec<u32>,
    /// and one of these.
    pub(super) any: Vec<u32>,
}

/// What objects have.
#[derive(Debug)]
pub(super) struct Members {
    /// Its number among those of its kind.
    pub(super) number: usize,
    pub(super) all: Vec<Member>,
    /// Places by name, when there are many.
    places: HashMap<Box<[u8]>, u16>,
    /// How many of them must be there.
    pub(super) required: usize,
    /// What all other members fit.
    pub(super) others: u32,
}

/// A member that has a name.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: Box<[u8]>,
    pub(super) schema: u32,
    pub(super) is_required: bool,
}

const NULL: u8 = 1;
const BOOLEAN: u8 = 2;
const WHOLE: u8 = 4;
const NUMBER: u8 = 8;
const TEXT: u8 = 16;
const ARRAY: u8 = 32;
const OBJECT: u8 = 64;
const ANY: u8 = 127;

/// The type of a value.
pub(super) fn bit(node: Node) -> u8 {
    match node {
        Node::Null => NULL,
        Node::Boolean(_) => BOOLEAN,
        Node::Int(_) | Node::Long(_) => WHOLE,
        // It may be a whole one: then the validator says so.
        Node::Number(_) => NUMBER,
        Node::Text(_) => TEXT,
        Node::Array { .. } => ARRAY,
        Node::Object { .. } => OBJECT,
        _ => 0,
    }
}

impl Members {
    /// Where the member of this name is.
    pub(super) fn find(&self, name: &[u8]) -> Option<u16> {
        if !self.places.is_empty() {
            return self.places.get(name).copied();
        }
        self.all.iter().position(|member| *member.name == *name).map(|place| place as u16)
    }
}

impl Schema {
    /// What any value of these types fits.
    fn of(types: u8) -> Schema {
        Schema {
            types,
            bounds: i64::MIN..=i64::MAX,
            lengths: 0..=u64::MAX,
            counts: 0..=u64::MAX,
            items: None,
            members: None,
            values: None,
            other: None,
            all: Vec::new(),
            any: Vec::new(),
        }
    }
}

/// More members than these are looked up by hash.
const FEW: usize = 12;
/// Schemas within schemas.
const DEEPEST: usize = 200;

/// Keywords that say nothing of values.
const NOTES: [&str; 10] = [
    "title",
    "description",
    "default",
    "examples",
    "$comment",
    "readOnly",
    "writeOnly",
    "deprecated",
    "definitions",
    "$defs",
];
/// Those of one value that the validator is asked about.
const OTHERS: [&str; 3] = ["format", "pattern", "multipleOf"];

/// Makes schemas ready. Every method's `None`: it says something that is not known here.
pub(super) struct Compiler<'c> {
    document: &'c Value,
    draft: Draft,
    pub(super) schemas: Vec<Schema>,
    pub(super) objects: usize,
    /// Those that are referred to.
    known: HashMap<String, u32>,
    depth: usize,
}

impl<'c> Compiler<'c> {
    /// For the schemas of this document.
    pub(super) fn new(document: &'c Value, draft: Draft) -> Compiler<'c> {
        let (schemas, known) = (Vec::new(), HashMap::new());
        Compiler { document, draft, schemas, objects: 0, known, depth: 0 }
    }

    /// The document's own, which is the first.
    pub(super) fn root(&mut self) -> Option<()> {
        self.referred("#").map(|_| ())
    }

    /// The schema at a pointer.
    fn referred(&mut self, pointer: &str) -> Option<u32> {
        if let Some(known) = self.known.get(pointer) {
            return Some(*known);
        }
        let path = pointer.strip_prefix('#')?;
        let name =
            ["/definitions/", "/$defs/"].into_iter().find_map(|of| path.strip_prefix(of)).unwrap_or(path);
        // Deeper in there may be documents of their own.
        if name.contains(['/', '~', '%']) {
            return None;
        }
        let schema = self.document.pointer(path)?;
        // Nothing fits it until it is described.
        let number = self.push(Schema::of(0));
        self.known.insert(pointer.to_owned(), number);
        self.schemas[number as usize] = self.described(schema, path.is_empty())?;
        Some(number)
    }

    fn push(&mut self, schema: Schema) -> u32 {
        self.schemas.push(schema);
        self.schemas.len() as u32 - 1
    }

    fn schema(&mut self, schema: &Value) -> Option<u32> {
        if let Some(pointer) = schema.get("$ref") {
            let is_alone = schema.as_object()?.keys().all(|key| key == "$ref" || says_nothing(key));
            return if is_alone { self.referred(pointer.as_str()?) } else { None };
        }
        let described = self.described(schema, false)?;
        Some(self.push(described))
    }

    fn described(&mut self, schema: &Value, is_root: bool) -> Option<Schema> {
        let keywords = match schema {
            Value::Bool(is) => return Some(Schema::of(if *is { ANY } else { 0 })),
            schema => schema.as_object()?,
        };
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let mut of = Schema::of(ANY);
        let mut others = Map::new();
        for (keyword, value) in keywords {
            match keyword.as_str() {
                "type" => of.types = types(value)?,
                "minimum" => of.bounds = (*of.bounds.start()).max(value.as_i64()?)..=*of.bounds.end(),
                "maximum" => of.bounds = *of.bounds.start()..=(*of.bounds.end()).min(value.as_i64()?),
                "exclusiveMinimum" => {
                    let least = value.as_i64()?.checked_add(1)?;
                    of.bounds = (*of.bounds.start()).max(least)..=*of.bounds.end();
                }
                "exclusiveMaximum" => {
                    let most = value.as_i64()?.checked_sub(1)?;
                    of.bounds = *of.bounds.start()..=(*of.bounds.end()).min(most);
                }
                "minLength" => of.lengths = value.as_u64()?..=*of.lengths.end(),
                "maxLength" => of.lengths = *of.lengths.start()..=value.as_u64()?,
                "minItems" => of.counts = value.as_u64()?..=*of.counts.end(),
                "maxItems" => of.counts = *of.counts.start()..=value.as_u64()?,
                "items" if !value.is_array() => of.items = Some(self.schema(value)?),
                "enum" if of.values.is_none() => of.values = Some(value.as_array()?.clone()),
                "const" if of.values.is_none() => of.values = Some(vec![value.clone()]),
                "properties" | "required" | "additionalProperties" => {}
                "allOf" => of.all = self.some(value)?,
                "anyOf" if of.any.is_empty() => of.any = self.some(value)?,
                "oneOf" if of.any.is_empty() => of.any = self.one(value)?,
                "$id" | "$schema" if is_root => {}
                // Later drafts leave it to their vocabularies whether a format counts.
                "format" if self.draft != Draft::Draft7 => return None,
                other if OTHERS.contains(&other) => {
                    others.insert(keyword.clone(), value.clone());
                }
                other if says_nothing(other) => {}
                _ => return None,
            }
        }
        if !others.is_empty() {
            let options = jsonschema::options().with_draft(self.draft);
            of.other = Some(options.build(&Value::Object(others)).ok()?);
        }
        // A container is held against no list of values here.
        if of.values.is_some() {
            of.types &= !(ARRAY | OBJECT);
        }
        of.members = self.members(keywords)?;
        self.depth -= 1;
        Some(of)
    }

    fn some(&mut self, schemas: &Value) -> Option<Vec<u32>> {
        schemas.as_array()?.iter().map(|schema| self.schema(schema)).collect()
    }

    /// Of schemas for different types a value can fit one only.
    fn one(&mut self, schemas: &Value) -> Option<Vec<u32>> {
        let mut taken = 0;
        for schema in schemas.as_array()? {
            let types = types(schema.get("type")?)?;
            if taken & types != 0 {
                return None;
            }
            taken |= types;
        }
        self.some(schemas)
    }

    fn members(&mut self, keywords: &Map<String, Value>) -> Option<Option<Members>> {
        let of = |name| keywords.get(name);
        if let (None, None, None) = (of("properties"), of("required"), of("additionalProperties")) {
            return Some(None);
        }
        let others = match of("additionalProperties") {
            Some(schema) => self.schema(schema)?,
            None => self.push(Schema::of(ANY)),
        };
        let mut all = Vec::new();
        if let Some(properties) = of("properties") {
            for (name, schema) in properties.as_object()? {
                let (name, schema) = (name.as_bytes().into(), self.schema(schema)?);
                all.push(Member { name, schema, is_required: false });
            }
        }
        if let Some(required) = of("required") {
            for name in required.as_array()? {
                let name = name.as_str()?.as_bytes();
                match all.iter_mut().find(|member| *member.name == *name) {
                    Some(member) => member.is_required = true,
                    None => all.push(Member { name: name.into(), schema: others, is_required: true }),
                }
            }
        }
        if all.len() >= usize::from(u16::MAX) {
            return None;
        }
        let mut places = HashMap::new();
        if all.len() > FEW {
            places.extend(all.iter().enumerate().map(|(at, member)| (member.name.clone(), at as u16)));
        }
        let required = all.iter().filter(|member| member.is_required).count();
        let number = self.objects;
        self.objects += 1;
        Some(Some(Members { number, all, places, required, others }))
    }
}

/// Notes, and Connect's own keywords.
fn says_nothing(keyword: &str) -> bool {
    NOTES.contains(&keyword) || keyword.starts_with("connect.")
}

/// The types of the keyword `type`.
fn types(of: &Value) -> Option<u8> {
    let one = |name: &Value| {
        Some(match name.as_str()? {
            "null" => NULL,
            "boolean" => BOOLEAN,
            "integer" => WHOLE,
            "number" => WHOLE | NUMBER,
            "string" => TEXT,
            "array" => ARRAY,
            "object" => OBJECT,
            _ => return None,
        })
    };
    match of {
        Value::Array(names) => names.iter().try_fold(0, |all, name| Some(all | one(name)?)),
        name => one(name),
    }
}
