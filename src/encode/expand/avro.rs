//! A struct and its schema as Connect's AvroConverter writes them.

use super::TooMuch;
use super::shape::{Lookup, Shape, Shapes};
use super::write::{Writer, enter};
use crate::decode::json::{Document, Node, Span};
use crate::encode::avro::binary;
use crate::encode::avro::{InvalidName, SchemaText};
use crate::encode::schema::member;
use std::ops::Range;

/// What a struct is called whose schema has no name.
const NAMELESS: &str = "io.confluent.connect.avro.ConnectDefault";

/// Writes schemas.
pub(super) struct AvroSchema<'w> {
    pub(super) document: &'w Document,
    pub(super) shapes: &'w Shapes,
    pub(super) text: &'w [u8],
    /// Names from the root to where we are, with dots.
    pub(super) path: &'w mut Vec<u8>,
    /// What the root is called, where that is not its name in the path.
    pub(super) called: Option<&'w str>,
}

impl AvroSchema<'_> {
    /// Appends a schema. `key` is where in the path its name lies.
    pub(super) fn write(
        &mut self,
        shape: Shape,
        key: Option<Range<usize>>,
        to: &mut SchemaText,
    ) -> Result<(), InvalidName> {
        match shape {
            Shape::Struct { optional: false, .. } => self.base(shape, key, to),
            _ => to.optional(false, |to| self.base(shape, key, to)),
        }
    }

    fn base(
        &mut self,
        shape: Shape,
        key: Option<Range<usize>>,
        to: &mut SchemaText,
    ) -> Result<(), InvalidName> {
        let name: &[u8] = match shape {
            Shape::Text => b"\"string\"",
            Shape::Boolean => b"\"boolean\"",
            Shape::Int32 => b"\"int\"",
            Shape::Int64 => b"\"long\"",
            Shape::Float64 => b"\"double\"",
            Shape::Bytes => b"\"bytes\"",
            Shape::Array(element) => {
                let element = self.shapes.element(element);
                to.out.extend_from_slice(b"{\"type\":\"array\",\"items\":");
                let key = key.filter(|_| matches!(element, Shape::Struct { .. }));
                self.write(element, key, to)?;
                b"}"
            }
            Shape::Struct { first, end, .. } => return self.record(first, end, key, to),
        };
        to.out.extend_from_slice(name);
        Ok(())
    }

    fn record(
        &mut self,
        first: u32,
        end: u32,
        key: Option<Range<usize>>,
        to: &mut SchemaText,
    ) -> Result<(), InvalidName> {
        let name = match (self.called.take(), &key) {
            (Some(called), _) => Some(called.to_owned()),
            (None, Some(key)) => Some(utf8(&self.path[key.clone()])?.to_owned()),
            (None, None) => None,
        };
        let full_name = name.clone().unwrap_or_else(|| NAMELESS.to_owned());
        let fields = |to: &mut SchemaText| self.fields(first, end, key, to);
        to.record(&full_name, fields, |out| {
            if let Some(name) = &name {
                member("connect.name", name, out);
            }
        })
    }

    fn fields(
        &mut self,
        first: u32,
        end: u32,
        key: Option<Range<usize>>,
        to: &mut SchemaText,
    ) -> Result<(), InvalidName> {
        let shapes = self.shapes;
        for field in shapes.fields(first, end) {
            let (document, text) = (self.document, self.text);
            let name = document.bytes(text, field.name);
            let mark = self.path.len();
            let key = Some(enter(self.path, key.as_ref(), name));
            let null = |out: &mut Vec<u8>| out.extend_from_slice(b"null");
            to.field(utf8(name)?, |to| self.write(field.shape, key, to), Some(&null))?;
            self.path.truncate(mark);
        }
        Ok(())
    }
}

/// A name with half a surrogate pair in it is no name.
fn utf8(name: &[u8]) -> Result<&str, InvalidName> {
    str::from_utf8(name).map_err(|_| InvalidName::Characters(String::from_utf8_lossy(name).into_owned()))
}

impl Writer<'_> {
    /// Appends the value in Avro's binary encoding.
    pub(super) fn avro(&self, shape: Shape, node: u32, out: &mut Vec<u8>) -> Result<(), TooMuch> {
        let value = self.document.node(node);
        if !matches!(shape, Shape::Struct { optional: false, .. }) {
            binary::long(i64::from(!matches!(value, Node::Null)), out);
        }
        match (shape, value) {
            (_, Node::Text(span)) => self.avro_text(span, out),
            (_, Node::Boolean(is)) => out.push(u8::from(is)),
            (_, Node::Int(number)) => binary::long(i64::from(number), out),
            (_, Node::Long(number)) => binary::long(number, out),
            (_, Node::Double(number)) => binary::double(number, out),
            (Shape::Array(element), Node::Array { .. }) => {
                let element = self.shapes.element(element);
                let count = self.document.items(node).count();
                if count > 0 {
                    binary::long(count as i64, out);
                }
                for item in self.document.items(node) {
                    self.avro(element, item, out)?;
                }
                binary::long(0, out);
            }
            (Shape::Struct { first, end, .. }, Node::Object { .. }) => {
                self.check(out)?;
                let mut lookup = Lookup::new(self.document, self.text, node);
                for field in self.shapes.fields(first, end) {
                    match lookup.find(field.name) {
                        Some(value) => self.avro(field.shape, value, out)?,
                        None => binary::long(0, out),
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A string as Java encodes it.
    fn avro_text(&self, span: Span, out: &mut Vec<u8>) {
        if !self.document.unpaired() {
            return binary::bytes(self.bytes(span), out);
        }
        let mut text = Vec::new();
        self.verbatim(span, &mut text);
        binary::bytes(&text, out);
    }
}
