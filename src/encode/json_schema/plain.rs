//! What most schemas are made of, held against a payload's nodes as they are.
//!
//! Enters: a schema and a [`Document`]. Leaves: whether the payload surely fits. What is not sure, or said with other
//! keywords, is for the validator to decide, as it is to tell what does not fit.

use super::compile::{Compiler, Members, Schema, bit};
use crate::decode::json::{Document, Node, Renaming, Span};
use crate::encode::framed::filler::{Filler, Orders, place};
use jsonschema::Draft;
use serde_json::{Number, Value};

/// A schema, made ready.
#[derive(Debug)]
pub(super) struct Plain {
    schemas: Vec<Schema>,
    /// How many of them tell members.
    objects: usize,
}

/// serde_json reads no deeper, and then it is no JSON.
const DEEPEST: usize = 126;
/// Schemas within schemas, for the same value or others.
const STEPS: usize = 500;

impl Plain {
    /// `None` when there is a keyword in it that is not known here.
    pub(super) fn new(schema: &Value, draft: Draft) -> Option<Plain> {
        let mut compiler = Compiler::new(schema, draft);
        compiler.root()?;
        Some(Plain { schemas: compiler.schemas, objects: compiler.objects })
    }

    /// Whether the text is JSON, for serde_json too, that surely fits. `orders` are of this schema.
    pub(super) fn fits(&self, filler: &mut Filler, orders: &mut Orders, text: &str) -> bool {
        let bytes = text.trim_matches([' ', '\t', '\n', '\r']).as_bytes();
        let Filler { document, .. } = filler;
        let is_read = document.read(bytes, Renaming::Never).is_some() && document.read_to() == bytes.len();
        if !is_read || document.unpaired() || document.far() || document.deepest() > DEEPEST {
            return false;
        }
        orders.resize(self.objects, Vec::new());
        // A schema may be led back to itself again and again for one value.
        let left = 1_000 + 16 * bytes.len();
        Fit { schemas: &self.schemas, document, text: bytes, orders, left }.fits(0, 0, STEPS)
    }
}

struct Fit<'f> {
    schemas: &'f [Schema],
    document: &'f Document,
    text: &'f [u8],
    orders: &'f mut Orders,
    left: usize,
}

impl<'f> Fit<'f> {
    fn fits(&mut self, schema: u32, node: u32, steps: usize) -> bool {
        let schemas = self.schemas;
        let schema = &schemas[schema as usize];
        let value = self.document.node(node);
        if schema.types & bit(value) == 0 || steps == 0 || self.left == 0 {
            return false;
        }
        self.left -= 1;
        let is_itself = match value {
            Node::Int(number) => schema.takes_number(i64::from(number)),
            Node::Long(number) => schema.takes_number(number),
            Node::Number(_) => !schema.has_bounds() && schema.other.is_none() && schema.values.is_none(),
            Node::Text(span) => self.takes_text(schema, span),
            Node::Object { .. } => {
                schema.members.as_ref().is_none_or(|members| self.members(members, node, steps))
            }
            Node::Array { .. } => self.items(schema, node, steps),
            Node::Boolean(is) => schema.takes_value(|value| *value == Value::Bool(is), || Value::Bool(is)),
            _ => schema.takes_value(Value::is_null, || Value::Null),
        };
        is_itself
            && schema.all.iter().all(|all| self.fits(*all, node, steps - 1))
            && (schema.any.is_empty() || schema.any.iter().any(|any| self.fits(*any, node, steps - 1)))
    }

    fn takes_text(&self, schema: &Schema, span: Span) -> bool {
        if !schema.measures_text() {
            return true;
        }
        let Ok(text) = str::from_utf8(self.document.bytes(self.text, span)) else { return false };
        schema.lengths.contains(&(text.chars().count() as u64))
            && schema.takes_value(|value| value.as_str() == Some(text), || Value::from(text))
    }

    fn members(&mut self, members: &Members, node: u32, steps: usize) -> bool {
        let document = self.document;
        let mut required = 0;
        for (at, (name, value)) in document.own_members(node).enumerate() {
            let name = document.bytes(self.text, name);
            let (all, order) = (&members.all, &mut self.orders[members.number]);
            let is_called = |place| all.get(usize::from(place)).is_some_and(|member| *member.name == *name);
            let place = place(order, at, all.len(), is_called, || members.find(name));
            let schema = match all.get(usize::from(place)) {
                Some(member) => {
                    required += usize::from(member.is_required);
                    member.schema
                }
                None => members.others,
            };
            if !self.fits(schema, value, steps - 1) {
                return false;
            }
        }
        required == members.required
    }

    fn items(&mut self, schema: &Schema, node: u32, steps: usize) -> bool {
        let document = self.document;
        let mut count = 0;
        for item in document.items(node) {
            count += 1;
            if schema.items.is_some_and(|items| !self.fits(items, item, steps - 1)) {
                return false;
            }
        }
        schema.counts.contains(&count) && schema.values.is_none()
    }
}

impl Schema {
    fn takes_number(&self, number: i64) -> bool {
        (!self.has_bounds() || self.bounds.contains(&number))
            && self
                .takes_value(|value| value.as_i64() == Some(number), || Value::Number(Number::from(number)))
    }

    /// Whether a value that is no container is one of the enum's, and has what else is asked of it.
    fn takes_value(&self, is: impl Fn(&Value) -> bool, value: impl FnOnce() -> Value) -> bool {
        self.values.as_ref().is_none_or(|values| values.iter().any(is))
            && self.other.as_ref().is_none_or(|other| other.is_valid(&value()))
    }

    fn has_bounds(&self) -> bool {
        self.bounds != (i64::MIN..=i64::MAX)
    }

    fn measures_text(&self) -> bool {
        self.lengths != (0..=u64::MAX) || self.values.is_some() || self.other.is_some()
    }
}
