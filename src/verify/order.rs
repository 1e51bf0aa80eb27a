//! Whether records of one key come in the order of their rows.
//!
//! Enters: records beside the places of their rows, sorted into buckets by topic and key. Leaves: a word for each record
//! that comes after one of a later row. Rows of one rank are in no order, nor are rows of two tables.

use super::buckets::{Buckets, COUNT, Contents, Seed};
use super::entry::Placed;
use super::finding::{Finding, Found, Place, Sink, Tally};
use std::io;

/// A bucket with more bytes is split first.
const LARGEST: u64 = if cfg!(test) { 256 << 10 } else { 24 << 20 };

/// The hash by which they are sorted.
pub fn hash(seed: &Seed, placed: &Placed<'_>) -> u64 {
    seed.hash((placed.topic, placed.partition, placed.key))
}

/// Goes through all buckets.
pub fn check(seed: &Seed, placed: &mut Buckets, tallies: &mut [Tally], sink: &dyn Sink) -> io::Result<()> {
    for index in 0..COUNT {
        if placed.size(index) > LARGEST && placed.can_split() {
            let hash_of = |bytes: &[u8]| Placed::read(bytes).map_or(0, |placed| hash(seed, &placed));
            let mut smaller = placed.split(index, hash_of)?;
            check(seed, &mut smaller, tallies, sink)?;
        } else {
            bucket(&placed.take(index)?, tallies, sink);
        }
    }
    Ok(())
}

fn bucket(contents: &Contents, tallies: &mut [Tally], sink: &dyn Sink) {
    let mut all: Vec<Placed<'_>> = contents.iter().filter_map(|(_, bytes)| Placed::read(bytes)).collect();
    all.sort_unstable_by_key(|placed| (line(placed), placed.offset));
    for records in all.chunk_by(|left, right| line(left) == line(right)) {
        let mut latest = &records[0];
        for placed in records {
            if placed.place >= latest.place {
                latest = placed;
                continue;
            }
            let finding = Finding::OutOfOrder { after: latest.offset };
            tallies[placed.topic as usize].count(finding);
            sink.found(&Found {
                finding,
                topic: Some(placed.topic),
                id: placed.id,
                key: placed.key,
                place: Some(Place::from(placed.place)),
                record: Some((placed.partition, placed.offset)),
            });
        }
    }
}

/// Within this, records have an order: topic, partition, key and table.
fn line<'a>(placed: &Placed<'a>) -> (u32, i32, &'a [u8], u16) {
    (placed.topic, placed.partition, placed.key, Place::from(placed.place).table())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::testing::Kept;

    /// Table and rank of each row, in the order of the records' offsets.
    fn out_of_order(records: &[(i32, u8, u16, u64)]) -> Vec<u64> {
        let directory = tempfile::tempdir().unwrap();
        let (mut buckets, seed) = (Buckets::new(directory.path()), Seed::default());
        for (offset, &(partition, key, table, rank)) in records.iter().enumerate() {
            let (offset, place) = (offset as u64, Place::new(table, rank).as_u64());
            let key = [1, key];
            let placed = Placed { topic: 0, partition, offset, place, id: b"\x01x", key: &key };
            buckets.put(hash(&seed, &placed), |out| placed.write(out)).unwrap();
        }
        let (kept, mut tallies) = (Kept::default(), [Tally::default()]);
        check(&seed, &mut buckets, &mut tallies, &kept).unwrap();
        let mut offsets: Vec<u64> = kept.all().iter().map(|kept| kept.record.unwrap().1).collect();
        assert_eq!(tallies[0].out_of_order, offsets.len() as u64);
        offsets.sort_unstable();
        offsets
    }

    #[test]
    fn a_record_after_one_of_a_later_row_of_its_key_is_found() {
        assert_eq!(out_of_order(&[(0, 1, 0, 1), (0, 1, 0, 3), (0, 1, 0, 2), (0, 1, 0, 4)]), [2]);
        assert_eq!(out_of_order(&[(0, 1, 0, 9), (0, 1, 0, 1), (0, 1, 0, 2), (0, 1, 0, 9)]), [1, 2]);
    }

    #[test]
    fn other_keys_partitions_tables_and_equal_ranks_have_no_order() {
        assert_eq!(out_of_order(&[(0, 1, 0, 2), (0, 2, 0, 1)]), [0_u64; 0]);
        assert_eq!(out_of_order(&[(0, 1, 0, 2), (1, 1, 0, 1)]), [0_u64; 0]);
        assert_eq!(out_of_order(&[(0, 1, 1, 2), (0, 1, 0, 1)]), [0_u64; 0]);
        assert_eq!(out_of_order(&[(0, 1, 0, 2), (0, 1, 0, 2)]), [0_u64; 0]);
    }

    #[test]
    fn a_bucket_that_is_too_large_is_looked_at_in_pieces() {
        // 600,000 records of 200 keys, all right but for one.
        let mut records: Vec<_> = (0..600_000_u64).map(|n| (0, (n % 200) as u8, 0, n)).collect();
        records[5_000].3 = 0;
        assert_eq!(out_of_order(&records), [5_000]);
    }
}
