//! A scripted Postgres: a WAL of transactions, a slot that believes anything and goes backwards on a crash, and a
//! walsender that begins at the greater of what is asked for and what is confirmed, without a word.

use crate::story::Dice;
use walpost::decode::testing;
use walpost::lsn::Lsn;
use walpost::pipeline::startup::Publication;
use walpost::position::Partial;
use walpost::postgres::facts::{SystemIdentity, TimelineSwitch};
use walpost::postgres::slot::SlotFacts;
use walpost::source::recorded;

pub const OUTBOX: u32 = 16_500;
const ORDERS: u32 = 16_600;
pub const DATABASE: &str = "app";
pub const SLOT: &str = "walpost";

/// What is wrong with an event, if anything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Fine,
    /// The client finds it too large: it never gets into the Kafka transaction.
    TooLargeHere,
    /// The broker finds it too large.
    TooLargeThere,
    /// Its topic is missing.
    NoTopic,
    /// Its topic has no legal name.
    IllegalTopic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Event {
        id: u64,
        fate: Fate,
    },
    /// A row of another table of the publication.
    Other(u64),
}

#[derive(Clone, Debug)]
pub struct Row {
    pub lsn: u64,
    pub kind: Kind,
    /// Written while there was no publication: it is never sent.
    pub unpublished: bool,
}

#[derive(Clone, Debug)]
pub struct Txn {
    pub commit: u64,
    pub end: u64,
    pub xid: u32,
    pub rows: Vec<Row>,
    /// No transaction, but the one logical decoding message that belongs to none.
    pub alone: bool,
}

#[derive(Clone, Debug)]
pub struct Slot {
    pub confirmed: u64,
    /// What a crash leaves of it: that of the last checkpoint.
    durable: u64,
    pub lost: bool,
}

#[derive(Debug)]
pub struct Postgres {
    pub system_id: u64,
    pub timeline: u32,
    pub history: Vec<TimelineSwitch>,
    pub wal: Vec<Txn>,
    pub flushed: u64,
    pub slot: Option<Slot>,
    pub publication: bool,
    /// A publication that is missing ends the stream (to 17), or its rows are passed over (18).
    pub skips_unpublished: bool,
    /// The stream there is, by its number.
    pub walsender: Option<Walsender>,
    streams: u64,
    next_xid: u32,
    pub next_event: u64,
    next_other: u64,
}

/// The server's end of a stream.
#[derive(Clone, Debug)]
pub struct Walsender {
    pub number: u64,
    start: u64,
    /// The transaction it is at, and how many of its messages are sent: Begin, rows, Commit.
    at: usize,
    within: usize,
    /// Everything before this is sent.
    sent: u64,
    relation_sent: bool,
}

