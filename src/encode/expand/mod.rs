//! JSON payloads taken apart (`table.expand.json.payload`): a text becomes a struct, with the schema that Debezium's
//! router infers of it.
//!
//! Enters: the payload's text. Leaves: a [`Reading`], and on request the struct's schema and itself, as JsonConverter or
//! as `toString` prints them. The lists inside are filled again for each event. Not done here: what is not JSON stays
//! the text it is, which the encoder sees to.
//!
//! Known not to be Debezium's: an array's objects that differ are united in the order of the text (there it is that of a
//! Java HashSet of schemas, which differs between runs), and a schema of more than a thousand levels is written (there
//! Jackson refuses to, and the task dies).

mod avro;
mod protobuf;
mod shape;
mod write;

pub use crate::decode::json::Renaming;

use super::avro::{InvalidName, SchemaText};
use super::inferred::message::Place;
use super::{Inferring, json};
use crate::decode::json::Document;
use shape::{Shape, Shapes};
use std::ops::Range;

/// `table.json.payload.null.behavior`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// A member that is NULL is dropped.
    Ignore,
    /// It is kept as optional bytes.
    OptionalBytes,
}

/// How payloads are taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expand {
    /// What becomes of NULLs.
    pub nulls: Nulls,
    /// What becomes of names.
    pub renaming: Renaming,
}

impl From<Nulls> for Expand {
    fn from(nulls: Nulls) -> Expand {
        Expand { nulls, renaming: Renaming::Never }
    }
}

/// What a payload is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reading {
    /// A struct.
    Struct(Root),
    /// Not JSON, or JSON of which Debezium makes no schema: a string as it was.
    Text,
    /// An array without elements at the root: a string that has lost its schema.
    Empty,
    /// JSON that has a schema and does not fit it. Debezium 3.6 goes on with the schema and the string, and of any
    /// converter but StringConverter the task dies; from 3.7 on it goes on with the string.
    Unfit,
}

/// The root of a struct that was read last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Root {
    shape: Shape,
    /// What its schema is called, where that is not the name that goes before those of the structs in it.
    called: Option<&'static str>,
}

impl Root {
    /// The same, with a name of its own and never null.
    pub(super) fn called(self, name: &'static str) -> Root {
        let shape = match self.shape {
            Shape::Struct { first, end, .. } => Shape::Struct { first, end, optional: false },
            other => other,
        };
        Root { shape, called: Some(name) }
    }
}

/// The payload that was read last. Its `Debug` shows no content.
pub(super) struct Expander {
    how: Expand,
    /// An array at the root is taken apart as well.
    arrays: bool,
    document: Document,
    shapes: Shapes,
    /// The schema name at hand.
    path: Vec<u8>,
}

impl std::fmt::Debug for Expander {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Expander({:?}, {:?}, {:?})", self.how, self.document, self.shapes)
    }
}

/// Writing ended early: the record is too large already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

/// Why a struct is not written in Protobuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotWritten {
    /// The record is too large already.
    TooMuch,
    /// There is a NULL in an array, which Protobuf has not.
    Unfit,
}

impl Expander {
    /// An expander that has read nothing.
    pub(super) fn new(how: Expand) -> Expander {
        let (document, shapes) = (Document::default(), Shapes::default());
        Expander { how, arrays: false, document, shapes, path: Vec::new() }
    }

    /// One for what was a member of a JSON text, and is taken apart whether it is an object or an array.
    pub(super) fn of_members(nulls: Nulls) -> Expander {
        Expander { arrays: true, ..Expander::new(nulls.into()) }
    }

