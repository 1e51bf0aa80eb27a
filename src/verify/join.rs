//! Rows beside records, by topic and id, bucket after bucket.
//!
//! Enters: the buckets of both sides, sorted by one seed. Leaves: counts, and a word for each row or record that is not as
//! it should be. Promised: no more in memory than a bucket of each, and ids are compared themselves, not their hashes.

use super::buckets::{Buckets, COUNT, Contents, Seed};
use super::content::Content;
use super::entry::{Entry, Placed};
use super::finding::{Difference, Doubt, Finding, Found, Place, Sink, Tally};
use super::letters::Aside;
use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// A pair of buckets with more bytes is split first.
const LARGEST: u64 = if cfg!(test) { 64 << 10 } else { 32 << 20 };
/// A row is younger than the oldest record only by more than the clocks of two machines may differ.
const CLOCKS_APART_MS: i64 = 60_000;

/// What is known of a topic, for rows that have no record there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// A transaction that is open hides records.
    pub is_open: bool,
    /// Old records may be gone one by one.
    pub is_compacted: bool,
    /// The oldest records are gone: the timestamp of the oldest that is left, ms since 1970.
    pub begins_ms: Option<i64>,
}

/// Joins the two sides.
#[derive(Clone, Copy)]
pub struct Join<'a> {
    /// By which both were sorted.
    pub seed: &'a Seed,
    /// What is known of each topic, by number.
    pub known: &'a [Known],
    /// The snapshot is not after the stored position: what is not there now will not come.
    pub is_settled: bool,
    /// What is not published on purpose.
    pub aside: &'a Aside,
    /// Where pairs go whose order is to be looked at.
    pub placed: Option<&'a Mutex<Buckets>>,
    /// Who is told.
    pub sink: &'a dyn Sink,
}

/// The hash by which rows and records are sorted.
pub fn hash(seed: &Seed, topic: u32, id: &[u8]) -> u64 {
    seed.hash((topic, id))
}

fn hash_of(seed: &Seed, bytes: &[u8]) -> u64 {
    Entry::read(bytes).map_or(0, |entry| hash(seed, entry.topic, entry.id))
}

/// The buckets of both sides, from the last to the first.
struct Left<'a> {
    rows: &'a mut Buckets,
    records: &'a mut Buckets,
    left: usize,
}

/// A pair of buckets.
enum Pair {
    Fits(Contents, Contents),
    TooLarge(Buckets, Buckets),
}

impl Left<'_> {
    /// The next pair, and how many bytes it has.
    fn next(&mut self, seed: &Seed) -> io::Result<Option<(Pair, u64)>> {
        let Some(index) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = index;
        let size = self.rows.size(index) + self.records.size(index);
        let pair = if size > LARGEST && self.rows.can_split() {
            let rows = self.rows.split(index, |bytes| hash_of(seed, bytes))?;
            Pair::TooLarge(rows, self.records.split(index, |bytes| hash_of(seed, bytes))?)
        } else {
            Pair::Fits(self.rows.take(index)?, self.records.take(index)?)
        };
        Ok(Some((pair, size)))
    }
}

impl Join<'_> {
    /// Goes through all buckets, two at a time; counts into `tallies`, of each topic by number. `done` is told how many
    /// bytes are behind.
    pub fn run(
        self,
        rows: &mut Buckets,
        records: &mut Buckets,
        tallies: &mut [Tally],
        done: &(dyn Fn(u64) + Sync),
    ) -> io::Result<()> {
        let left = Mutex::new(Left { rows, records, left: COUNT });
        let fresh = || Joiner { join: self, tallies: vec![Tally::default(); tallies.len()] };
        let work = || {
            let mut joiner = fresh();
            joiner.run(&left, done).map(|()| joiner.tallies)
        };
        let counts = thread::scope(|scope| {
            let other = thread::Builder::new().name("join".into()).spawn_scoped(scope, work);
            let ours = work();
            // Without a second thread, this one has done all of it.
            let theirs = other.map_or(Ok(Vec::new()), |other| {
                other.join().unwrap_or_else(|_| Err(io::Error::other("a thread that compares has failed")))
            });
            Ok::<_, io::Error>([ours?, theirs?])
        })?;
        for counted in counts {
            tallies.iter_mut().zip(counted).for_each(|(tally, more)| *tally = tally.plus(more));
        }
        Ok(())
    }
}

