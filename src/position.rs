//! How far the road has come: the last record of every Kafka transaction, and what a restart begins with.
//!
//! A position is a whole source transaction's end, plus, inside one that was too large for a batch, the number of its
//! changes that are already published. Never a per-row LSN: rows of a COPY share one, and a commit's end can equal the
//! next row's. The record's form is JSON, one key per connector, in a compacted topic of one partition.

use crate::fingerprint::Fingerprint;
use crate::lsn::Lsn;
use serde::{Deserialize, Serialize};

/// Where the connector stands. Written in the same Kafka transaction as the events it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Number of this record in the chain; each is one more than the last.
    pub seq: u64,
    /// `end_lsn` of the record before this one: the chain.
    pub prev_lsn: Lsn,
    /// End of the last source transaction that is published whole.
    pub end_lsn: Lsn,
    /// The slot is about to be created: nothing is published yet. A start that finds this takes the slot's own position.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub creating: bool,
    /// Inside the next transaction: what of it is published already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<Partial>,
    /// A snapshot that is being published, before the stream goes on; a whole one, where nothing is streamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
    /// The cluster's system identifier (IDENTIFY_SYSTEM).
    pub system_id: u64,
    /// The timeline the LSNs belong to.
    pub timeline: u32,
    /// Where the slot was when this chain began.
    pub slot_birth_lsn: Lsn,
    /// Events published since the chain began.
    pub events: u64,
    /// Source transactions published whole since the chain began.
    pub transactions: u64,
    /// The id (xid) of the last transaction published, and its commit time in µs since 1970; 0 when there was none.
    pub last_xid: u32,
    /// Commit time of the last transaction published, µs since 1970-01-01 UTC.
    pub last_commit_us: i64,
    /// The run that wrote the record.
    pub instance: String,
    /// What the slot sends; `None` in records of versions that did not look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publication: Option<Fingerprint>,
    /// What people have decided about it: the last few, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audit: Vec<Audit>,
}

/// Somebody moved a position, or gave up what it stands before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// When, ms since 1970-01-01 UTC, by the clock of whoever did it.
    pub at_ms: i64,
    /// The command: `walpost repair`.
    pub by: String,
    /// From where in the WAL.
    pub from: Lsn,
    /// To where; `None`: that was not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Lsn>,
    /// Events that were published by it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub published: u64,
    /// Events that were given up; `None`: how many is not known.
    pub given_up: Option<u64>,
    /// The id of the first of them, and of the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<(String, String)>,
}

/// Older ones go: a position is written with every Kafka transaction.
const AUDITS_MOST: usize = 8;

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Position {
    /// The mark that precedes the creation of a slot: a chain begins here, at no LSN yet.
    pub fn creating(system_id: u64, timeline: u32, instance: &str) -> Position {
        Position {
            seq: 0,
            prev_lsn: Lsn::ZERO,
            end_lsn: Lsn::ZERO,
            creating: true,
            partial: None,
            snapshot: None,
            system_id,
            timeline,
            slot_birth_lsn: Lsn::ZERO,
            events: 0,
            transactions: 0,
            last_xid: 0,
            last_commit_us: 0,
            instance: instance.to_owned(),
            publication: None,
            audit: Vec::new(),
        }
    }

    /// The same, with this decision on it; by it, it was written.
    pub fn noting(mut self, audit: Audit) -> Position {
        self.instance.clone_from(&audit.by);
        self.audit.push(audit);
        let surplus = self.audit.len().saturating_sub(AUDITS_MOST);
        self.audit.drain(..surplus);
        self
    }

    /// The first position of a chain whose slot stands at `slot_lsn`; follows `mark`, the record before it.
    pub fn first(mark: &Position, slot_lsn: Lsn) -> Position {
        let (end_lsn, slot_birth_lsn) = (slot_lsn, slot_lsn);
        Position {
            seq: mark.seq + 1,
            prev_lsn: mark.end_lsn,
            end_lsn,
            slot_birth_lsn,
            creating: false,
            ..mark.clone()
        }
    }

    /// The position after a failover that lost WAL which was published already: the new timeline goes on at the switch.
    pub fn at_switch(&self, switch_lsn: Lsn, timeline: u32) -> Position {
        let partial = self.partial.clone().filter(|partial| partial.commit_lsn < switch_lsn);
        let (seq, prev_lsn) = (self.seq + 1, self.end_lsn);
        Position { seq, prev_lsn, end_lsn: switch_lsn, partial, timeline, ..self.clone() }
    }
}

