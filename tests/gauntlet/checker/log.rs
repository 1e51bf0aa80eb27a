//! What a broker wrote to its disk: batches, producers and epochs, markers, and the coordinator's decisions.
//!
//! No client shows these. Enters: the segment files of a partition, which must be at rest. Leaves: which records belong to
//! which transaction and how that ended; of `__transaction_state`, each decision to commit and its time. Record batches of
//! format 2 only, as every broker since 0.11 writes them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};

/// Of a batch up to its records: offset, length, leader epoch, format, checksum, attributes, last offset's distance, two
/// times, producer, epoch, sequence, count.
const HEADER: usize = 61;
const LENGTH_COUNTS_FROM: usize = 12;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const COMPRESSED: i16 = 0x07;
/// The coordinator's state of a transaction that will be committed, whatever happens.
const PREPARE_COMMIT: u8 = 2;

/// A batch of records, or a marker.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    pub base: i64,
    pub last: i64,
    pub producer: i64,
    pub epoch: i16,
    pub records: u32,
    pub transactional: bool,
    /// A transaction of this producer ends here: in a commit or not.
    pub marker: Option<bool>,
}

/// The records of a transaction in one partition.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub producer: i64,
    pub records: u64,
    /// None while the transaction is open.
    pub committed: Option<bool>,
    /// How many of the partition's transactions were committed before it; of a committed one.
    pub rank: usize,
}

/// A partition's batches, in their order.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub batches: Vec<Batch>,
    pub spans: Vec<Span>,
    /// Of each batch; none for a marker and for a batch outside any transaction.
    span_of: Vec<Option<u32>>,
    open: HashMap<i64, u32>,
    /// Transactions that were committed so far.
    pub commits: usize,
}

impl Log {
    pub fn push(&mut self, batch: Batch) {
        let mut of = None;
        if let Some(committed) = batch.marker {
            // A coordinator that was restarted writes its markers again: the second one ends nothing.
            if let Some(span) = self.open.remove(&batch.producer) {
                let span = &mut self.spans[span as usize];
                (span.committed, span.rank) = (Some(committed), self.commits);
                self.commits += usize::from(committed);
            }
        } else if batch.transactional {
            let span = *self.open.entry(batch.producer).or_insert_with(|| {
                self.spans.push(Span { producer: batch.producer, records: 0, committed: None, rank: 0 });
                self.spans.len() as u32 - 1
            });
            self.spans[span as usize].records += u64::from(batch.records);
            of = Some(span);
        }
        self.span_of.push(of);
        self.batches.push(batch);
    }

    /// The transaction that a record belongs to.
    pub fn span_at(&self, offset: i64) -> Option<&Span> {
        let after = self.batches.partition_point(|batch| batch.base <= offset);
        let span = self.span_of[after.checked_sub(1)?]?;
        Some(&self.spans[span as usize])
    }

    pub fn has_open_transaction(&self) -> bool {
        !self.open.is_empty()
    }

    /// Records that a read_committed consumer must be shown.
    pub fn visible(&self) -> u64 {
        let committed = self.spans.iter().filter(|span| span.committed == Some(true));
        let plain = self.batches.iter().filter(|batch| batch.marker.is_none() && !batch.transactional);
        committed.map(|span| span.records).sum::<u64>()
            + plain.map(|batch| u64::from(batch.records)).sum::<u64>()
    }

    /// Records of all kinds but markers, aborted ones too.
    pub fn written(&self) -> u64 {
        let data = self.batches.iter().filter(|batch| batch.marker.is_none());
        data.map(|batch| u64::from(batch.records)).sum()
    }
}

/// A transaction that the coordinator has decided to commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub at_ms: i64,
    pub partitions: Vec<(String, i32)>,
}

/// The partition of which these are the files.
pub fn read_partition(directory: &Path) -> Result<Log, String> {
    let mut log = Log::default();
    each_batch(
        directory,
        |header| header.is_control,
        |header, body| {
            let marker = if header.is_control {
                let records = records(body)?;
                // Version and type of the control record; there are others than ends of transactions.
                let kind = records
                    .first()
                    .and_then(|(key, _)| Some(i16::from_be_bytes([*key.get(2)?, *key.get(3)?])));
                match kind {
                    Some(0) => Some(false),
                    Some(1) => Some(true),
                    _ => return Some(()),
                }
            } else {
                None
            };
            let Header { base, last, producer, epoch, records, transactional, .. } = *header;
            log.push(Batch { base, last, producer, epoch, records, transactional, marker });
            Some(())
        },
    )?;
    Ok(log)
}

