//! Everything that is known of a run when it is over, read from five places that do not know of one another: the truth
//! table, the witness's slot, a read_committed consumer, the broker's files, and the slot as it was seen all along.
//!
//! What is judged is this alone; where it came from does not matter.

use super::log::{Decision, Log};
use crate::workload::rows::Row;
use walpost::lsn::Lsn;
use walpost::position::Position;

#[derive(Clone, Debug, Default)]
pub struct Dump {
    /// In any order.
    pub truth: Vec<Truth>,
    /// In the order of commit.
    pub commits: Vec<Commit>,
    /// Of the topics in `workload::topics`.
    pub partitions: Vec<Partition>,
    /// Of the position topic.
    pub position_log: PartitionLog,
    /// With their offsets.
    pub positions: Vec<(i64, Position)>,
    /// Those that touch the topics above, in the coordinator's order.
    pub decisions: Vec<Decision>,
    pub samples: Vec<Sample>,
    pub stops: Vec<Stop>,
    /// How long the drain took, in ms, or why it was given up; none when nobody waited for it.
    pub drain: Option<Result<u64, String>>,
    pub marks: Vec<Mark>,
    /// The server sends nothing of a transaction without published rows, so that positions do not count it either.
    pub counts_exact: bool,
    /// What could not be read.
    pub unread: Vec<String>,
}

/// A row of the truth table: an event that was committed.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    pub id: u128,
    pub xid: u32,
    pub ordinal: u32,
    pub aggregate: u32,
    pub version: u64,
    /// The event's own time, ms since 1970.
    pub at_ms: i64,
    /// Of the payload's bytes: the frame and the text.
    pub digest: u64,
    /// How long that is.
    pub bytes: u64,
    /// It cannot be published, and why not.
    pub bad: Option<&'static Row>,
}

/// A transaction as the witness saw it end.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    pub xid: u32,
    pub commit_lsn: Lsn,
    pub end_lsn: Lsn,
    pub at_ms: i64,
}

/// A partition's files, and its ends as clients see them.
#[derive(Clone, Debug, Default)]
pub struct PartitionLog {
    pub topic: String,
    pub number: i32,
    pub log: Log,
    /// The high watermark and the last stable offset.
    pub high: i64,
    pub stable: i64,
    /// How many records the read_committed consumer was given, and how far it came.
    pub read: u64,
    pub read_to: i64,
}

/// `Partition::kind` of the dead letters.
pub const LETTERS: u32 = crate::workload::TYPES.len() as u32;

/// A partition of an event topic, read to its end.
#[derive(Clone, Debug, Default)]
pub struct Partition {
    /// The number of its topic in `workload::topics`.
    pub kind: u32,
    pub of: PartitionLog,
    /// In the order of their offsets.
    pub events: Vec<Delivered>,
}

/// An event as a read_committed consumer was given it.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivered {
    pub offset: i64,
    /// 0 when the header is not a UUID.
    pub id: u128,
    /// The key, if it is a plain decimal number.
    pub key: Option<u32>,
    pub at_ms: i64,
    /// Of the value.
    pub digest: u64,
    /// There is one header, the id.
    pub headers_right: bool,
    /// It is a dead letter.
    pub letter: Option<Letter>,
}

/// What a dead letter says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Letter {
    pub reason: String,
    /// Where the payload is, by the header's word.
    pub payload_is: String,
    pub has_key: bool,
    /// The payload is in the record.
    pub has_payload: bool,
    /// The payload's size.
    pub bytes: Option<u64>,
}

/// The slot at some moment between two.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub before_ms: i64,
    pub after_ms: i64,
    pub slot: Slot,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slot {
    /// The server did not answer.
    Unreachable,
    /// There is none, or it is lost.
    Missing,
    Stands {
        confirmed: Lsn,
        active: bool,
    },
}

/// The connector ended by itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stop {
    pub code: Option<i32>,
    pub expected: i32,
    /// What was there when it ended, and what when it was started again, or at the end; none when nothing may be concluded
    /// because another instance was left.
    pub quiet: Option<(Ends, Ends)>,
}

/// High watermarks of the event partitions in their order, then of the position topic; and the slot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ends {
    pub high: Vec<i64>,
    pub confirmed: Option<Lsn>,
}

/// Something that was done to the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    pub at_ms: i64,
    pub class: String,
    pub detail: String,
}

impl Dump {
    /// Every partition, the position topic's last.
    pub fn logs(&self) -> impl Iterator<Item = &PartitionLog> {
        self.partitions.iter().map(|partition| &partition.of).chain([&self.position_log])
    }
}

impl PartitionLog {
    pub fn name(&self) -> String {
        format!("{}/{}", self.topic, self.number)
    }
}

/// The first eight bytes of SHA-256, as Postgres is asked for them too.
pub fn digest(bytes: &[u8]) -> u64 {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    u64::from_be_bytes(digest.as_ref()[..8].try_into().expect("eight bytes"))
}
