//! A JSON payload written by a schema while it is read, as far as it goes on as it mostly does.
//!
//! Enters: a text. Leaves: what [`fill`](super::fill) writes of it, or nothing where there is any doubt.

use super::binary;
use super::plan::{Reading, Record, Type};
use super::scalar::Scalars;
use crate::encode::framed::straight::Straight;

/// A payload that is being written.
pub(super) struct Writer<'w> {
    pub(super) types: &'w [Type],
    pub(super) to: Straight<'w>,
}

impl<'w> Writer<'w> {
    /// Appends the payload.
    pub(super) fn payload(&mut self, root: u32, out: &mut Vec<u8>) -> Option<()> {
        let first = self.to.pull.peek()?;
        self.other(&self.types[root as usize], first, out)
    }

    /// Appends the value that begins here, with this byte: what comes most often.
    #[inline(always)]
    fn value(&mut self, type_: u32, first: u8, out: &mut Vec<u8>) -> Option<()> {
        let type_ = &self.types[type_ as usize];
        match type_ {
            Type::Text(Reading::Plain) if first == b'"' => {
                if let Some(text) = self.to.pull.plain() {
                    binary::bytes(text, out);
                    return Some(());
                }
            }
            Type::Int(_) | Type::Long(_) => {
                if let Some(number) = self.to.pull.whole(first) {
                    let fits = matches!(type_, Type::Long(_)) || number <= i32::MAX.into();
                    return fits.then(|| binary::long(number, out));
                }
            }
            Type::Record(record) if first == b'{' => return self.record(record, out),
            _ => {}
        }
        self.other(type_, first, out)
    }

    /// Appends the value that begins here, whatever it is.
    #[inline(never)]
    fn other(&mut self, type_: &'w Type, first: u8, out: &mut Vec<u8>) -> Option<()> {
        match (type_, first) {
            (Type::Record(record), b'{') => self.record(record, out),
            (Type::Array(element), b'[') => self.array(*element, out),
            (Type::Map(element), b'{') => self.map(*element, out),
            (Type::Union(branches), first) => self.union(branches, first, out),
            (type_, first) => {
                let node = self.to.pull.scalar(first)?;
                Scalars(self.to.pull.texts()).write(type_, node, out).ok()
            }
        }
    }

    #[inline(never)]
    fn record(&mut self, record: &'w Record, out: &mut Vec<u8>) -> Option<()> {
        let (names, fields) = (record.names.as_ref()?, &record.fields);
        let mut open = self.to.open(out);
        let mut member = self.to.enter(b'}')?;
        while let Some(first) = member {
            if let Some(place) = self.to.member(&open, names, first)? {
                // Fields that were passed over have their defaults, or come later.
                while open.in_order && open.next < place {
                    match &fields[open.next].default {
                        Some(default) => {
                            self.to.default(open.next, out);
                            out.extend_from_slice(default);
                            open.next += 1;
                        }
                        None => open.in_order = false,
                    }
                }
                self.to.begin(&mut open, place, fields.len(), out)?;
                let first = self.to.pull.colon()?;
                self.value(fields[place].type_, first, out)?;
            }
            member = self.to.next(b'}')?;
        }
        let absent = |place: usize, out: &mut Vec<u8>| {
            out.extend_from_slice(fields[place].default.as_deref()?);
            Some(())
        };
        if !open.in_order {
            return self.to.reorder(&open, fields.len(), out, absent);
        }
        self.to.close(&open);
        (open.next..fields.len()).try_for_each(|place| absent(place, out))
    }

    /// One branch must be the only one that the value may fit.
    fn union(&mut self, branches: &[u32], first: u8, out: &mut Vec<u8>) -> Option<()> {
        let (types, start) = (self.types, out.len());
        if matches!(first, b'{' | b'[') {
            let is_meant = |branch: &u32| match types[*branch as usize] {
                Type::Record(_) | Type::Map(_) => first == b'{',
                Type::Array(_) => first == b'[',
                Type::Union(_) => true,
                _ => false,
            };
            let number = branches.iter().position(is_meant)?;
            if branches[number + 1..].iter().any(is_meant) {
                return None;
            }
            binary::long(number as i64, out);
            return self.other(&types[branches[number] as usize], first, out);
        }
        let node = self.to.pull.scalar(first)?;
        let is_null = first == b'n';
        for (number, branch) in branches.iter().enumerate() {
            let type_ = &types[*branch as usize];
            if is_null != matches!(type_, Type::Null) {
                continue;
            }
            if matches!(type_, Type::Union(_)) {
                return None;
            }
            binary::long(number as i64, out);
            if Scalars(self.to.pull.texts()).write(type_, node, out).is_ok() {
                return Some(());
            }
            out.truncate(start);
        }
        None
    }

    fn array(&mut self, element: u32, out: &mut Vec<u8>) -> Option<()> {
        let (start, mut count) = (out.len(), 0);
        let mut item = self.to.enter(b']')?;
        // How many there are comes before them.
        out.push(0);
        while let Some(first) = item {
            self.value(element, first, out)?;
            count += 1;
            item = self.to.next(b']')?;
        }
        end(start, count, out);
        Some(())
    }

    fn map(&mut self, element: u32, out: &mut Vec<u8>) -> Option<()> {
        let (start, mut count, mut seen) = (out.len(), 0, 0);
        let mut member = self.to.enter(b'}')?;
        out.push(0);
        while let Some(first) = member {
            let key = self.to.pull.name(first)?;
            let mark = self.to.pull.mark(key)?;
            if seen & mark != 0 {
                return None;
            }
            seen |= mark;
            binary::bytes(self.to.pull.texts().utf8(key)?, out);
            let first = self.to.pull.colon()?;
            self.value(element, first, out)?;
            count += 1;
            member = self.to.next(b'}')?;
        }
        end(start, count, out);
        Some(())
    }
}

/// Ends a block of so many items, whose count has a byte at `start`. An empty one has nothing but the zero there.
fn end(start: usize, count: i64, out: &mut Vec<u8>) {
    match u8::try_from(count).ok().filter(|count| *count < 64) {
        Some(0) => return,
        Some(count) => out[start] = count << 1,
        None => {
            let from = out.len();
            binary::long(count, out);
            let length = out.len() - from;
            out[start..].rotate_right(length);
            out.remove(start + length);
        }
    }
    out.push(0);
}

#[cfg(test)]
#[path = "straight_tests.rs"]
mod tests;