/// Every decision to commit that touches a topic which `ours` knows, in the coordinator's order. One connector's
/// decisions are all in one partition of `__transaction_state`.
pub fn read_decisions(data: &Path, ours: impl Fn(&str) -> bool) -> Result<Vec<Decision>, String> {
    let mut decisions = Vec::new();
    let mut found = false;
    for directory in
        std::fs::read_dir(data).map_err(|error| format!("{}: {error}", data.display()))?.flatten()
    {
        if !directory.file_name().to_string_lossy().starts_with("__transaction_state-") {
            continue;
        }
        found = true;
        each_batch(
            &directory.path(),
            |header| !header.is_control,
            |header, body| {
                if header.is_control {
                    return Some(());
                }
                for (_, value) in records(body)? {
                    let Some(decision) = decision(value)? else { continue };
                    if decision.partitions.iter().any(|(topic, _)| ours(topic)) {
                        decisions.push(decision);
                    }
                }
                Some(())
            },
        )?;
    }
    if !found {
        return Err(format!("no __transaction_state in {}", data.display()));
    }
    Ok(decisions)
}

struct Header {
    base: i64,
    last: i64,
    producer: i64,
    epoch: i16,
    records: u32,
    transactional: bool,
    is_control: bool,
    compressed: bool,
}

/// Calls `each` with every batch, and with its body where `wanted`. None from `each` is a body that makes no sense.
fn each_batch(
    directory: &Path,
    wanted: impl Fn(&Header) -> bool,
    mut each: impl FnMut(&Header, &[u8]) -> Option<()>,
) -> Result<(), String> {
    let unreadable = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    for path in segments(directory)? {
        let mut file = BufReader::new(File::open(&path).map_err(|error| unreadable(&path, error))?);
        let mut bytes = [0; HEADER];
        let mut body = Vec::new();
        loop {
            match file.read_exact(&mut bytes) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                other => other.map_err(|error| unreadable(&path, error))?,
            }
            let (header, rest) = header(&bytes).ok_or_else(|| format!("{}: not a batch", path.display()))?;
            if wanted(&header) {
                body.resize(rest, 0);
                file.read_exact(&mut body).map_err(|error| unreadable(&path, error))?;
                if header.compressed {
                    return Err(format!("{}: batch {} is compressed", path.display(), header.base));
                }
            } else {
                body.clear();
                file.seek_relative(rest as i64).map_err(|error| unreadable(&path, error))?;
                // A seek may go past the end, and a batch that ends there was not read.
                if file.stream_position().ok() > file.get_ref().metadata().ok().map(|facts| facts.len()) {
                    return Err(format!("{}: batch {} is cut short", path.display(), header.base));
                }
            }
            each(&header, &body)
                .ok_or_else(|| format!("{}: batch {} cannot be read", path.display(), header.base))?;
        }
    }
    Ok(())
}

/// In the order of their first offsets, which are their names.
fn segments(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let entries =
        std::fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "log"));
    paths.sort();
    if paths.is_empty() {
        return Err(format!("{}: no segment", directory.display()));
    }
    Ok(paths)
}

/// The header, and how many bytes of body follow it.
fn header(bytes: &[u8; HEADER]) -> Option<(Header, usize)> {
    let mut fields = Fields(bytes);
    let base = fields.i64()?;
    let length = usize::try_from(fields.i32()?).ok()?;
    fields.take(4)?;
    let format = fields.take(1)?[0];
    fields.take(4)?;
    let attributes = fields.i16()?;
    let last = base + i64::from(fields.i32()?);
    fields.take(16)?;
    let (producer, epoch) = (fields.i64()?, fields.i16()?);
    fields.take(4)?;
    let records = u32::try_from(fields.i32()?).ok()?;
    let rest = (length + LENGTH_COUNTS_FROM).checked_sub(HEADER)?;
    let [transactional, is_control, compressed] =
        [TRANSACTIONAL, CONTROL, COMPRESSED].map(|bits| attributes & bits != 0);
    let header = Header { base, last, producer, epoch, records, transactional, is_control, compressed };
    (format == 2).then_some((header, rest))
}

/// Key and value of each record; empty for null.
fn records(body: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut fields = Fields(body);
    let mut records = Vec::new();
    while !fields.0.is_empty() {
        let length = fields.varint()?;
        let mut record = Fields(fields.take(usize::try_from(length).ok()?)?);
        record.take(1)?;
        record.varint()?;
        record.varint()?;
        let mut bytes = || {
            let length = record.varint()?;
            record.take(usize::try_from(length).unwrap_or(0))
        };
        records.push((bytes()?, bytes()?));
    }
    Some(records)
}