/// One of those who join.
struct Joiner<'a> {
    join: Join<'a>,
    tallies: Vec<Tally>,
}

impl Joiner<'_> {
    fn run(&mut self, left: &Mutex<Left<'_>>, done: &(dyn Fn(u64) + Sync)) -> io::Result<()> {
        loop {
            let next = locked(left).next(self.join.seed)?;
            match next {
                None => return Ok(()),
                Some((Pair::Fits(rows, records), size)) => {
                    self.bucket(&rows, &records)?;
                    done(size);
                }
                Some((Pair::TooLarge(mut rows, mut records), _)) => {
                    let smaller = Left { rows: &mut rows, records: &mut records, left: COUNT };
                    self.run(&Mutex::new(smaller), done)?;
                }
            }
        }
    }

    fn bucket(&mut self, rows: &Contents, records: &Contents) -> io::Result<()> {
        let seed = self.join.seed;
        let of = |contents: &Contents, is_record: bool, all: &mut Vec<(u64, bool, usize)>| {
            all.extend(contents.iter().map(|(begin, bytes)| (hash_of(seed, bytes), is_record, begin)));
        };
        let mut all = Vec::new();
        of(rows, false, &mut all);
        of(records, true, &mut all);
        all.sort_unstable();
        let mut together: Vec<(Entry<'_>, bool)> = Vec::new();
        for run in all.chunk_by(|left, right| left.0 == right.0) {
            together.clear();
            for &(_, is_record, begin) in run {
                let contents = if is_record { records } else { rows };
                let entry = Entry::read(contents.at(begin)).ok_or_else(|| {
                    io::Error::new(io::ErrorKind::InvalidData, "what was kept cannot be read")
                })?;
                together.push((entry, is_record));
            }
            // Different ids of one hash are rare, and told apart here. Records come after rows, by partition and offset.
            together.sort_by_key(|(entry, is_record)| {
                (entry.topic, entry.id, *is_record, entry.partition.filter(|_| *is_record), entry.place)
            });
            for event in
                together.chunk_by(|(left, _), (right, _)| (left.topic, left.id) == (right.topic, right.id))
            {
                let first_record = event.partition_point(|(_, is_record)| !is_record);
                self.event(&event[..first_record], &event[first_record..])?;
            }
        }
        Ok(())
    }

    /// Rows and records of one id in one topic.
    fn event(&mut self, rows: &[(Entry<'_>, bool)], records: &[(Entry<'_>, bool)]) -> io::Result<()> {
        if let Some((any, _)) = rows.first().or(records.first()) {
            let tally = &mut self.tallies[any.topic as usize];
            tally.rows += rows.len() as u64;
            tally.records += records.len() as u64;
        }
        match (rows, records) {
            ([(row, _)], [(record, _)])
                if !row.is_nameless() || (row.key, row.content) == (record.key, record.content) =>
            {
                self.pair(row, record, 1)
            }
            _ => {
                let rows: Vec<&Entry<'_>> = rows.iter().map(|(row, _)| row).collect();
                let records: Vec<&Entry<'_>> = records.iter().map(|(record, _)| record).collect();
                self.crowd(&rows, &records)
            }
        }
    }

    /// More or fewer than one of each: first those that say the same, then, in order, those that are left.
    fn crowd(&mut self, rows: &[&Entry<'_>], records: &[&Entry<'_>]) -> io::Result<()> {
        let mut by_content: HashMap<(&[u8], Content), Vec<usize>> = HashMap::new();
        for (index, record) in records.iter().enumerate().rev() {
            by_content.entry((record.key, record.content)).or_default().push(index);
        }
        let mut partner: Vec<Option<usize>> =
            rows.iter().map(|row| by_content.get_mut(&(row.key, row.content)).and_then(Vec::pop)).collect();
        let mut is_taken = vec![false; records.len()];
        partner.iter().flatten().for_each(|&record| is_taken[record] = true);
        let is_nameless = rows.first().or(records.first()).is_some_and(|any| any.is_nameless());
        if !is_nameless {
            let left: Vec<usize> = (0..records.len()).filter(|&record| !is_taken[record]).collect();
            let mut left = left.into_iter();
            for partner in partner.iter_mut().filter(|partner| partner.is_none()) {
                *partner = left.next();
            }
            partner.iter().flatten().for_each(|&record| is_taken[record] = true);
        }
        for (row, partner) in rows.iter().zip(&partner) {
            match partner {
                Some(record) => self.pair(row, records[*record], rows.len())?,
                None => self.alone(row),
            }
        }
        let mut first = partner.iter().flatten().next().map(|&record| records[record]);
        for (record, _) in records.iter().zip(&is_taken).filter(|(_, is_taken)| !**is_taken) {
            match first {
                Some(first) if !is_nameless => {
                    let first = (first.partition.unwrap_or(-1), first.place);
                    self.tell(Finding::Duplicate { first }, record, true);
                }
                _ => {
                    self.tell(if record.marked { Finding::Newer } else { Finding::Unknown }, record, true);
                    first = Some(*record);
                }
            }
        }
        Ok(())
    }

    /// A row and its record; `rows` have its id.
    fn pair(&mut self, row: &Entry<'_>, record: &Entry<'_>, rows: usize) -> io::Result<()> {
        self.tallies[row.topic as usize].matched += 1;
        self.join.sink.paired(row.topic, row.id, rows);
        let difference = difference(row, record);
        if !difference.is_none() {
            let found = Found {
                finding: Finding::Altered(difference),
                topic: Some(row.topic),
                id: row.id,
                key: record.key,
                place: Some(Place::from(row.place)),
                record: record.partition.map(|partition| (partition, record.place)),
            };
            self.tallies[row.topic as usize].count(found.finding);
            self.join.sink.found(&found);
        }
        let Some(placed) = self.join.placed else { return Ok(()) };
        let at = Placed {
            topic: record.topic,
            partition: record.partition.unwrap_or(-1),
            offset: record.place,
            place: row.place,
            id: row.id,
            key: record.key,
        };
        locked(placed).put(super::order::hash(self.join.seed, &at), |out| at.write(out))
    }

    /// A row without a record.
    fn alone(&mut self, row: &Entry<'_>) {
        let known = self.join.known.get(row.topic as usize).copied().unwrap_or_default();
        let is_younger = |begins_ms: i64| {
            let oldest = begins_ms.saturating_add(CLOCKS_APART_MS);
            row.written_ms.is_some_and(|written_ms| written_ms > oldest)
        };
        let aside = self.join.aside;
        let finding = if aside.has_letter(Some(Place::from(row.place).table()), row.id) {
            Finding::DeadLetter
        } else if !(self.join.is_settled || row.marked) {
            Finding::Pending
        } else if known.is_open || aside.letters.is_hidden() {
            Finding::Undecided(Doubt::Open)
        } else if known.is_compacted {
            Finding::Undecided(Doubt::Compacted)
        } else if known.begins_ms.is_some_and(|begins_ms| !is_younger(begins_ms)) {
            Finding::Undecided(Doubt::Expired)
        } else {
            Finding::Missing
        };
        self.tell(finding, row, false);
    }

    fn tell(&mut self, finding: Finding, entry: &Entry<'_>, is_record: bool) {
        self.tallies[entry.topic as usize].count(finding);
        let record = is_record.then_some((entry.partition.unwrap_or(-1), entry.place));
        let place = (!is_record).then_some(Place::from(entry.place));
        let Entry { topic, id, key, .. } = *entry;
        self.join.sink.found(&Found { finding, topic: Some(topic), id, key, place, record });
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn difference(row: &Entry<'_>, record: &Entry<'_>) -> Difference {
    let differs = |row: Option<i64>, record: Option<i64>| row.zip(record).is_some_and(|(a, b)| a != b);
    Difference {
        key: row.key != record.key,
        value: row.content.value != record.content.value,
        headers: row.content.headers != record.content.headers,
        timestamp: differs(row.time_ms, record.time_ms),
        partition: differs(row.partition.map(i64::from), record.partition.map(i64::from)),
    }
}

#[cfg(test)]
#[path = "join_tests.rs"]
mod tests;
