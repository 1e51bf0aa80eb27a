//! More than memory holds, sorted into buckets by a hash: what belongs together lies in one, and one is small enough.
//!
//! Each bucket is a buffer, and a file once that is full. The files have no name from the moment they are opened, so
//! that nothing is left behind, however the process ends.

use std::fs::{self, File};
use std::hash::{BuildHasher, Hash, RandomState};
use std::io::{self, BufReader, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Buckets at each level, by so many bits of the hash.
const BITS: u32 = 7;
/// Their number.
pub const COUNT: usize = 1 << BITS;
/// What a bucket keeps in memory.
const BUFFER: usize = 32 * 1024;
/// Levels that the bits of a hash are enough for, with some to spare.
const DEEPEST: u32 = 5;

/// The hash by which things are sorted into buckets: another one in each run.
#[derive(Clone, Debug, Default)]
pub struct Seed(RandomState);

impl Seed {
    /// The hash of what belongs together.
    pub fn hash(&self, what: impl Hash) -> u64 {
        self.0.hash_one(what)
    }
}

/// Buckets.
#[derive(Debug)]
pub struct Buckets {
    directory: PathBuf,
    level: u32,
    buckets: Vec<Bucket>,
}

#[derive(Debug, Default)]
struct Bucket {
    buffer: Vec<u8>,
    file: Option<File>,
    /// Bytes in the file.
    spilled: u64,
}

impl Buckets {
    /// Empty ones, whose files go to this directory.
    pub fn new(directory: &Path) -> Buckets {
        Buckets::at(directory, 0)
    }

    fn at(directory: &Path, level: u32) -> Buckets {
        let buckets = std::iter::repeat_with(Bucket::default).take(COUNT).collect();
        Buckets { directory: directory.to_owned(), level, buckets }
    }

    /// Puts what `write` appends where its hash belongs.
    pub fn put(&mut self, hash: u64, write: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let shift = u64::BITS - BITS * (self.level + 1);
        let bucket = &mut self.buckets[(hash >> shift) as usize % COUNT];
        bucket.put(write);
        if bucket.buffer.len() >= BUFFER {
            bucket.spill(&self.directory)?;
        }
        Ok(())
    }

    /// Bytes in a bucket.
    pub fn size(&self, index: usize) -> u64 {
        self.buckets[index].spilled + self.buckets[index].buffer.len() as u64
    }

    /// Takes everything out of a bucket.
    pub fn take(&mut self, index: usize) -> io::Result<Contents> {
        let bucket = std::mem::take(&mut self.buckets[index]);
        let mut bytes = Vec::with_capacity((bucket.spilled as usize) + bucket.buffer.len());
        if let Some(mut file) = bucket.file {
            file.rewind()?;
            file.read_to_end(&mut bytes)?;
        }
        bytes.extend_from_slice(&bucket.buffer);
        Ok(Contents(bytes))
    }

    /// Whether a bucket can be made into smaller ones.
    pub fn can_split(&self) -> bool {
        self.level < DEEPEST
    }

    /// Sorts a bucket that is too large by further bits; `hash` gives the hash of a thing by its bytes.
    pub fn split(&mut self, index: usize, hash: impl Fn(&[u8]) -> u64) -> io::Result<Buckets> {
        let bucket = std::mem::take(&mut self.buckets[index]);
        let mut smaller = Buckets::at(&self.directory, self.level + 1);
        if let Some(mut file) = bucket.file {
            file.rewind()?;
            let mut reader = BufReader::with_capacity(256 * 1024, file.take(bucket.spilled));
            let mut thing = Vec::new();
            while let Some(length) = next_length(&mut reader)? {
                thing.resize(length, 0);
                reader.read_exact(&mut thing)?;
                smaller.put(hash(&thing), |out| out.extend_from_slice(&thing))?;
            }
        }
        for (_, thing) in Contents(bucket.buffer).iter() {
            smaller.put(hash(thing), |out| out.extend_from_slice(thing))?;
        }
        Ok(smaller)
    }
}

impl Bucket {
    fn put(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        // Lengths are nearly always less than this, and then take one byte.
        let at = self.buffer.len();
        self.buffer.push(0);
        write(&mut self.buffer);
        let length = self.buffer.len() - at - 1;
        if length < usize::from(LONG) {
            self.buffer[at] = length as u8;
        } else {
            self.buffer[at] = LONG;
            drop(self.buffer.splice(at + 1..at + 1, (length as u32).to_le_bytes()));
        }
    }

    fn spill(&mut self, directory: &Path) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(nameless(directory)?),
        };
        file.write_all(&self.buffer)?;
        self.spilled += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// The first byte of a length that does not fit into one.
const LONG: u8 = u8::MAX;

fn next_length(reader: &mut impl io::Read) -> io::Result<Option<usize>> {
    let mut first = [0];
    if reader.read(&mut first)? == 0 {
        return Ok(None);
    }
    if first[0] < LONG {
        return Ok(Some(usize::from(first[0])));
    }
    let mut length = [0; 4];
    reader.read_exact(&mut length)?;
    Ok(Some(u32::from_le_bytes(length) as usize))
}

/// What was in a bucket.
#[derive(Debug, Default)]
pub struct Contents(Vec<u8>);

impl Contents {
    /// Each thing, and where it begins.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let (thing, next) = self.thing(at)?;
            let begin = std::mem::replace(&mut at, next);
            Some((begin, thing))
        })
    }

    /// The thing that begins there.
    pub fn at(&self, begin: usize) -> &[u8] {
        self.thing(begin).map_or(&[], |(thing, _)| thing)
    }

    fn thing(&self, begin: usize) -> Option<(&[u8], usize)> {
        let mut rest = self.0.get(begin..)?;
        let length = next_length(&mut rest).ok()??;
        let start = self.0.len() - rest.len();
        Some((self.0.get(start..start + length)?, start + length))
    }
}

