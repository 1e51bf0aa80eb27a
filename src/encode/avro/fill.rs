//! A JSON payload encoded by a registered schema: checked, defaults filled in, logical types read.
//!
//! Enters: a text and a [`Plan`]. Leaves: Avro's binary encoding, or a [`Mismatch`] with the path of what does not fit:
//! names of fields and numbers of items, never a value. Nothing is allocated for an event that fits, but what grows once.

use super::binary;
use super::plan::{Plan, Record, Type};
use super::scalar::Scalars;
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
    let straight =
        |to: Straight<'_>, out: &mut Vec<u8>| Writer { types: &plan.types, to }.payload(plan.root, out);
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
    orders.resize(plan.records, Vec::new());
    let Filler { document, slots, .. } = filler;
    let scalars = Scalars(Texts::new(document, text));
    Fill { types: &plan.types, document, scalars, text, orders, slots, unknown }.value(plan.root, 0, out)
}

struct Fill<'f> {
    types: &'f [Type],
    document: &'f Document,
    scalars: Scalars<'f>,
    text: &'f [u8],
    orders: &'f mut Orders,
    slots: &'f mut Vec<u32>,
    unknown: UnknownFields,
}

impl<'f> Fill<'f> {
    fn value(&mut self, type_: u32, node: u32, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        let types = self.types;
        match (&types[type_ as usize], self.document.node(node)) {
            (Type::Record(record), Node::Object { .. }) => self.record(record, node, out),
            (Type::Union(branches), value) => self.union(branches, value, node, out),
            (Type::Array(element), Node::Array { .. }) => self.array(*element, node, out),
            (Type::Map(element), Node::Object { .. }) => self.map(*element, node, out),
            (type_, value) => self.scalars.write(type_, value, out),
        }
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
            binary::bytes(self.scalars.string(key)?, out);
            self.value(element, value, out).map_err(|mismatch| mismatch.within(Step::Value))?;
        }
        binary::long(0, out);
        Ok(())
    }
}

#[cfg(test)]
#[path = "fill_tests.rs"]
mod tests;