/// The stream ended with this SQLSTATE.
#[derive(Debug)]
pub struct Refused(pub &'static str);

impl Postgres {
    pub fn new(dice: &mut Dice) -> Postgres {
        Postgres {
            system_id: 7,
            timeline: 1,
            history: Vec::new(),
            wal: Vec::new(),
            flushed: 1_000 + dice.below(500),
            slot: None,
            publication: true,
            skips_unpublished: dice.percent(50),
            walsender: None,
            streams: 0,
            next_xid: 700,
            next_event: 1,
            next_other: 1,
        }
    }

    /// WAL of something else: a checkpoint, another database.
    pub fn grow(&mut self, bytes: u64) -> u64 {
        let at = self.flushed;
        self.flushed += bytes;
        at
    }

    fn row(&mut self, kind: Kind, lsn: u64) -> Row {
        Row { lsn, kind, unpublished: !self.publication && !is_message(kind) }
    }

    fn event(&mut self, fate: Fate) -> Kind {
        let id = self.next_event;
        self.next_event += 1;
        Kind::Event { id, fate }
    }

    /// A transaction of some kind commits, or two whose commit records are adjacent; what kind.
    pub fn commit_something(&mut self, dice: &mut Dice, huge: u64) -> &'static str {
        if dice.percent(6) {
            self.emit_alone(Fate::Fine);
            return "a message of no transaction";
        }
        let (what, rows, copy) = match dice.below(20) {
            0..=8 => ("a transaction of some rows", dice.between(1, 4), false),
            9..=10 => ("a COPY", dice.between(2, 8), true),
            11 => ("a transaction without rows", 0, false),
            12..=13 => return self.commit_others(dice),
            14..=15 => ("a huge transaction", huge + dice.below(3 * huge), dice.percent(30)),
            _ => return self.commit_adjacent(dice),
        };
        let rows = self.rows(dice, rows, copy);
        self.commit_rows(rows);
        what
    }

    /// A message of no transaction, sent for what it is whether there is a publication or not.
    fn emit_alone(&mut self, fate: Fate) {
        let (kind, commit) = (self.event(fate), self.grow(48));
        let row = Row { lsn: self.flushed, kind, unpublished: false };
        self.wal.push(Txn { commit, end: self.flushed, xid: 0, rows: vec![row], alone: true });
    }

    fn rows(&mut self, dice: &mut Dice, rows: u64, copy: bool) -> Vec<Row> {
        let mut made = Vec::new();
        let mut lsn = self.grow(dice.between(20, 80));
        for _ in 0..rows {
            let kind = match !copy && dice.percent(25) {
                true => self.other(),
                false => self.event(Fate::Fine),
            };
            if !copy {
                lsn = self.grow(dice.between(20, 80));
            }
            made.push(self.row(kind, lsn));
        }
        made
    }

    fn other(&mut self) -> Kind {
        self.next_other += 1;
        Kind::Other(self.next_other)
    }

    fn commit_others(&mut self, dice: &mut Dice) -> &'static str {
        let mut rows = Vec::new();
        for _ in 0..dice.between(1, 5) {
            let (kind, lsn) = (self.other(), self.grow(40));
            rows.push(self.row(kind, lsn));
        }
        self.commit_rows(rows);
        "a transaction of other tables"
    }

    fn commit_adjacent(&mut self, dice: &mut Dice) -> &'static str {
        let rows = dice.between(1, 3);
        let first = self.rows(dice, rows, false);
        let second = self.rows(dice, rows, false);
        self.commit_rows(first);
        self.commit_rows(second);
        "two adjacent commits"
    }

    /// A transaction with an event that cannot be published among its rows; or a message of none.
    pub fn commit_poison(&mut self, dice: &mut Dice, fate: Fate) -> &'static str {
        if dice.percent(25) {
            self.emit_alone(fate);
            return "a message that cannot be published";
        }
        let (before, after) = (dice.below(4), dice.below(4));
        let mut rows = self.rows(dice, before, false);
        let (kind, lsn) = (self.event(fate), self.grow(40));
        rows.push(self.row(kind, lsn));
        rows.extend(self.rows(dice, after, false));
        self.commit_rows(rows);
        "an event that cannot be published"
    }

    fn commit_rows(&mut self, rows: Vec<Row>) {
        let commit = self.grow(48);
        self.next_xid += 1;
        self.wal.push(Txn { commit, end: self.flushed, xid: self.next_xid, rows, alone: false });
    }

    pub fn create_slot(&mut self) -> u64 {
        self.slot = Some(Slot { confirmed: self.flushed, durable: self.flushed, lost: false });
        self.flushed
    }

    pub fn slot_at(&mut self, lsn: u64) {
        self.slot = Some(Slot { confirmed: lsn, durable: lsn, lost: false });
    }

    pub fn checkpoint(&mut self) {
        if let Some(slot) = &mut self.slot {
            slot.durable = slot.confirmed;
        }
    }

    /// The server is gone and back; the slot is where the last checkpoint left it.
    pub fn crash(&mut self) {
        self.walsender = None;
        if let Some(slot) = &mut self.slot {
            slot.confirmed = slot.durable;
        }
    }

    /// Another server takes over, whose WAL ends at `switch`.
    pub fn promote(&mut self, switch: u64) {
        self.walsender = None;
        self.wal.retain(|txn| txn.end <= switch);
        self.history.push(TimelineSwitch { timeline: self.timeline, switch_lsn: Lsn::new(switch) });
        self.timeline += 1;
        self.flushed = switch;
    }

    /// The WAL ends earlier than it did, on the same timeline.
    pub fn rewind(&mut self, end: u64) {
        self.wal.retain(|txn| txn.end <= end);
        self.flushed = end;
    }

    pub fn slot_facts(&self) -> Option<SlotFacts> {
        self.slot.as_ref().map(|slot| SlotFacts {
            name: SLOT.to_owned(),
            plugin: Some("pgoutput".to_owned()),
            database: Some(DATABASE.to_owned()),
            confirmed_flush_lsn: Some(Lsn::new(slot.confirmed)),
            wal_status: Some(if slot.lost { "lost" } else { "reserved" }.to_owned()),
            ..SlotFacts::default()
        })
    }

    pub fn identity(&self) -> SystemIdentity {
        SystemIdentity {
            system_id: self.system_id,
            timeline: self.timeline,
            flush_lsn: Lsn::new(self.flushed),
            database: DATABASE.to_owned(),
        }
    }

    pub fn publication(&self) -> Publication {
        if self.publication { Publication::Exists(Box::default()) } else { Publication::Missing }
    }

    /// START_REPLICATION: begins at the slot's position when that is further on, and does not say so.
    pub fn start(&mut self, requested: u64) -> u64 {
        let confirmed = self.slot.as_ref().map_or(0, |slot| slot.confirmed);
        let start = requested.max(confirmed);
        self.streams += 1;
        let at = self.wal.partition_point(|txn| txn.commit < start);
        // The first keepalives may lie before what is known: decoding begins earlier than sending.
        let sent = confirmed.saturating_sub(40);
        let number = self.streams;
        self.walsender = Some(Walsender { number, start, at, within: 0, sent, relation_sent: false });
        number
    }

    /// Whether there is anything to send.
    pub fn has_more(&self) -> bool {
        self.walsender.as_ref().is_some_and(|walsender| walsender.at < self.wal.len())
    }

    /// The next message of the stream, framed.
    pub fn send(&mut self, dice: &mut Dice) -> Result<Option<Vec<u8>>, Refused> {
        let Some(walsender) = &mut self.walsender else { return Ok(None) };
        let Some(txn) = self.wal.get(walsender.at) else { return Ok(None) };
        debug_assert!(txn.commit >= walsender.start);
        let first = txn.rows.first().map_or(txn.commit, |row| row.lsn);
        let mut frames = Vec::new();
        if txn.alone {
            frames.extend(recorded::wal(Lsn::new(txn.end), &message(false, txn.end, txn.rows[0].kind)));
            walsender.within = 2;
        }
        match walsender.within {
            _ if txn.alone => {}
            0 => {
                let begin = testing::begin(Lsn::new(txn.commit), 5, txn.xid);
                frames.extend(recorded::wal(Lsn::new(first), &begin));
            }
            n if n <= txn.rows.len() => {
                let row = &txn.rows[n - 1];
                if row.unpublished {
                    if !self.skips_unpublished {
                        return Err(Refused("42704"));
                    }
                } else {
                    // Any invalidation has the relation sent again.
                    if !walsender.relation_sent || dice.percent(5) {
                        walsender.relation_sent = true;
                        frames.extend(recorded::wal(Lsn::ZERO, &testing::relation(&testing::outbox(OUTBOX))));
                        let orders = testing::described(ORDERS, "public", "orders", &[("id", 20, true)]);
                        frames.extend(recorded::wal(Lsn::ZERO, &testing::relation(&orders)));
                    }
                    frames.extend(recorded::wal(Lsn::new(row.lsn), &row_message(row.lsn, row.kind)));
                }
            }
            _ => {
                let commit = testing::commit(Lsn::new(txn.commit), Lsn::new(txn.end), 5);
                frames.extend(recorded::wal(Lsn::new(txn.end), &commit));
            }
        }
        walsender.within += 1;
        if walsender.within > txn.rows.len() + 1 {
            (walsender.at, walsender.within) = (walsender.at + 1, 0);
            walsender.sent = walsender.sent.max(txn.end);
        }
        Ok(Some(frames))
    }

    /// A keepalive: how far decoding has come, which is never past the commit of a transaction not yet sent whole.
    pub fn keepalive(&mut self, dice: &mut Dice) -> Option<Vec<u8>> {
        let walsender = self.walsender.as_mut()?;
        let limit = self.wal.get(walsender.at).map_or(self.flushed, |txn| txn.commit).min(self.flushed);
        if walsender.sent < limit {
            walsender.sent = if dice.percent(50) { limit } else { dice.between(walsender.sent, limit) };
        }
        Some(recorded::keepalive(Lsn::new(walsender.sent), dice.percent(30)))
    }

    /// What the reader has received at most: nothing beyond is told as flushed.
    pub fn sent(&self) -> u64 {
        self.walsender.as_ref().map_or(0, |walsender| walsender.sent.max(walsender.start))
    }

    /// Feedback: believed, whatever it says; never backwards.
    pub fn confirm(&mut self, lsn: u64) -> bool {
        let Some(slot) = &mut self.slot else { return false };
        let moved = lsn > slot.confirmed;
        slot.confirmed = slot.confirmed.max(lsn);
        moved
    }

    /// Takes one change out of the first `ordinal` of a transaction: whoever decodes it again sees another one.
    pub fn narrow(&mut self, dice: &mut Dice, partial: &Partial) -> bool {
        let commit = partial.commit_lsn.as_u64();
        let Some(txn) = self.wal.iter_mut().find(|txn| txn.commit == commit) else { return false };
        let at = dice.below(partial.ordinal.min(txn.rows.len() as u64));
        txn.rows.remove(at as usize);
        true
    }
}

