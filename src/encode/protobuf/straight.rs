//! A JSON payload written by a schema while it is read, as far as it goes on as it mostly does.
//!
//! Enters: a text. Leaves: what [`fill`](super::fill) writes of it, or nothing where there is any doubt.

use super::plan::{Field, Form, Message, Of, Plan, Shape};
use super::scalar::{Scalar, bytes, json, set_length, varint};
use super::well_known;
use crate::encode::framed::straight::Straight;

/// A payload that is being written.
pub(super) struct Writer<'w> {
    pub(super) plan: &'w Plan,
    pub(super) to: Straight<'w>,
}

impl<'w> Writer<'w> {
    /// Appends the payload.
    pub(super) fn payload(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let first = self.to.pull.peek()?;
        self.message(0, first, out)
    }

    /// Appends the message that begins here, with this byte; not its length.
    fn message(&mut self, message: u32, first: u8, out: &mut Vec<u8>) -> Option<()> {
        let message = &self.plan.messages[message as usize];
        match (message.form, first) {
            (Form::Fields, b'{') => self.fields(message, out),
            (Form::Wrapper, first) => self.boxed(message.fields.first()?, first, out),
            (form @ (Form::Timestamp | Form::Duration | Form::FieldMask), b'"') => {
                let node = self.to.pull.scalar(first)?;
                well_known::of_text(form, json(self.to.pull.texts(), node).ok()?, out).ok()
            }
            _ => None,
        }
    }

    /// Appends the one field of a wrapper.
    #[inline(never)]
    fn boxed(&mut self, field: &'w Field, first: u8, out: &mut Vec<u8>) -> Option<()> {
        self.field(field, first, out)
    }

    #[inline(never)]
    fn fields(&mut self, message: &'w Message, out: &mut Vec<u8>) -> Option<()> {
        let names = message.names.as_ref()?;
        let (mut open, mut oneofs) = (self.to.open(out), 0u64);
        let mut member = self.to.enter(b'}')?;
        while let Some(first) = member {
            if let Some(place) = self.to.member(&open, names, first)? {
                let field = &message.fields[place];
                self.to.begin(&mut open, place, message.fields.len(), out)?;
                let first = self.to.pull.colon()?;
                if first == b'n' && !field.takes_null(&self.plan.messages) {
                    // As if it were not there.
                    self.to.pull.scalar(first).filter(|_| field.shape != Shape::Required)?;
                } else {
                    if let Some(oneof) = field.oneof {
                        let mark = 1u64.checked_shl(oneof.into()).filter(|mark| oneofs & mark == 0)?;
                        oneofs |= mark;
                    }
                    self.field(field, first, out)?;
                }
            }
            member = self.to.next(b'}')?;
        }
        if !message.required.iter().all(|place| open.has(*place)) {
            return None;
        }
        if !open.in_order {
            return self.to.reorder(&open, message.fields.len(), out, |_, _| Some(()));
        }
        self.to.close(&open);
        Some(())
    }

    /// Appends a field, with its key; nothing if there is nothing to tell.
    #[inline(always)]
    fn field(&mut self, field: &'w Field, first: u8, out: &mut Vec<u8>) -> Option<()> {
        match field.shape {
            Shape::Repeated | Shape::Packed => self.list(field, first, out),
            Shape::Map(key) => self.map(field, key, first, out),
            shape => {
                let start = out.len();
                key_of(field, out);
                if self.value(field.kind, first, out)? && shape == Shape::Implicit {
                    out.truncate(start);
                }
                Some(())
            }
        }
    }

    /// Appends a value, and answers whether it is the type's zero: what comes most often.
    #[inline(always)]
    fn value(&mut self, kind: Of, first: u8, out: &mut Vec<u8>) -> Option<bool> {
        match kind {
            Of::Scalar(Scalar::String) if first == b'"' => {
                if let Some(text) = self.to.pull.plain() {
                    bytes(text, out);
                    return Some(text.is_empty());
                }
            }
            Of::Scalar(Scalar::Int32 | Scalar::Int64) => {
                if let Some(number) = self.to.pull.whole(first) {
                    let fits = kind == Of::Scalar(Scalar::Int64) || number <= i32::MAX.into();
                    varint(number as u64, out);
                    return fits.then_some(number == 0);
                }
            }
            Of::Message(message) => {
                let at = out.len();
                out.push(0);
                self.message(message, first, out)?;
                set_length(at, out);
                return Some(false);
            }
            _ => {}
        }
        self.other(kind, first, out)
    }

    /// The same for any value but a message.
    #[inline(never)]
    fn other(&mut self, kind: Of, first: u8, out: &mut Vec<u8>) -> Option<bool> {
        let node = self.to.pull.scalar(first)?;
        let json = json(self.to.pull.texts(), node).ok()?;
        let written = match kind {
            Of::Scalar(scalar) => scalar.write(json, out),
            Of::Enum(number) => self.plan.enums[number as usize].write(json, out),
            Of::Null => json.write_null(out),
            Of::Message(_) => return None,
        };
        written.ok()
    }

    #[inline(never)]
    fn list(&mut self, field: &'w Field, first: u8, out: &mut Vec<u8>) -> Option<()> {
        let mut item = if first == b'[' { self.to.enter(b']')? } else { return None };
        let is_packed = field.shape == Shape::Packed && item.is_some();
        if is_packed {
            out.extend_from_slice(&field.key);
            out.push(0);
        }
        let start = out.len();
        while let Some(first) = item {
            if !is_packed {
                key_of(field, out);
            }
            self.value(field.kind, first, out)?;
            item = self.to.next(b']')?;
        }
        if is_packed {
            set_length(start - 1, out);
        }
        Some(())
    }

    #[inline(never)]
    fn map(&mut self, field: &'w Field, key: Scalar, first: u8, out: &mut Vec<u8>) -> Option<()> {
        let mut member = if first == b'{' { self.to.enter(b'}')? } else { return None };
        let mut seen = 0;
        while let Some(first) = member {
            let name = self.to.pull.name(first)?;
            let mark = self.to.pull.mark(name).filter(|mark| seen & mark == 0)?;
            seen |= mark;
            out.extend_from_slice(&field.key);
            let at = out.len();
            out.extend_from_slice(&[0, 1 << 3 | key.wire_type() as u8]);
            key.write_key(self.to.pull.texts().utf8(name)?, out).ok()?;
            out.push(2 << 3 | field.kind.wire_type() as u8);
            let first = self.to.pull.colon()?;
            self.value(field.kind, first, out)?;
            set_length(at, out);
            member = self.to.next(b'}')?;
        }
        Some(())
    }
}

/// Appends what stands before a field's value: one byte, for the first fifteen.
#[inline(always)]
fn key_of(field: &Field, out: &mut Vec<u8>) {
    match *field.key {
        [key] => out.push(key),
        ref key => out.extend_from_slice(key),
    }
}

#[cfg(test)]
#[path = "straight_tests.rs"]
mod tests;