/// Whether files can be made there.
pub fn try_directory(directory: &Path) -> io::Result<()> {
    nameless(directory).map(drop)
}

/// A file of one's own that is gone when it is closed.
fn nameless(directory: &Path) -> io::Result<File> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = directory.join(format!("walpost-{}-{number}.tmp", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn filled(directory: &Path, count: u64, size: usize) -> (Buckets, Seed) {
        let (mut buckets, seed) = (Buckets::new(directory), Seed::default());
        for number in 0..count {
            buckets.put(seed.hash(number.to_le_bytes()), |out| thing(number, size, out)).unwrap();
        }
        (buckets, seed)
    }

    fn thing(number: u64, size: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&number.to_le_bytes());
        out.resize(out.len() + size, 7);
    }

    fn number(thing: &[u8]) -> u64 {
        u64::from_le_bytes(thing[..8].try_into().unwrap())
    }

    fn drained(buckets: &mut Buckets) -> BTreeMap<u64, usize> {
        let mut found = BTreeMap::new();
        for index in 0..COUNT {
            let contents = buckets.take(index).unwrap();
            for (begin, thing) in contents.iter() {
                assert_eq!(contents.at(begin), thing);
                assert_eq!(found.insert(number(thing), thing.len()), None);
            }
        }
        found
    }

    #[test]
    fn what_is_put_in_comes_out_once_whether_it_was_spilled_or_not() {
        let directory = tempfile::tempdir().unwrap();
        for (count, size) in [(10, 3), (100_000, 90), (30_000, 300)] {
            let (mut buckets, _) = filled(directory.path(), count, size);
            let spilled = buckets.buckets.iter().any(|bucket| bucket.file.is_some());
            assert_eq!(spilled, count > 10);
            let found = drained(&mut buckets);
            assert_eq!(found.len() as u64, count);
            assert!(found.values().all(|length| *length == size + 8));
        }
    }

    #[test]
    fn files_have_no_name_even_while_they_are_used() {
        let directory = tempfile::tempdir().unwrap();
        let (buckets, _) = filled(directory.path(), 100_000, 90);
        assert!(buckets.buckets.iter().any(|bucket| bucket.spilled > 0));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_bucket_that_is_split_loses_nothing_and_comes_in_smaller_ones() {
        let directory = tempfile::tempdir().unwrap();
        let (mut buckets, seed) = filled(directory.path(), 100_000, 90);
        let largest = (0..COUNT).max_by_key(|index| buckets.size(*index)).unwrap();
        let (size, whole) = (buckets.size(largest), number_of_things(&buckets, largest));
        assert!(size > BUFFER as u64);
        let mut smaller = buckets.split(largest, |thing| seed.hash(&thing[..8])).unwrap();
        assert!((0..COUNT).all(|index| smaller.size(index) < size / 4));
        assert_eq!(drained(&mut smaller).len(), whole);
        assert_eq!(buckets.size(largest), 0);
    }

    fn number_of_things(buckets: &Buckets, index: usize) -> usize {
        buckets.size(index) as usize / 99
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error_when_it_is_needed() {
        let mut buckets = Buckets::new(Path::new("/does/not/exist"));
        buckets.put(0, |out| out.push(1)).unwrap();
        let error = buckets.put(0, |out| out.resize(out.len() + BUFFER, 0)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