    /// Reads a payload.
    pub(super) fn read(&mut self, text: &str) -> Reading {
        let text = text.as_bytes();
        if !matches!(text.first(), Some(b'{' | b'[')) || self.document.read(text, self.how.renaming).is_none()
        {
            return Reading::Text;
        }
        match self.shapes.infer(&self.document, text, self.how.nulls == Nulls::OptionalBytes) {
            Err(shape::NoSchema) => Reading::Text,
            Ok(None) => Reading::Empty,
            Ok(Some(root)) if self.takes(root) && self.shapes.fit(&self.document, text, root) => {
                Reading::Struct(Root { shape: root, called: None })
            }
            Ok(Some(_)) => Reading::Unfit,
        }
    }

    fn takes(&self, root: Shape) -> bool {
        self.arrays || matches!(root, Shape::Struct { .. })
    }

    /// Appends the schema of the struct that was read, named `name`; as a member of another, `field` comes last.
    pub(super) fn schema(
        &mut self,
        text: &str,
        root: Root,
        name: &str,
        field: Option<&str>,
        out: &mut Vec<u8>,
    ) {
        self.path.clear();
        self.path.extend_from_slice(name.as_bytes());
        let key: Option<Range<usize>> = Some(0..self.path.len());
        let (document, shapes, text) = (&self.document, &self.shapes, text.as_bytes());
        let mut writer =
            write::SchemaWriter { document, shapes, text, path: &mut self.path, called: root.called, out };
        writer.write(root.shape, key, field.map(str::as_bytes));
    }

    /// Appends the struct as JSON, until there are more than `most` bytes.
    pub(super) fn json(&self, text: &str, root: Root, most: usize, out: &mut Vec<u8>) -> Result<(), TooMuch> {
        self.writer(text, most, out).json(root.shape, 0, out)
    }

    /// Appends the struct's schema as Avro has it.
    pub(super) fn avro_schema(
        &mut self,
        text: &str,
        root: Root,
        name: &str,
        to: &mut SchemaText,
    ) -> Result<(), InvalidName> {
        self.path.clear();
        self.path.extend_from_slice(name.as_bytes());
        let key: Option<Range<usize>> = Some(0..self.path.len());
        let (document, shapes, text) = (&self.document, &self.shapes, text.as_bytes());
        avro::AvroSchema { document, shapes, text, path: &mut self.path, called: root.called }
            .write(root.shape, key, to)
    }

    /// Appends the struct in Avro's binary encoding.
    pub(super) fn avro(&self, text: &str, root: Root, most: usize, out: &mut Vec<u8>) -> Result<(), TooMuch> {
        self.writer(text, most, out).avro(root.shape, 0, out)
    }

    /// Appends the members of the struct in Protobuf's binary encoding.
    pub(super) fn protobuf(
        &self,
        text: &str,
        root: Root,
        (most, how): (usize, Inferring),
        out: &mut Vec<u8>,
    ) -> Result<(), NotWritten> {
        match root.shape {
            Shape::Struct { first, end, .. } => {
                self.writer(text, most, out).protobuf((first, end), 0, how, out)
            }
            _ => Err(NotWritten::Unfit),
        }
    }

    /// Appends the struct as a field of another.
    pub(super) fn protobuf_field(
        &self,
        text: &str,
        root: Root,
        (most, place): (usize, Place),
        out: &mut Vec<u8>,
    ) -> Result<(), NotWritten> {
        self.writer(text, most, out).member(root.shape, 0, place, out)
    }

    /// Appends what `Struct.toString` gives.
    pub(super) fn java(&self, text: &str, root: Root, most: usize, out: &mut Vec<u8>) -> Result<(), TooMuch> {
        self.writer(text, most, out).java(root.shape, 0, out)
    }

    fn writer<'w>(&'w self, text: &'w str, most: usize, out: &[u8]) -> write::Writer<'w> {
        let (document, shapes, text) = (&self.document, &self.shapes, text.as_bytes());
        let is_plain = text.iter().fold(0, |most, byte| most.max(*byte)) < json::WIDE_FROM;
        write::Writer { document, shapes, text, most: most.saturating_add(out.len()), is_plain }
    }
}

#[cfg(test)]
mod tests;