/// A value of `__transaction_state` (TransactionLogValue, versions 0 and 1), if it is a decision to commit.
fn decision(value: &[u8]) -> Option<Option<Decision>> {
    if value.is_empty() {
        return Some(None);
    }
    let mut fields = Fields(value);
    let compact = match fields.i16()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    fields.take(8 + 2 + 4)?;
    if fields.take(1)?[0] != PREPARE_COMMIT {
        return Some(None);
    }
    let mut partitions = Vec::new();
    for _ in 0..fields.length(compact, 4)? {
        let length = fields.length(compact, 2)?;
        let topic = std::str::from_utf8(fields.take(length)?).ok()?.to_owned();
        for _ in 0..fields.length(compact, 4)? {
            partitions.push((topic.clone(), fields.i32()?));
        }
        if compact {
            fields.no_tags()?;
        }
    }
    Some(Some(Decision { at_ms: fields.i64()?, partitions }))
}

/// Bytes yet to be read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn i16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn i64(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Zigzag.
    fn varint(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Of an array or a string: compact, or in so many bytes. Null is none.
    fn length(&mut self, compact: bool, bytes: usize) -> Option<usize> {
        Some(match (compact, bytes) {
            (true, _) => (self.unsigned()? as usize).saturating_sub(1),
            (false, 2) => usize::try_from(self.i16()?).unwrap_or(0),
            (false, _) => usize::try_from(self.i32()?).unwrap_or(0),
        })
    }

    fn no_tags(&mut self) -> Option<()> {
        (self.unsigned()? == 0).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value of `__transaction_state`: its version, the state, and partitions 0 and 2 of topic `t`.
    fn value(version: u8, state: u8) -> Vec<u8> {
        let (topics, name, numbers, tags): (&[u8], &[u8], &[u8], &[u8]) = match version {
            0 => (&[0, 0, 0, 1], &[0, 1], &[0, 0, 0, 2], &[]),
            _ => (&[2], &[2], &[3], &[0]),
        };
        let begin = [&[0, version][..], &[0; 14], &[state], topics, name, b"t", numbers].concat();
        [begin, [0, 0, 0, 0, 0, 0, 0, 2].to_vec(), tags.to_vec(), 1234_i64.to_be_bytes().to_vec(), vec![0; 9]]
            .concat()
    }

    fn batch(base: i64, attributes: i16, body: &[u8]) -> Vec<u8> {
        let length = (HEADER - LENGTH_COUNTS_FROM + body.len()) as i32;
        let mut bytes = [&base.to_be_bytes()[..], &length.to_be_bytes(), &[0; 4], &[2], &[0; 4]].concat();
        bytes.extend(attributes.to_be_bytes());
        bytes.extend([0, 0, 0, 1]);
        bytes.extend([0; 16]);
        bytes.extend(9_i64.to_be_bytes());
        bytes.extend([0, 3, 0, 0, 0, 0, 0, 0, 0, 2]);
        bytes.extend(body);
        bytes
    }

    /// A control record of this type; lengths are zigzag.
    fn control(kind: u8) -> Vec<u8> {
        vec![20, 0, 0, 0, 8, 0, 0, 0, kind, 0, 0]
    }

    #[test]
    fn a_decision_to_commit_is_read_from_either_version_and_no_other_state() {
        let expected = Decision { at_ms: 1234, partitions: vec![("t".to_owned(), 0), ("t".to_owned(), 2)] };
        for version in [0, 1] {
            assert_eq!(decision(&value(version, 2)), Some(Some(expected.clone())), "{version}");
            assert_eq!(decision(&value(version, 1)), Some(None), "{version}");
        }
        assert_eq!(decision(&value(2, 2)), None);
        assert_eq!(decision(&value(1, 2)[..30]), None);
        assert_eq!(decision(b""), Some(None), "a tombstone");
    }

    #[test]
    fn a_partition_is_read_from_its_segments_and_not_beyond_a_batch_that_is_cut() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(directory.path().join(name), bytes).unwrap();
        assert!(read_partition(directory.path()).unwrap_err().contains("no segment"));
        write("00000000000000000003.log", &batch(3, TRANSACTIONAL, b"records"));
        let marker = batch(2, TRANSACTIONAL | CONTROL, &control(1));
        write("00000000000000000000.log", &[batch(0, TRANSACTIONAL, b"records"), marker].concat());
        write("00000000000000000000.index", b"no batches");
        let log = read_partition(directory.path()).unwrap();
        assert_eq!((log.batches.len(), log.visible(), log.written(), log.commits), (3, 2, 4, 1));
        assert_eq!(log.batches[0].epoch, 3);
        assert!(log.has_open_transaction());
        assert_eq!(log.span_at(1).and_then(|span| span.committed), Some(true));
        assert_eq!(log.span_at(4).and_then(|span| span.committed), None);
        let cut = batch(3, TRANSACTIONAL, b"records");
        write("00000000000000000003.log", &cut[..cut.len() - 1]);
        assert!(read_partition(directory.path()).unwrap_err().contains("cut short"));
        write("00000000000000000003.log", &[0; HEADER]);
        assert!(read_partition(directory.path()).unwrap_err().contains("not a batch"));
    }
}
