//! A JSON payload encoded by a registered schema: checked, defaults filled in, logical types read.
//!
//! Enters: a text and a [`Plan`]. Leaves: Avro's binary encoding, or a [`Mismatch`] with the path of what does not fit:
//! names of fields and numbers of items, never a value. Nothing is allocated for an event that fits, but what grows once.

use super::binary;
use super::logical;
use super::plan::{Plan, Reading, Record, Type};
use crate::decode::json::{Document, Node, Span};
use crate::encode::framed::filler::{Filler, NONE, Orders, UNKNOWN, place, unknown_member};
use crate::encode::framed::{Mismatch, Step, UnknownFields};
use base64::Engine;

/// Appends the payload. `orders` are of this plan.
pub(in crate::encode) fn write(
    plan: &Plan,
    filler: &mut Filler,
    orders: &mut Orders,
    unknown: UnknownFields,
    text: &str,
    out: &mut Vec<u8>,
) -> Result<(), Box<Mismatch>> {
    let text = filler.read(text)?;
    orders.resize(plan.records, Vec::new());
    let Filler { document, slots } = filler;
    Fill { types: &plan.types, document, text, orders, slots, unknown }.value(plan.root, 0, out)
}

struct Fill<'f> {
    types: &'f [Type],
    document: &'f Document,
    text: &'f [u8],
    orders: &'f mut Orders,
    slots: &'f mut Vec<u32>,
    unknown: UnknownFields,
}

impl<'f> Fill<'f> {
    fn value(&mut self, type_: u32, node: u32, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        let types = self.types;
        match (&types[type_ as usize], self.document.node(node)) {
            (Type::Record(record), Node::Object { .. }) => return self.record(record, node, out),
            (Type::Union(branches), value) => return self.union(branches, value, node, out),
            (Type::Text(reading), Node::Text(span)) => {
                let text = self.string(span)?;
                if *reading == Reading::Uuid {
                    logical::uuid(text).map_err(Mismatch::new)?;
                }
                binary::bytes(text, out);
            }
            (Type::Long(reading), value) => return self.long(*reading, value, out),
            (Type::Int(reading), value) => return self.int(*reading, value, out),
            (Type::Double, Node::Int(number)) => binary::double(f64::from(number), out),
            (Type::Double, value @ (Node::Long(_) | Node::Number(_) | Node::Text(_))) => {
                binary::double(self.double(value)?, out);
            }
            (Type::Float, Node::Int(number)) => out.extend_from_slice(&(number as f32).to_le_bytes()),
            (Type::Float, value @ (Node::Long(_) | Node::Number(_) | Node::Text(_))) => {
                out.extend_from_slice(&(self.double(value)? as f32).to_le_bytes());
            }
            (Type::Boolean, Node::Boolean(is)) => out.push(u8::from(is)),
            (Type::Null, Node::Null) => {}
            (Type::Array(element), Node::Array { .. }) => return self.array(*element, node, out),
            (Type::Map(element), Node::Object { .. }) => return self.map(*element, node, out),
            (Type::Enum(symbols), Node::Text(span)) => {
                let text = self.string(span)?;
                let place = symbols.iter().position(|symbol| **symbol == *text);
                let place = place.ok_or_else(|| Mismatch::new("is none of the enum's symbols"))?;
                binary::long(place as i64, out);
            }
            (Type::Bytes(reading), value) => return self.bytes(*reading, value, out),
            (Type::Fixed { size, reading }, value) => return self.fixed(*size, *reading, value, out),
            (expected, value) => return Err(not(value, expected)),
        }
        Ok(())
    }

