//! A struct as ProtobufConverter writes it.

use super::shape::{Lookup, Shape};
use super::write::Writer;
use super::{NotWritten, TooMuch};
use crate::decode::json::{Node, Span};
use crate::encode::Inferring;
use crate::encode::inferred::message::{Place, Scalar};

impl Writer<'_> {
    /// Appends the members of the struct at this node. What is NULL is absent.
    pub(super) fn protobuf(
        &self,
        (first, end): (u32, u32),
        node: u32,
        how: Inferring,
        out: &mut Vec<u8>,
    ) -> Result<(), NotWritten> {
        self.check(out)?;
        let mut lookup = Lookup::new(self.document, self.text, node);
        for (number, field) in (1..).zip(self.shapes.fields(first, end)) {
            if let Some(value) = lookup.find(field.name) {
                self.member(field.shape, value, Place { number, optional: true, how }, out)?;
            }
        }
        Ok(())
    }

    /// Appends a value as a field. One that is NULL is absent.
    pub(super) fn member(
        &self,
        shape: Shape,
        node: u32,
        place: Place,
        out: &mut Vec<u8>,
    ) -> Result<(), NotWritten> {
        match (shape, self.document.node(node)) {
            (_, Node::Null) => Ok(()),
            (Shape::Array(element), Node::Array { .. }) => {
                self.list(self.shapes.element(element), node, place, out)
            }
            (Shape::Struct { first, end, .. }, Node::Object { .. }) => {
                place.message(out, |out| self.protobuf((first, end), node, place.how, out))
            }
            (_, value) => self.scalar(value, |scalar| place.scalar(scalar, out)).ok_or(NotWritten::Unfit),
        }
    }

    fn list(&self, element: Shape, node: u32, place: Place, out: &mut Vec<u8>) -> Result<(), NotWritten> {
        let mut items = self.document.items(node);
        match element {
            Shape::Struct { first, end, .. } => items.try_for_each(|item| match self.document.node(item) {
                Node::Object { .. } => {
                    place.message(out, |out| self.protobuf((first, end), item, place.how, out))
                }
                _ => Err(NotWritten::Unfit),
            }),
            Shape::Boolean | Shape::Int32 | Shape::Int64 | Shape::Float64 if !place.how.wrapper => {
                if self.document.items(node).next().is_none() {
                    return Ok(());
                }
                place.message(out, |out| {
                    items.try_for_each(|item| {
                        let value = self.document.node(item);
                        self.scalar(value, |scalar| scalar.write(out)).ok_or(NotWritten::Unfit)
                    })
                })
            }
            _ => items.try_for_each(|item| {
                let value = self.document.node(item);
                self.scalar(value, |scalar| place.element(scalar, out)).ok_or(NotWritten::Unfit)
            }),
        }
    }

    fn scalar(&self, value: Node, write: impl FnOnce(&Scalar<'_>)) -> Option<()> {
        match value {
            Node::Boolean(is) => write(&Scalar::Varint(u64::from(is))),
            Node::Int(number) => write(&Scalar::whole(i64::from(number))),
            Node::Long(number) => write(&Scalar::whole(number)),
            Node::Double(number) => write(&Scalar::Double(number)),
            Node::Text(span) => self.with_text(span, write),
            _ => return None,
        }
        Some(())
    }

    /// A string as Java encodes it.
    fn with_text(&self, span: Span, write: impl FnOnce(&Scalar<'_>)) {
        if !self.document.unpaired() {
            return write(&Scalar::Bytes(self.bytes(span)));
        }
        let mut text = Vec::new();
        self.verbatim(span, &mut text);
        write(&Scalar::Bytes(&text));
    }
}

impl From<TooMuch> for NotWritten {
    fn from(_: TooMuch) -> NotWritten {
        NotWritten::TooMuch
    }
}