/// The aggregate an event belongs to, and with it the topic.
pub fn aggregate(id: u64) -> &'static str {
    ["order", "customer", "invoice"][(id % 3) as usize]
}

/// Some events are logical decoding messages rather than rows.
fn is_message(kind: Kind) -> bool {
    matches!(kind, Kind::Event { id, .. } if id % 5 == 0)
}

/// An event as a logical decoding message.
fn message(transactional: bool, lsn: u64, kind: Kind) -> Vec<u8> {
    let Kind::Event { id, fate } = kind else { panic!("not an event") };
    let (aggregate, payload) = written(id, fate);
    let content = format!(
        r#"{{"id":"59a42efd-b015-44a9-9dde-{id:012}","aggregatetype":"{aggregate}","aggregateid":"k{}","payload":"{payload}"}}"#,
        id % 7
    );
    testing::message(transactional, Lsn::new(lsn), "outbox", content.as_bytes())
}

fn row_message(lsn: u64, kind: Kind) -> Vec<u8> {
    let (id, fate) = match kind {
        Kind::Other(id) => return testing::insert_text(ORDERS, &[&id.to_string()]),
        Kind::Event { .. } if is_message(kind) => return message(true, lsn, kind),
        Kind::Event { id, fate } => (id, fate),
    };
    let uuid = format!("59a42efd-b015-44a9-9dde-{id:012}");
    let (aggregate, payload) = written(id, fate);
    testing::insert_text(OUTBOX, &[&uuid, aggregate, &format!("k{}", id % 7), "T", &payload])
}

/// The aggregate's type and the payload of an event.
fn written(id: u64, fate: Fate) -> (&'static str, String) {
    let aggregate = match fate {
        Fate::NoTopic => "missing",
        Fate::IllegalTopic => "no such topic",
        _ => aggregate(id),
    };
    let payload = match fate {
        Fate::TooLargeHere => format!("{id} too large here"),
        Fate::TooLargeThere => format!("{id} too large there"),
        _ => format!("{id} "),
    };
    (aggregate, payload)
}