    fn record(&mut self, record: &'f Record, node: u32, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        let document = self.document;
        let mut members = document.own_members(node);
        let mut next = members.next();
        // Mostly they come in the order of the fields.
        for (place, field) in record.fields.iter().enumerate() {
            let value = match next {
                Some((name, value)) if document.bytes(self.text, name) == field.name.as_bytes() => value,
                _ => return self.others(record, place, next.into_iter().chain(members), out),
            };
            next = members.next();
            if let Err(mismatch) = self.value(field.type_, value, out) {
                // Members that are not in the schema are told first.
                let mut others = next.into_iter().chain(members);
                others.try_for_each(|(name, _)| self.place_of(record, 0, name).map(|_| ()))?;
                return Err(mismatch.within(Step::Field(field.name.to_string())));
            }
        }
        match next {
            None => Ok(()),
            next => self.others(record, record.fields.len(), next.into_iter().chain(members), out),
        }
    }

    /// The fields of a record from the one at `first` on, which are these members, in whatever order.
    fn others(
        &mut self,
        record: &'f Record,
        first: usize,
        members: impl Iterator<Item = (Span, u32)>,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<Mismatch>> {
        let base = self.slots.len();
        let fields = &record.fields[first..];
        self.slots.resize(base + fields.len(), NONE);
        for (at, (name, value)) in members.enumerate() {
            let place = usize::from(self.place_of(record, at, name)?);
            if let Some(slot) = place.checked_sub(first).and_then(|place| self.slots.get_mut(base + place)) {
                *slot = value;
            }
        }
        for (place, field) in fields.iter().enumerate() {
            let written = match (self.slots[base + place], &field.default) {
                (NONE, Some(default)) => {
                    out.extend_from_slice(default);
                    Ok(())
                }
                (NONE, None) => Err(Mismatch::new("is missing, and the schema has no default for it")),
                (value, _) => self.value(field.type_, value, out),
            };
            written.map_err(|mismatch| mismatch.within(Step::Field(field.name.to_string())))?;
        }
        self.slots.truncate(base);
        Ok(())
    }

    /// The place of the field of this name, which comes as number `at`; [`UNKNOWN`] for one that may be left out.
    fn place_of(&mut self, record: &Record, at: usize, name: Span) -> Result<u16, Box<Mismatch>> {
        let name = self.document.bytes(self.text, name);
        let is_called =
            |place| record.fields.get(usize::from(place)).is_some_and(|field| field.name.as_bytes() == name);
        let order = &mut self.orders[record.number];
        let place = place(order, at, record.fields.len(), is_called, || record.find(name));
        match place {
            UNKNOWN if self.unknown == UnknownFields::Refuse => {
                Err(Mismatch::new("is not in the schema").within(unknown_member(name)))
            }
            place => Ok(place),
        }
    }

    fn union(
        &mut self,
        branches: &[u32],
        value: Node,
        node: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<Mismatch>> {
        let (start, slots) = (out.len(), self.slots.len());
        let is_null = matches!(value, Node::Null);
        let mut tried = None;
        let mut count = 0;
        for (number, branch) in branches.iter().enumerate() {
            if is_null != matches!(self.types[*branch as usize], Type::Null) {
                continue;
            }
            count += 1;
            binary::long(number as i64, out);
            match self.value(*branch, node, out) {
                Ok(()) => return Ok(()),
                Err(mismatch) => tried = Some(mismatch),
            }
            out.truncate(start);
            self.slots.truncate(slots);
        }
        match (tried, count) {
            (Some(mismatch), 1) => Err(mismatch),
            (Some(_), _) => Err(Mismatch::new("fits no branch of the union")),
            (None, _) if is_null => Err(Mismatch::new("is null, and may not be")),
            (None, _) => Err(Mismatch::new("is not null, and must be")),
        }
    }

    fn array(&mut self, element: u32, node: u32, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        let document = self.document;
        let count = document.items(node).count();
        if count > 0 {
            binary::long(count as i64, out);
        }
        for (number, item) in document.items(node).enumerate() {
            self.value(element, item, out).map_err(|mismatch| mismatch.within(Step::Item(number)))?;
        }
        binary::long(0, out);
        Ok(())
    }

    fn map(&mut self, element: u32, node: u32, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        let document = self.document;
        let count = document.own_members(node).count();
        if count > 0 {
            binary::long(count as i64, out);
        }
        for (key, value) in document.own_members(node) {
            binary::bytes(self.string(key)?, out);
            self.value(element, value, out).map_err(|mismatch| mismatch.within(Step::Value))?;
        }
        binary::long(0, out);
        Ok(())
    }

    fn int(&self, reading: Reading, value: Node, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        let number = match (value, reading) {
            (Node::Int(number), _) => i64::from(number),
            (Node::Text(span), Reading::Date) => self.text(span, logical::date)?,
            (Node::Text(span), Reading::TimeMillis) => self.text(span, |text| logical::time(text, 1_000))?,
            (Node::Long(_) | Node::Number(_), _) => return Err(Mismatch::new("is a number, but no int")),
            (value, _) => return Err(not(value, &Type::Int(reading))),
        };
        binary::long(number, out);
        Ok(())
    }

    fn long(&self, reading: Reading, value: Node, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        let number = match (value, reading) {
            (Node::Int(number), _) => i64::from(number),
            (Node::Long(number), _) => number,
            (Node::Text(span), Reading::TimeMicros) => {
                self.text(span, |text| logical::time(text, 1_000_000))?
            }
            (Node::Text(span), Reading::Timestamp { per_second, local }) => {
                self.text(span, |text| logical::timestamp(text, per_second, local))?
            }
            (Node::Number(_), _) => return Err(Mismatch::new("is a number, but no long")),
            (value, _) => return Err(not(value, &Type::Long(reading))),
        };
        binary::long(number, out);
        Ok(())
    }

    fn double(&self, value: Node) -> Result<f64, Box<Mismatch>> {
        match value {
            Node::Long(number) => Ok(number as f64),
            Node::Number(span) => {
                let text = str::from_utf8(self.document.bytes(self.text, span)).unwrap_or_default();
                text.parse().map_err(|_| Mismatch::new("is no number"))
            }
            Node::Text(span) => match self.document.bytes(self.text, span) {
                b"NaN" => Ok(f64::NAN),
                b"Infinity" => Ok(f64::INFINITY),
                b"-Infinity" => Ok(f64::NEG_INFINITY),
                _ => Err(Mismatch::new("is text, not a number")),
            },
            value => Err(not(value, &Type::Double)),
        }
    }

    fn bytes(&self, reading: Reading, value: Node, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        if let Reading::Decimal { precision, scale } = reading {
            // Its length comes first, and is one byte up to a precision of more than 150 digits.
            let start = out.len();
            out.push(0);
            let length = self.decimal(precision, scale, value, out)?;
            match u8::try_from(length).ok().filter(|length| *length < 64) {
                Some(length) => out[start] = length << 1,
                None => {
                    let long = out.split_off(start + 1);
                    out.truncate(start);
                    binary::bytes(&long, out);
                }
            }
            return Ok(());
        }
        let Node::Text(span) = value else { return Err(not(value, &Type::Bytes(reading))) };
        binary::bytes(&self.base64(span)?, out);
        Ok(())
    }

    fn fixed(
        &self,
        size: usize,
        reading: Reading,
        value: Node,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<Mismatch>> {
        match (reading, value) {
            (Reading::Decimal { precision, scale }, value) => {
                let start = out.len();
                let length = self.decimal(precision, scale, value, out)?;
                let missing =
                    size.checked_sub(length).ok_or_else(|| Mismatch::new("does not fit its fixed"))?;
                let sign = if out[start] & 0x80 == 0 { 0 } else { 0xff };
                out.splice(start..start, std::iter::repeat_n(sign, missing));
            }
            (Reading::Uuid, Node::Text(span)) if size == 16 => {
                let uuid = logical::uuid(self.document.bytes(self.text, span)).map_err(Mismatch::new)?;
                out.extend_from_slice(&uuid);
            }
            (_, Node::Text(span)) => {
                let bytes = self.base64(span)?;
                if bytes.len() != size {
                    return Err(Mismatch::new(format!("is not {size} bytes in base64")));
                }
                out.extend_from_slice(&bytes);
            }
            (reading, value) => return Err(not(value, &Type::Fixed { size, reading })),
        }
        Ok(())
    }

    fn decimal(
        &self,
        precision: u32,
        scale: u32,
        value: Node,
        out: &mut Vec<u8>,
    ) -> Result<usize, Box<Mismatch>> {
        let mut digits = [0; 20];
        let text = match value {
            Node::Int(number) => short(i64::from(number), &mut digits),
            Node::Long(number) => short(number, &mut digits),
            Node::Number(span) | Node::Text(span) => self.document.bytes(self.text, span),
            value => return Err(not(value, &Type::Bytes(Reading::Decimal { precision, scale }))),
        };
        logical::decimal(text, precision, scale, out).map_err(Mismatch::new)
    }

    fn base64(&self, span: Span) -> Result<Vec<u8>, Box<Mismatch>> {
        let text = self.document.bytes(self.text, span);
        let decoded = base64::engine::general_purpose::STANDARD.decode(text);
        decoded.map_err(|_| Mismatch::new("is not base64, which bytes are in JSON"))
    }

    fn text(
        &self,
        span: Span,
        read: impl FnOnce(&[u8]) -> Result<i64, &'static str>,
    ) -> Result<i64, Box<Mismatch>> {
        read(self.document.bytes(self.text, span)).map_err(Mismatch::new)
    }

    /// A string's UTF-8. Half a surrogate pair has none.
    fn string(&self, span: Span) -> Result<&'f [u8], Box<Mismatch>> {
        let (document, text) = (self.document, self.text);
        let bytes = document.bytes(text, span);
        if document.unpaired() && str::from_utf8(bytes).is_err() {
            return Err(Mismatch::new("has half a surrogate pair in it"));
        }
        Ok(bytes)
    }
}

/// A number's digits.
fn short(number: i64, digits: &mut [u8; 20]) -> &[u8] {
    let mut cursor = std::io::Cursor::new(&mut digits[..]);
    let _ = std::io::Write::write_fmt(&mut cursor, format_args!("{number}"));
    let length = cursor.position() as usize;
    &digits[..length]
}

fn not(value: Node, expected: &Type) -> Box<Mismatch> {
    let value = match value {
        Node::Null => "null",
        Node::Boolean(_) => "a boolean",
        Node::Int(_) | Node::Long(_) | Node::Big | Node::Double(_) | Node::Number(_) => "a number",
        Node::Text(_) => "text",
        Node::Array { .. } => "an array",
        Node::Object { .. } => "an object",
        Node::Name { .. } | Node::Renamed { .. } | Node::Again => "a name",
    };
    let expected = match expected {
        Type::Null => "null",
        Type::Boolean => "a boolean",
        Type::Int(Reading::Date) => "a date",
        Type::Int(Reading::TimeMillis) | Type::Long(Reading::TimeMicros) => "a time",
        Type::Int(_) => "an int",
        Type::Long(Reading::Timestamp { .. }) => "a moment",
        Type::Long(_) => "a long",
        Type::Float => "a float",
        Type::Double => "a double",
        Type::Bytes(Reading::Decimal { .. }) => "a decimal",
        Type::Bytes(_) => "bytes in base64",
        Type::Text(_) => "a string",
        Type::Fixed { .. } => "a fixed in base64",
        Type::Enum(_) => "an enum",
        Type::Array(_) => "an array",
        Type::Map(_) => "a map",
        Type::Union(_) => "a union",
        Type::Record(_) | Type::Open => "a record",
    };
    Mismatch::new(format!("is {value}, not {expected}"))
}

#[cfg(test)]
#[path = "fill_tests.rs"]
mod tests;
