//! A JSON payload, message by message.

use super::plan::{Enum, Field, Form, Message, Of, Plan, Shape};
use super::scalar::{Json, json, set_length, unpaired};
use super::straight::Writer;
use crate::decode::json::{Document, Node, Span, Texts};
use crate::encode::framed::filler::{Filler, Known, NONE, Orders, UNKNOWN, place, unknown_member};
use crate::encode::framed::straight::Straight;
use crate::encode::framed::{Mismatch, Step, UnknownFields};

/// Appends the payload. `known` is of this plan.
pub(in crate::encode) fn write(
    plan: &Plan,
    filler: &mut Filler,
    known: &mut Known,
    unknown: UnknownFields,
    text: &str,
    out: &mut Vec<u8>,
) -> Result<(), Box<Mismatch>> {
    let straight = |to: Straight<'_>, out: &mut Vec<u8>| Writer { plan, to }.payload(out);
    if filler.straight(&mut known.haste, unknown, text, out, straight) {
        return Ok(());
    }
    node_by_node(plan, filler, &mut known.orders, unknown, text, out)
}

/// The same by the road on which everything can be told.
pub(super) fn node_by_node(
    plan: &Plan,
    filler: &mut Filler,
    orders: &mut Orders,
    unknown: UnknownFields,
    text: &str,
    out: &mut Vec<u8>,
) -> Result<(), Box<Mismatch>> {
    let text = filler.read(text)?;
    orders.resize(plan.messages.len(), Vec::new());
    let Filler { document, slots, .. } = filler;
    let (messages, enums) = (&plan.messages, &plan.enums);
    Fill { messages, enums, document, text, orders, slots, unknown, depth: 0 }.message(0, 0, out)
}

pub(super) struct Fill<'f> {
    messages: &'f [Message],
    enums: &'f [Enum],
    pub(super) document: &'f Document,
    text: &'f [u8],
    orders: &'f mut Orders,
    slots: &'f mut Vec<u32>,
    unknown: UnknownFields,
    depth: usize,
}

/// Messages within messages: readers refuse more.
const DEEPEST: usize = 100;

