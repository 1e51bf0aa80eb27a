//! A struct and its schema in bytes.

use super::TooMuch;
use super::shape::{Lookup, Shape, Shapes};
use crate::decode::json::{Document, Node, Span};
use crate::encode::{java, json};
use std::ops::Range;

/// Writes schemas as JsonConverter does.
pub(super) struct SchemaWriter<'w> {
    pub(super) document: &'w Document,
    pub(super) shapes: &'w Shapes,
    pub(super) text: &'w [u8],
    /// Names from the root to where we are, with dots.
    pub(super) path: &'w mut Vec<u8>,
    /// What the root is called, where that is not its name in the path.
    pub(super) called: Option<&'w str>,
    pub(super) out: &'w mut Vec<u8>,
}

impl SchemaWriter<'_> {
    /// Appends a schema. `key` is where in the path its name lies: objects in arrays of arrays have none.
    pub(super) fn write(&mut self, shape: Shape, key: Option<Range<usize>>, field: Option<&[u8]>) {
        self.out.extend_from_slice(b"{\"type\":\"");
        self.out.extend_from_slice(type_name(shape));
        self.out.push(b'"');
        let mut optional = true;
        let mut name = None;
        let called = self.called.take();
        match shape {
            Shape::Array(element) => {
                let element = self.shapes.element(element);
                self.out.extend_from_slice(b",\"items\":");
                let key = key.filter(|_| matches!(element, Shape::Struct { .. }));
                self.write(element, key, None);
            }
            Shape::Struct { first, end, optional: is_optional } => {
                optional = is_optional;
                self.fields(first, end, key.clone());
                name = key;
            }
            _ => {}
        }
        self.out.extend_from_slice(if optional { b",\"optional\":true" } else { b",\"optional\":false" });
        if let Some(name) = name {
            self.out.extend_from_slice(b",\"name\":\"");
            json::escape_bytes(called.map_or(&self.path[name], str::as_bytes), self.out);
            self.out.push(b'"');
        }
        if let Some(field) = field {
            self.out.extend_from_slice(b",\"field\":");
            json::string_bytes(field, self.out);
        }
        self.out.push(b'}');
    }

    fn fields(&mut self, first: u32, end: u32, key: Option<Range<usize>>) {
        self.out.extend_from_slice(b",\"fields\":[");
        let shapes = self.shapes;
        for (index, field) in shapes.fields(first, end).iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            let name = self.document.bytes(self.text, field.name);
            let mark = self.path.len();
            let key = enter(self.path, key.as_ref(), name);
            self.write(field.shape, Some(key), Some(name));
            self.path.truncate(mark);
        }
        self.out.push(b']');
    }
}

/// Puts a field's name behind that of its struct, which is at `key`, and answers where the whole name is.
pub(super) fn enter(path: &mut Vec<u8>, key: Option<&Range<usize>>, name: &[u8]) -> Range<usize> {
    let start = match key {
        Some(key) if !is_blank(&path[key.clone()]) => {
            path.push(b'.');
            key.start
        }
        _ => path.len(),
    };
    path.extend_from_slice(name);
    start..path.len()
}

/// Debezium puts no dot behind a name of nothing but blanks.
fn is_blank(name: &[u8]) -> bool {
    str::from_utf8(name).is_ok_and(|name| name.trim().is_empty())
}

fn type_name(shape: Shape) -> &'static [u8] {
    match shape {
        Shape::Text => b"string",
        Shape::Boolean => b"boolean",
        Shape::Int32 => b"int32",
        Shape::Int64 => b"int64",
        Shape::Float64 => b"double",
        Shape::Bytes => b"bytes",
        Shape::Array(_) => b"array",
        Shape::Struct { .. } => b"struct",
    }
}

/// Writes values. All of them fit their shapes.
pub(super) struct Writer<'w> {
    pub(super) document: &'w Document,
    pub(super) shapes: &'w Shapes,
    pub(super) text: &'w [u8],
    /// When there are more bytes than this, it is enough: what arrays of differing objects become has no bound.
    pub(super) most: usize,
    /// A string of the text that has no escapes needs none: there are no characters in it that Jackson escapes.
    pub(super) is_plain: bool,
}

