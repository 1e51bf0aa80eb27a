//! A row or a record, as small as it can be compared by; and its form in a file.

use super::content::Content;
use super::label;

/// A row or a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Number of its topic.
    pub topic: u32,
    /// The event id, packed.
    pub id: &'a [u8],
    /// The key, packed.
    pub key: &'a [u8],
    /// Value and headers.
    pub content: Content,
    /// A row's place in its table's order; a record's offset.
    pub place: u64,
    /// A record's partition; a row's, where the row says which.
    pub partition: Option<i32>,
    /// The record's timestamp, where it is the row's to give, ms since 1970.
    pub time_ms: Option<i64>,
    /// When a row was written, where that is known, ms since 1970.
    pub written_ms: Option<i64>,
    /// A row: its transaction is known to end before the stored position. A record: it came after the snapshot, perhaps.
    pub marked: bool,
}

const PARTITION: u8 = 1;
const TIME: u8 = 2;
const WRITTEN: u8 = 4;
const MARKED: u8 = 8;

impl<'a> Entry<'a> {
    /// Appends its form.
    pub fn write(&self, out: &mut Vec<u8>) {
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        out.push(
            bit(self.partition.is_some(), PARTITION)
                | bit(self.time_ms.is_some(), TIME)
                | bit(self.written_ms.is_some(), WRITTEN)
                | bit(self.marked, MARKED),
        );
        out.extend_from_slice(&self.topic.to_le_bytes());
        out.extend_from_slice(&self.place.to_le_bytes());
        for part in [&self.content.value, &self.content.headers] {
            out.extend_from_slice(part);
        }
        if let Some(partition) = self.partition {
            out.extend_from_slice(&partition.to_le_bytes());
        }
        for ms in [self.time_ms, self.written_ms].into_iter().flatten() {
            out.extend_from_slice(&ms.to_le_bytes());
        }
        out.extend_from_slice(self.id);
        out.extend_from_slice(self.key);
    }

    /// Reads it back; `None` when these bytes are not what [`Entry::write`] wrote.
    pub fn read(bytes: &'a [u8]) -> Option<Entry<'a>> {
        let mut fields = Fields(bytes);
        let [flags] = fields.take()?;
        let topic = u32::from_le_bytes(fields.take()?);
        let place = u64::from_le_bytes(fields.take()?);
        let content = Content { value: fields.take()?, headers: fields.take()? };
        let has = |bit: u8| flags & bit != 0;
        let partition = if has(PARTITION) { Some(i32::from_le_bytes(fields.take()?)) } else { None };
        let time_ms = if has(TIME) { Some(i64::from_le_bytes(fields.take()?)) } else { None };
        let written_ms = if has(WRITTEN) { Some(i64::from_le_bytes(fields.take()?)) } else { None };
        let marked = has(MARKED);
        let (id, key) = label::split(fields.0)?;
        Some(Entry { topic, id, key, content, place, partition, time_ms, written_ms, marked })
    }

    /// The header `id` is null or the column is: it does not tell events apart.
    pub fn is_nameless(&self) -> bool {
        label::is_null(self.id)
    }
}

/// A record beside the place of its row, for the question whether the two orders agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed<'a> {
    /// Number of its topic.
    pub topic: u32,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: u64,
    /// Its row's place.
    pub place: u64,
    /// The event id, packed.
    pub id: &'a [u8],
    /// The key, packed.
    pub key: &'a [u8],
}

impl<'a> Placed<'a> {
    /// Appends its form.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.topic.to_le_bytes());
        out.extend_from_slice(&self.partition.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.place.to_le_bytes());
        out.extend_from_slice(self.id);
        out.extend_from_slice(self.key);
    }

    /// Reads it back.
    pub fn read(bytes: &'a [u8]) -> Option<Placed<'a>> {
        let mut fields = Fields(bytes);
        let topic = u32::from_le_bytes(fields.take()?);
        let partition = i32::from_le_bytes(fields.take()?);
        let offset = u64::from_le_bytes(fields.take()?);
        let place = u64::from_le_bytes(fields.take()?);
        let (id, key) = label::split(fields.0)?;
        Some(Placed { topic, partition, offset, place, id, key })
    }
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_were() {
        let content = Content { value: [2; 16], headers: [3; 16] };
        let plain = Entry {
            topic: 7,
            id: b"\x02ab",
            key: b"\x01k",
            content,
            place: 1 << 40,
            partition: None,
            time_ms: None,
            written_ms: None,
            marked: false,
        };
        for entry in [
            plain,
            Entry { partition: Some(-1), ..plain },
            Entry { time_ms: Some(-5), marked: true, ..plain },
            Entry { written_ms: Some(9), ..plain },
            Entry { partition: Some(3), time_ms: Some(4), written_ms: Some(5), marked: true, ..plain },
        ] {
            let mut bytes = Vec::new();
            entry.write(&mut bytes);
            assert_eq!(Entry::read(&bytes), Some(entry));
            assert_eq!(Entry::read(&bytes[..20]), None);
        }
    }

    #[test]
    fn placed_records_come_back_as_they_were() {
        let placed = Placed { topic: 1, partition: 2, offset: 4, place: 5, id: b"\x01x", key: b"\x03key" };
        let mut bytes = Vec::new();
        placed.write(&mut bytes);
        assert_eq!(Placed::read(&bytes), Some(placed));
    }
}
