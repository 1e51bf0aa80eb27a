//! A JSON payload written by a schema while it is read, as far as it goes on as it mostly does.
//!
//! Enters: a text. Leaves: what [`fill`](super::fill) writes of it, or nothing where there is any doubt.

use super::plan::{Field, Form, Message, Of, Plan, Shape};
use super::scalar::{Json, Scalar, json, set_length};
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
            (Form::Wrapper, first) => self.field(message.fields.first()?, first, out),
            (form @ (Form::Timestamp | Form::Duration | Form::FieldMask), b'"') => {
                self.scalar(first, out, |json, out| well_known::of_text(form, json, out).ok())
            }
            _ => None,
        }
    }

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
    fn field(&mut self, field: &'w Field, first: u8, out: &mut Vec<u8>) -> Option<()> {
        match field.shape {
            Shape::Repeated | Shape::Packed => self.list(field, first, out),
            Shape::Map(key) => self.map(field, key, first, out),
            shape => {
                let start = out.len();
                out.extend_from_slice(&field.key);
                if self.value(field.kind, first, out)? && shape == Shape::Implicit {
                    out.truncate(start);
                }
                Some(())
            }
        }
    }

    /// Appends a value; whether it is the type's zero.
    fn value(&mut self, kind: Of, first: u8, out: &mut Vec<u8>) -> Option<bool> {
        match kind {
            Of::Scalar(scalar) => self.scalar(first, out, |json, out| scalar.write(json, out).ok()),
            Of::Message(message) => {
                let at = out.len();
                out.push(0);
                self.message(message, first, out)?;
                set_length(at, out);
                Some(false)
            }
            Of::Enum(number) => {
                let of = &self.plan.enums[number as usize];
                self.scalar(first, out, |json, out| of.write(json, out).ok())
            }
            Of::Null => self.scalar(first, out, |json, out| json.write_null(out).ok()),
        }
    }

    /// Hands the value that begins here to `write`, if it is no container.
    #[inline(always)]
    fn scalar<T>(
        &mut self,
        first: u8,
        out: &mut Vec<u8>,
        write: impl FnOnce(Json<'_>, &mut Vec<u8>) -> Option<T>,
    ) -> Option<T> {
        let node = self.to.pull.scalar(first)?;
        write(json(self.to.pull.texts(), node).ok()?, out)
    }

    /// Appends an item of a list, or a map's value.
    fn item(&mut self, field: &'w Field, first: u8, out: &mut Vec<u8>) -> Option<()> {
        if first == b'n' && !field.takes_null(&self.plan.messages) {
            return None;
        }
        self.value(field.kind, first, out).map(|_| ())
    }

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
                out.extend_from_slice(&field.key);
            }
            self.item(field, first, out)?;
            item = self.to.next(b']')?;
        }
        if is_packed {
            set_length(start - 1, out);
        }
        Some(())
    }

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
            self.item(field, first, out)?;
            set_length(at, out);
            member = self.to.next(b'}')?;
        }
        Some(())
    }
}

#[cfg(test)]
#[path = "straight_tests.rs"]
mod tests;