impl Writer<'_> {
    /// Appends the value as JSON.
    pub(super) fn json(&self, shape: Shape, node: u32, out: &mut Vec<u8>) -> Result<(), TooMuch> {
        match (shape, self.document.node(node)) {
            (_, Node::Text(span)) => self.string(span, out),
            (_, Node::Double(number)) => json::double(number, out),
            (Shape::Array(element), Node::Array { .. }) => {
                let element = self.shapes.element(element);
                out.push(b'[');
                for (index, item) in self.document.items(node).enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    self.json(element, item, out)?;
                }
                out.push(b']');
            }
            (Shape::Struct { first, end, .. }, Node::Object { .. }) => {
                self.check(out)?;
                let mut lookup = Lookup::new(self.document, self.text, node);
                out.push(b'{');
                for (index, field) in self.shapes.fields(first, end).iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    self.string(field.name, out);
                    out.push(b':');
                    match lookup.find(field.name) {
                        Some(value) => self.json(field.shape, value, out)?,
                        None => out.extend_from_slice(b"null"),
                    }
                }
                out.push(b'}');
            }
            (_, scalar) => plain(scalar, out),
        }
        Ok(())
    }

    /// Appends what `toString` gives. Members that are NULL are left out.
    pub(super) fn java(&self, shape: Shape, node: u32, out: &mut Vec<u8>) -> Result<(), TooMuch> {
        match (shape, self.document.node(node)) {
            (_, Node::Text(span)) => self.verbatim(span, out),
            (_, Node::Double(number)) => java::double(number, out),
            (Shape::Array(element), Node::Array { .. }) => {
                let element = self.shapes.element(element);
                out.push(b'[');
                for (index, item) in self.document.items(node).enumerate() {
                    if index > 0 {
                        out.extend_from_slice(b", ");
                    }
                    self.java(element, item, out)?;
                }
                out.push(b']');
            }
            (Shape::Struct { first, end, .. }, Node::Object { .. }) => {
                self.check(out)?;
                let mut lookup = Lookup::new(self.document, self.text, node);
                out.extend_from_slice(b"Struct{");
                let mut is_first = true;
                for field in self.shapes.fields(first, end) {
                    let Some(value) = lookup.find(field.name) else { continue };
                    if matches!(self.document.node(value), Node::Null) {
                        continue;
                    }
                    if !std::mem::take(&mut is_first) {
                        out.push(b',');
                    }
                    self.verbatim(field.name, out);
                    out.push(b'=');
                    self.java(field.shape, value, out)?;
                }
                out.push(b'}');
            }
            (_, scalar) => plain(scalar, out),
        }
        Ok(())
    }

    /// Appends a string of JSON.
    fn string(&self, span: Span, out: &mut Vec<u8>) {
        match self.document.quoted(self.text, span).filter(|_| self.is_plain) {
            Some(quoted) => out.extend_from_slice(quoted),
            None => json::string_bytes(self.bytes(span), out),
        }
    }

    pub(super) fn bytes(&self, span: Span) -> &[u8] {
        self.document.bytes(self.text, span)
    }

    /// A string as Java encodes it: half a surrogate pair is a question mark.
    pub(super) fn verbatim(&self, span: Span, out: &mut Vec<u8>) {
        let bytes = self.bytes(span);
        if !self.document.unpaired() {
            out.extend_from_slice(bytes);
            return;
        }
        let mut rest = bytes;
        while let Some(at) = rest.windows(2).position(|pair| pair[0] == 0xed && pair[1] >= 0xa0) {
            out.extend_from_slice(&rest[..at]);
            out.push(b'?');
            rest = &rest[at + 3..];
        }
        out.extend_from_slice(rest);
    }

    pub(super) fn check(&self, out: &[u8]) -> Result<(), TooMuch> {
        if out.len() > self.most { Err(TooMuch) } else { Ok(()) }
    }
}

/// What looks the same in JSON and in Java.
fn plain(node: Node, out: &mut Vec<u8>) {
    match node {
        Node::Boolean(true) => out.extend_from_slice(b"true"),
        Node::Boolean(false) => out.extend_from_slice(b"false"),
        Node::Int(number) => java::integer(i64::from(number), out),
        Node::Long(number) => java::integer(number, out),
        _ => out.extend_from_slice(b"null"),
    }
}