impl<'f> Fill<'f> {
    /// Appends a message, without its length.
    pub(super) fn message(
        &mut self,
        message: u32,
        node: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<Mismatch>> {
        let known = &self.messages[message as usize];
        self.deeper(|fill| match (known.form, fill.document.node(node)) {
            (Form::Fields, Node::Object { .. }) => fill.fields(message, known, node, out),
            (Form::Fields, _) => Err(fill.json(node)?.not("a message")),
            (Form::Wrapper, _) => known.fields.first().map_or(Ok(()), |field| fill.field(field, node, out)),
            (form, _) => fill.well_known(form, node, out),
        })
    }

    /// One level down.
    pub(super) fn deeper(
        &mut self,
        write: impl FnOnce(&mut Fill<'f>) -> Result<(), Box<Mismatch>>,
    ) -> Result<(), Box<Mismatch>> {
        if self.depth == DEEPEST {
            return Err(Mismatch::new("is nested deeper than readers of Protobuf go"));
        }
        self.depth += 1;
        let written = write(self);
        self.depth -= 1;
        written
    }

    fn fields(
        &mut self,
        number: u32,
        message: &'f Message,
        node: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<Mismatch>> {
        let base = self.slots.len();
        self.slots.resize(base + message.fields.len(), NONE);
        self.members(number, message, node, base)?;
        let mut oneofs = 0u64;
        for (place, field) in message.fields.iter().enumerate() {
            let value = self.slots[base + place];
            let is_null = value != NONE && matches!(self.document.node(value), Node::Null);
            let written = if value == NONE || is_null && !field.takes_null(self.messages) {
                match field.shape {
                    Shape::Required => Err(Mismatch::new("is missing, and the schema requires it")),
                    _ => Ok(()),
                }
            } else if field.oneof.is_some_and(|oneof| oneofs >> (oneof % 64) & 1 == 1)
                && self.is_second(message, place, base)
            {
                Err(Mismatch::new("is there beside another field of its oneof"))
            } else {
                oneofs |= field.oneof.map_or(0, |oneof| 1 << (oneof % 64));
                self.field(field, value, out)
            };
            written.map_err(|mismatch| mismatch.within(Step::Field(field.name.to_string())))?;
        }
        self.slots.truncate(base);
        Ok(())
    }

    /// Whether a field before this one, of the same oneof, is there.
    fn is_second(&self, message: &Message, place: usize, base: usize) -> bool {
        let oneof = message.fields[place].oneof;
        message.fields[..place].iter().zip(&self.slots[base..]).any(|(field, value)| {
            let is_there = *value != NONE
                && (field.takes_null(self.messages) || !matches!(self.document.node(*value), Node::Null));
            field.oneof == oneof && is_there
        })
    }

    /// Notes where the value of each field is.
    fn members(
        &mut self,
        number: u32,
        message: &Message,
        node: u32,
        base: usize,
    ) -> Result<(), Box<Mismatch>> {
        let (document, order) = (self.document, &mut self.orders[number as usize]);
        for (at, (name, value)) in document.own_members(node).enumerate() {
            let name = document.bytes(self.text, name);
            let is_called = |place| message.is_called(place, name);
            let place = place(order, at, message.fields.len(), is_called, || message.find(name));
            if place != UNKNOWN {
                let slot = &mut self.slots[base + usize::from(place)];
                if std::mem::replace(slot, value) != NONE {
                    return Err(Mismatch::new("is there under both its names").within(unknown_member(name)));
                }
            } else if self.unknown == UnknownFields::Refuse {
                return Err(Mismatch::new("is not in the schema").within(unknown_member(name)));
            }
        }
        Ok(())
    }

    /// Appends a field, with its key; nothing if there is nothing to tell.
    fn field(&mut self, field: &'f Field, node: u32, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        let start = out.len();
        match field.shape {
            Shape::Optional | Shape::Required => {
                self.keyed(field, node, out)?;
            }
            Shape::Implicit => {
                if self.keyed(field, node, out)? {
                    out.truncate(start);
                }
            }
            Shape::Repeated | Shape::Packed => return self.list(field, node, out),
            Shape::Map(_) => return self.map(field, node, out),
        }
        Ok(())
    }

    /// Appends key and value; answers whether it is the type's zero.
    fn keyed(&mut self, field: &Field, node: u32, out: &mut Vec<u8>) -> Result<bool, Box<Mismatch>> {
        out.extend_from_slice(&field.key);
        self.value(field.kind, node, out)
    }

    fn value(&mut self, kind: Of, node: u32, out: &mut Vec<u8>) -> Result<bool, Box<Mismatch>> {
        match kind {
            Of::Scalar(scalar) => scalar.write(self.json(node)?, out),
            Of::Enum(number) => self.enums[number as usize].write(self.json(node)?, out),
            Of::Null => self.json(node)?.write_null(out),
            Of::Message(message) => {
                self.sized(out, |fill, out| fill.message(message, node, out))?;
                Ok(false)
            }
        }
    }

    /// Appends what `write` appends, and its length before it.
    pub(super) fn sized(
        &mut self,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Fill<'f>, &mut Vec<u8>) -> Result<(), Box<Mismatch>>,
    ) -> Result<(), Box<Mismatch>> {
        let at = out.len();
        out.push(0);
        write(self, out)?;
        set_length(at, out);
        Ok(())
    }

    fn list(&mut self, field: &'f Field, node: u32, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        let document = self.document;
        let Node::Array { .. } = document.node(node) else { return Err(self.json(node)?.not("an array")) };
        if document.items(node).next().is_none() {
            return Ok(());
        }
        let item = |fill: &mut Fill<'f>, number: usize, item: u32, out: &mut Vec<u8>| {
            let written = match document.node(item) {
                Node::Null if !field.takes_null(fill.messages) => {
                    Err(Mismatch::new("is null, and may not be"))
                }
                _ => fill.value(field.kind, item, out).map(|_| ()),
            };
            written.map_err(|mismatch| mismatch.within(Step::Item(number)))
        };
        if field.shape == Shape::Packed {
            out.extend_from_slice(&field.key);
            return self.sized(out, |fill, out| {
                document.items(node).enumerate().try_for_each(|(number, node)| item(fill, number, node, out))
            });
        }
        for (number, node) in document.items(node).enumerate() {
            out.extend_from_slice(&field.key);
            item(self, number, node, out)?;
        }
        Ok(())
    }

    fn map(&mut self, field: &'f Field, node: u32, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        let document = self.document;
        let (Node::Object { .. }, Shape::Map(key)) = (document.node(node), field.shape) else {
            return Err(self.json(node)?.not("a map"));
        };
        let wire_type = field.kind.wire_type();
        for (name, value) in document.own_members(node) {
            out.extend_from_slice(&field.key);
            let name = self.string(name)?;
            let written = self.sized(out, |fill, out| {
                out.push(1 << 3 | key.wire_type() as u8);
                key.write_key(name, out)?;
                out.push(2 << 3 | wire_type as u8);
                if matches!(document.node(value), Node::Null) && !field.takes_null(fill.messages) {
                    return Err(Mismatch::new("is null, and may not be"));
                }
                fill.value(field.kind, value, out).map(|_| ())
            });
            written.map_err(|mismatch| mismatch.within(Step::Value))?;
        }
        Ok(())
    }

    /// The value of a node that holds no others.
    pub(super) fn json(&self, node: u32) -> Result<Json<'f>, Box<Mismatch>> {
        json(Texts::new(self.document, self.text), self.document.node(node))
    }

    /// A string's UTF-8. Half a surrogate pair has none.
    pub(super) fn string(&self, span: Span) -> Result<&'f [u8], Box<Mismatch>> {
        Texts::new(self.document, self.text).utf8(span).ok_or_else(unpaired)
    }
}