/// How far a snapshot has come: which rows belong to it, and up to which key they are published.
///
/// A row belongs to it when the transaction that wrote it is one that `horizon` sees. All others end after `lsn`, and
/// come by the stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Where it was taken: the consistent point of the slot that exported it.
    pub lsn: Lsn,
    /// Postgres's text of it (`pg_snapshot`): `xmin:xmax:xip,…`, transaction ids of 64 bits.
    pub horizon: String,
    /// Rows published.
    pub rows: u64,
    /// Its tables, in the order of their names.
    pub tables: Vec<SnapshotTable>,
}

/// One table of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotTable {
    /// OID of the table.
    pub oid: u32,
    /// The columns by which its rows are sorted, and no two are alike.
    pub key: Vec<String>,
    /// Every row up to this key, itself included, is published; values as Postgres prints them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<Vec<String>>,
    /// All of it is published.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
    /// It has rows so old that their transaction ids may be given out again: which of its rows the horizon sees
    /// can be told in the snapshot itself only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ancient: bool,
    /// Rows updated and deleted since the server counts, when the snapshot was taken.
    #[serde(default)]
    pub changed: (i64, i64),
}

impl Snapshot {
    /// There are rows still to be published.
    pub fn is_pending(&self) -> bool {
        self.tables.iter().any(|table| !table.done)
    }
}

/// A source transaction of which the first `ordinal` changes are published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partial {
    /// The transaction's commit LSN (Begin's `final_lsn`).
    pub commit_lsn: Lsn,
    /// Its id.
    pub xid: u32,
    /// Raw row changes of the transaction that are done with, counted before routing and filters.
    pub ordinal: u64,
    /// SHA-256 (first 16 hex digits) of the raw pgoutput bytes of change `ordinal`: a resumed transaction must match.
    pub change_hash: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_decisions_stay_with_the_position_and_with_those_after_it() {
        let audit = |given_up| Audit {
            at_ms: 5,
            by: "walpost repair".into(),
            from: Lsn::new(1),
            to: None,
            published: 0,
            given_up,
            ids: None,
        };
        let mut position = Position::creating(7, 1, "run");
        assert!(!serde_json::to_string(&position).unwrap().contains("audit"));
        for number in 0..20 {
            position = position.noting(audit(Some(number)));
        }
        let kept: Vec<u64> = position.audit.iter().filter_map(|audit| audit.given_up).collect();
        assert_eq!(kept, (20 - AUDITS_MOST as u64..20).collect::<Vec<_>>());
        assert_eq!(position.instance, "walpost repair");
        let text = serde_json::to_string(&position.clone().noting(audit(None))).unwrap();
        assert!(text.contains("\"given_up\":null}"), "{text}");
        assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), position.noting(audit(None)));
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let mut position =
            Position::first(&Position::creating(7_300_000_000_000_000_001, 3, "run"), Lsn::new(1 << 33));
        for partial in [
            None,
            Some(Partial {
                commit_lsn: Lsn::new(1 << 34),
                xid: 9,
                ordinal: 10_000,
                change_hash: "00ff".into(),
            }),
        ] {
            position.partial = partial;
            position.snapshot = position.partial.is_some().then(|| Snapshot {
                lsn: Lsn::new(7),
                horizon: "4294967300:4294967305:4294967301".into(),
                rows: 3,
                tables: vec![SnapshotTable {
                    oid: 16_400,
                    key: vec!["id".into()],
                    reached: Some(vec!["7".into()]),
                    ancient: true,
                    ..SnapshotTable::default()
                }],
            });
            let text = serde_json::to_string(&position).unwrap();
            assert!(text.contains("\"end_lsn\":\"2/0\""), "{text}");
            assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), position);
        }
    }
}
