//! Each class of findings by itself, many buckets, and spilling.

use super::*;
use crate::verify::finding::Doubt;
use crate::verify::label;
use crate::verify::letters::Letters;
use crate::verify::testing::{Kept, KeptFinding};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Two sides that are filled by hand.
struct Sides {
    directory: tempfile::TempDir,
    seed: Seed,
    rows: Buckets,
    records: Buckets,
    known: Vec<Known>,
    is_settled: bool,
    aside: Aside,
    placed: Option<Buckets>,
}

impl Sides {
    fn new() -> Sides {
        let directory = tempfile::tempdir().unwrap();
        let (rows, records) = (Buckets::new(directory.path()), Buckets::new(directory.path()));
        let known = vec![Known::default(); 2];
        let (seed, aside) = (Seed::default(), Aside::default());
        Sides { directory, seed, rows, records, known, is_settled: true, aside, placed: None }
    }

    fn row(&mut self, id: &str, value: u8, change: impl FnOnce(&mut Entry<'_>)) -> &mut Sides {
        put(&mut self.rows, &self.seed, Some(id), value, change);
        self
    }

    fn record(
        &mut self,
        id: &str,
        value: u8,
        offset: u64,
        change: impl FnOnce(&mut Entry<'_>),
    ) -> &mut Sides {
        put(&mut self.records, &self.seed, Some(id), value, |entry| {
            (entry.partition, entry.place) = (Some(0), offset);
            change(entry);
        });
        self
    }

    fn judge(&mut self) -> (Tally, Vec<KeptFinding>) {
        let (kept, mut tallies, done) = (Kept::default(), vec![Tally::default(); 2], AtomicU64::new(0));
        let sizes: u64 = (0..COUNT).map(|index| self.rows.size(index) + self.records.size(index)).sum();
        let placed = self.placed.take().map(Mutex::new);
        let join = Join {
            seed: &self.seed,
            known: &self.known,
            is_settled: self.is_settled,
            aside: &self.aside,
            placed: placed.as_ref(),
            sink: &kept,
        };
        let add = |bytes| {
            done.fetch_add(bytes, Ordering::Relaxed);
        };
        join.run(&mut self.rows, &mut self.records, &mut tallies, &add).unwrap();
        self.placed = placed.map(|placed| placed.into_inner().unwrap());
        assert_eq!(done.into_inner(), sizes, "everything is looked at");
        (tallies[0].plus(tallies[1]), kept.all())
    }

    /// The one finding there is.
    fn only(&mut self) -> KeptFinding {
        let (_, mut found) = self.judge();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }
}

fn put(side: &mut Buckets, seed: &Seed, id: Option<&str>, value: u8, change: impl FnOnce(&mut Entry<'_>)) {
    let mut packed = Vec::new();
    label::pack(id.map(str::as_bytes), &mut packed);
    let content = Content { value: [value; 16], headers: [3; 16] };
    let mut entry = Entry {
        topic: 0,
        id: &packed,
        key: b"\x01k",
        content,
        place: 0,
        partition: None,
        time_ms: None,
        written_ms: None,
        marked: false,
    };
    change(&mut entry);
    side.put(hash(seed, entry.topic, entry.id), |out| entry.write(out)).unwrap();
}

fn as_it_is(_: &mut Entry<'_>) {}

#[test]
fn a_row_with_its_record_is_no_finding() {
    let mut sides = Sides::new();
    sides.row("a", 1, as_it_is).record("a", 1, 5, as_it_is);
    let (tally, found) = sides.judge();
    assert_eq!((tally.rows, tally.records, tally.matched, found.len()), (1, 1, 1, 0));
}

#[test]
fn a_row_without_a_record_that_is_a_dead_letter_is_not_missing_and_not_to_come() {
    let tables = vec!["public.a".to_owned(), "public.b".to_owned()];
    let letters = Arc::new(Letters::of("public.a", &[(1, "a")]));
    for is_settled in [true, false] {
        let mut sides = Sides::new();
        sides.aside = Aside { letters: Arc::clone(&letters), tables: tables.clone(), ..Aside::default() };
        sides.is_settled = is_settled;
        let other = if is_settled { Finding::Missing } else { Finding::Pending };
        sides.row("a", 1, as_it_is).row("b", 1, as_it_is);
        let (tally, found) = sides.judge();
        let mut found: Vec<_> = found.iter().map(|found| (found.id.as_deref(), found.finding)).collect();
        found.sort_by_key(|(id, _)| *id);
        assert_eq!(found, [(Some("a"), Finding::DeadLetter), (Some("b"), other)]);
        assert_eq!((tally.rows, tally.dead_letter, tally.missing + tally.pending), (2, 1, 1));
        // The same id in another table is another event; and what was replayed has its record.
        let mut sides = Sides::new();
        sides.aside = Aside { letters: Arc::clone(&letters), tables: tables.clone(), ..Aside::default() };
        sides.is_settled = is_settled;
        let found = sides.row("a", 1, |row| row.place = Place::new(1, 0).as_u64()).only();
        assert_eq!(found.finding, other);
        let mut sides = Sides::new();
        sides.aside = Aside { letters: Arc::clone(&letters), tables: tables.clone(), ..Aside::default() };
        let (tally, found) = sides.row("a", 1, as_it_is).record("a", 1, 5, as_it_is).judge();
        assert_eq!((tally.matched, found.len()), (1, 0));
    }
}

#[test]
fn a_row_without_a_record_is_missing_unless_it_may_come_or_be_gone() {
    let missing = |change: fn(&mut Sides), row: fn(&mut Entry<'_>)| {
        let mut sides = Sides::new();
        change(&mut sides);
        let found = sides.row("a", 1, row).only();
        assert_eq!((found.id.as_deref(), found.record), (Some("a"), None));
        found.finding
    };
    assert_eq!(missing(|_| {}, as_it_is), Finding::Missing);
    assert_eq!(missing(|sides| sides.is_settled = false, as_it_is), Finding::Pending);
    let is_before = |row: &mut Entry<'_>| row.marked = true;
    assert_eq!(missing(|sides| sides.is_settled = false, is_before), Finding::Missing);
    let open: fn(&mut Sides) = |sides| sides.known[0].is_open = true;
    assert_eq!(missing(open, as_it_is), Finding::Undecided(Doubt::Open));
    let compacted: fn(&mut Sides) = |sides| sides.known[0].is_compacted = true;
    assert_eq!(missing(compacted, as_it_is), Finding::Undecided(Doubt::Compacted));
    let expired: fn(&mut Sides) = |sides| sides.known[0].begins_ms = Some(1_000_000);
    assert_eq!(missing(expired, as_it_is), Finding::Undecided(Doubt::Expired));
    assert_eq!(missing(expired, |row| row.written_ms = Some(1_050_000)), Finding::Undecided(Doubt::Expired));
    assert_eq!(missing(expired, |row| row.written_ms = Some(1_060_001)), Finding::Missing);
    let all_gone: fn(&mut Sides) = |sides| sides.known[0].begins_ms = Some(i64::MAX);
    assert_eq!(missing(all_gone, |row| row.written_ms = Some(i64::MAX)), Finding::Undecided(Doubt::Expired));
}

#[test]
fn a_record_without_a_row_is_unknown_and_never_fine() {
    let mut sides = Sides::new();
    assert_eq!(sides.record("a", 1, 5, as_it_is).only().finding, Finding::Unknown);
    let mut sides = Sides::new();
    assert_eq!(sides.record("a", 1, 5, |record| record.marked = true).only().finding, Finding::Newer);
}

#[test]
fn what_differs_is_named() {
    let differs = |row: fn(&mut Entry<'_>), record: fn(&mut Entry<'_>)| {
        let mut sides = Sides::new();
        let found = sides.row("a", 1, row).record("a", 1, 5, record).only();
        assert_eq!(found.record, Some((0, 5)));
        match found.finding {
            Finding::Altered(difference) => difference.parts(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(differs(as_it_is, |record| record.key = b"\x01l"), ["key"]);
    assert_eq!(differs(as_it_is, |record| record.content.value[0] ^= 1), ["value"]);
    assert_eq!(differs(|row| row.content.headers[7] ^= 1, as_it_is), ["headers"]);
    assert_eq!(differs(|row| row.time_ms = Some(1), |record| record.time_ms = Some(2)), ["timestamp"]);
    assert_eq!(differs(|row| row.partition = Some(1), as_it_is), ["partition"]);
}

#[test]
fn a_timestamp_that_one_side_does_not_have_is_no_difference() {
    for (row, record) in [(None, Some(1)), (Some(1), None), (Some(1), Some(1))] {
        let mut sides = Sides::new();
        sides.row("a", 1, |entry| entry.time_ms = row).record("a", 1, 5, |entry| entry.time_ms = record);
        assert_eq!(sides.judge().1, []);
    }
}

#[test]
fn the_second_record_of_an_id_is_a_duplicate_whether_its_row_is_there_or_not() {
    for with_row in [true, false] {
        let mut sides = Sides::new();
        sides.record("a", 1, 9, as_it_is).record("a", 1, 5, as_it_is);
        if with_row {
            sides.row("a", 1, as_it_is);
        }
        let (tally, found) = sides.judge();
        assert_eq!((tally.duplicate, tally.unknown), (1, u64::from(!with_row)));
        let duplicate = found.iter().find(|found| found.record == Some((0, 9))).unwrap();
        assert_eq!(duplicate.finding, Finding::Duplicate { first: (0, 5) });
    }
}

#[test]
fn of_two_records_the_one_that_says_what_the_row_says_is_its_own() {
    let mut sides = Sides::new();
    sides.row("a", 1, as_it_is).record("a", 2, 5, as_it_is).record("a", 1, 9, as_it_is);
    let found = sides.only();
    assert_eq!((found.finding, found.record), (Finding::Duplicate { first: (0, 9) }, Some((0, 5))));
}

#[test]
fn rows_that_share_an_id_need_a_record_each() {
    let mut sides = Sides::new();
    sides.row("a", 1, as_it_is).row("a", 2, as_it_is).row("a", 3, as_it_is);
    sides.record("a", 3, 1, as_it_is).record("a", 9, 2, as_it_is);
    let (tally, _) = sides.judge();
    assert_eq!((tally.matched, tally.altered, tally.missing, tally.duplicate), (2, 1, 1, 0));
}

#[test]
fn an_id_that_is_null_matches_by_content_only() {
    let mut sides = Sides::new();
    for value in [1, 2] {
        put(&mut sides.rows, &sides.seed.clone(), None, value, as_it_is);
    }
    for value in [2, 3, 3] {
        put(&mut sides.records, &sides.seed.clone(), None, value, |record| record.partition = Some(0));
    }
    let (tally, _) = sides.judge();
    assert_eq!((tally.matched, tally.missing, tally.unknown, tally.duplicate), (1, 1, 2, 0));
    assert_eq!(tally.altered, 0);
}

#[test]
fn the_same_id_in_two_topics_is_two_events() {
    let mut sides = Sides::new();
    sides.row("a", 1, as_it_is).record("a", 1, 5, |record| record.topic = 1);
    let (tally, _) = sides.judge();
    assert_eq!((tally.missing, tally.unknown, tally.matched), (1, 1, 0));
}

#[test]
fn pairs_go_on_to_be_ordered_with_the_offset_of_the_record_and_the_place_of_the_row() {
    let mut sides = Sides::new();
    sides.placed = Some(Buckets::new(sides.directory.path()));
    sides.row("a", 1, |row| row.place = 77).record("a", 1, 5, as_it_is).record("b", 1, 6, as_it_is);
    sides.judge();
    let placed = sides.placed.as_mut().unwrap();
    let all: Vec<Vec<u8>> = (0..COUNT)
        .flat_map(|index| placed.take(index).unwrap().iter().map(|(_, it)| it.to_vec()).collect::<Vec<_>>())
        .collect();
    assert_eq!(all.len(), 1);
    let placed = Placed::read(&all[0]).unwrap();
    assert_eq!((placed.offset, placed.place, placed.key), (5, 77, &b"\x01k"[..]));
}

/// Enough for buckets to spill, and to be split: every 1,000th row has lost its record, every 1,500th record comes
/// twice, every 2,500th is altered, and every 3,500th has no row.
#[test]
fn many_are_judged_as_few_are() {
    let mut sides = Sides::new();
    let count = 200_000_u64;
    for number in 0..count {
        let id = format!("event-{number}");
        let every = |nth: u64| number % nth == 1;
        if !every(3_500) {
            sides.row(&id, 1, |row| row.place = number);
        }
        if !every(1_000) {
            sides.record(&id, if every(2_500) { 2 } else { 1 }, number, as_it_is);
        }
        if every(1_500) {
            sides.record(&id, 1, count + number, as_it_is);
        }
    }
    assert!((0..COUNT).any(|index| sides.rows.size(index) > LARGEST), "buckets are split");
    let (tally, found) = sides.judge();
    let every = |nth: u64| (0..count).filter(move |number| number % nth == 1);
    // 1 of 1,000 that is 1 of 1,500 as well has its second record for its first.
    let missing = every(1_000).filter(|number| number % 1_500 != 1 && number % 3_500 != 1).count() as u64;
    assert_eq!(tally.missing, missing);
    let duplicate = every(1_500).filter(|number| number % 1_000 != 1).count() as u64;
    assert_eq!(tally.duplicate, duplicate);
    let altered = every(2_500)
        .filter(|number| number % 1_000 != 1 && number % 1_500 != 1 && number % 3_500 != 1)
        .count() as u64;
    assert_eq!(tally.altered, altered);
    assert!(tally.missing > 100 && tally.duplicate > 50 && tally.altered > 20 && tally.unknown > 20);
    assert_eq!(found.len() as u64, tally.wrong() + tally.untold());
}
