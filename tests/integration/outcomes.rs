//! Requests to Kafka of which nobody knows whether they were carried out: each kind, lost in each way.
//!
//! A request is lost before the broker has it, or its answer afterwards, or half of that, or it arrives when nobody
//! expects it any more. Whichever it is: every row once and in order, the positions a chain, and a producer whose
//! transaction met with it never begins another.

use crate::kit::{connector, positions, run};
use crate::line::{Line, line, losses};
use crate::support::{
    Connector, ConnectorBuilder, Database, DatabaseHandle, Fate, Fault, KafkaApi, PATIENCE, Request,
    Transaction, wait_until,
};
use std::collections::BTreeMap;

/// Bytes of a row that somebody refuses.
const TOO_LARGE: usize = 50_000;

/// An outbox, its connector behind the proxy, and how many rows there are.
struct Outbox<'a> {
    line: &'a Line,
    db: DatabaseHandle,
    connector: Connector,
    rows: usize,
    /// Requests of the tests before.
    before: usize,
}

impl<'a> Outbox<'a> {
    fn run(line: &'a Line) -> Outbox<'a> {
        Outbox::run_with(line, |builder| builder)
    }

    fn run_with(line: &'a Line, more: impl Fn(ConnectorBuilder) -> ConnectorBuilder) -> Outbox<'a> {
        let db = Database::shared().fresh_database();
        db.create_outbox();
        let builder = connector(&db, line.kafka)
            .set("bootstrap.servers", line.proxy.bootstrap())
            .set("retriable.restart.connector.wait.ms", 300);
        let before = line.proxy.requests().len();
        let mut outbox = Outbox { line, connector: run(more(builder)), db, rows: 0, before };
        outbox.write(3);
        outbox.check();
        outbox
    }

    /// Each row in a transaction of its own.
    fn write(&mut self, rows: usize) {
        for _ in 0..rows {
            self.write_sized(10);
        }
    }

    fn write_sized(&mut self, bytes: usize) {
        self.rows += 1;
        self.db.execute(&format!(
            "insert into outbox (aggregatetype, aggregateid, type, payload) values
             ('order', 'k{}', 't', jsonb_build_object('n', {}, 'x', repeat('x', {bytes})))",
            self.rows % 3,
            self.rows
        ));
    }

    /// Arms the fault and writes until it has happened; then some more, all of which must arrive.
    fn survive(&mut self, fault: &Fault, act: impl FnOnce(&mut Outbox<'a>)) {
        let proxy = self.line.proxy;
        let (fired, doomed) = (proxy.fired(), self.doomed().len());
        proxy.inject(fault.clone());
        act(self);
        if matches!(fault, Fault::LateRequest { .. }) {
            wait_until(&format!("{fault:?} keeps a request"), PATIENCE, || {
                self.write(1);
                self.doomed().get(doomed).cloned()
            });
            self.wait_next_epoch();
            proxy.release();
        }
        wait_until(&format!("{fault:?} happens"), PATIENCE, || {
            self.write(1);
            (proxy.fired() > fired).then_some(())
        });
        self.write(3);
        self.check();
        assert_eq!(proxy.fired(), fired + 1, "{fault:?}");
        assert_eq!(self.doomed().len(), doomed + 1, "{fault:?}");
        self.check_epochs();
    }

    /// Until a transaction of another epoch than that of the last lost request has begun.
    fn wait_next_epoch(&mut self) {
        let epoch = |request: &Request| {
            Some((request.transaction.as_ref()?.producer_id, request.transaction.as_ref()?.epoch))
        };
        wait_until("another epoch begins", PATIENCE, || {
            self.write(1);
            let requests = self.requests();
            let lost = requests.iter().rposition(|request| request.fate == Fate::Lost)?;
            let before = requests[..=lost].iter().rev().find_map(epoch);
            requests[lost..].iter().filter_map(epoch).any(|after| Some(after) != before).then_some(())
        });
    }

    /// The last position there is, once it stands for so many rows: an event may be seen before its position is.
    fn wait_position(&self, rows: usize) {
        wait_until(&format!("a position after {rows} rows"), PATIENCE, || {
            let last = positions(self.line.kafka, &self.db).pop()?;
            (last.events == rows as u64).then_some(())
        });
    }

    /// Every row once and in order, every position the next of a chain.
    fn check(&mut self) {
        if self.connector.is_running() {
            self.connector.wait_ready();
        }
        let records = self.line.kafka.wait_records(&[&self.db.topic("order")], self.rows, PATIENCE);
        assert_eq!(records.len(), self.rows, "{}", self.connector.log());
        let mut by_key: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for record in &records {
            let payload: serde_json::Value = serde_json::from_str(record.value_text()).expect("JSON");
            by_key
                .entry(record.key_text())
                .or_default()
                .push(payload["n"].as_u64().expect("a number") as usize);
        }
        for numbers in by_key.values() {
            assert!(numbers.is_sorted_by(|a, b| a + 3 == *b), "{by_key:?}\n{}", self.connector.log());
        }
        self.wait_position(self.rows);
        let positions = positions(self.line.kafka, &self.db);
        for pair in positions.windows(2).filter(|pair| !pair[1].creating) {
            assert_eq!(pair[1].seq, pair[0].seq + 1, "{positions:?}");
            assert_eq!(pair[1].prev_lsn, pair[0].end_lsn, "{positions:?}");
            assert!(pair[1].end_lsn >= pair[0].end_lsn, "{positions:?}");
        }
    }

    fn requests(&self) -> Vec<Request> {
        self.line.proxy.requests().split_off(self.before)
    }

    /// What met a fault.
    fn doomed(&self) -> Vec<Request> {
        let requests = self.requests();
        let is_doomed = |fate| matches!(fate, Fate::Lost | Fate::AnswerLost | Fate::Late { .. });
        requests.into_iter().filter(|request| is_doomed(request.fate)).collect()
    }

    /// No abort after a commit without an answer; and in the epoch of a request without one, no transaction after that.
    fn check_epochs(&self) {
        let mut epochs: BTreeMap<(i64, i16), Epoch> = BTreeMap::new();
        let mut current = None;
        for request in self.requests() {
            if let Some(Transaction { producer_id, epoch, .. }) = request.transaction {
                current = Some((producer_id, epoch));
            }
            let Some(current) = current else { continue };
            epochs.entry(current).or_default().follow(&request);
        }
    }
}

/// What an epoch has come to.
#[derive(Default)]
struct Epoch {
    is_uncertain: bool,
    has_uncertain_commit: bool,
    is_over: bool,
}

impl Epoch {
    fn follow(&mut self, request: &Request) {
        let commits = request.transaction.as_ref().and_then(|of| of.commits);
        let begins = request.transaction.is_some() && commits.is_none();
        assert!(commits != Some(false) || !self.has_uncertain_commit, "an abort: {request:?}");
        assert!(!begins || !self.is_over, "another transaction: {request:?}");
        if request.fate != Fate::Answered {
            self.is_uncertain = true;
            self.has_uncertain_commit |= commits == Some(true);
        }
        self.is_over |= commits.is_some() && self.is_uncertain;
    }
}

/// The server's answer to an EndTxn that came too late: it must be a refusal.
fn refused(outbox: &Outbox<'_>) {
    let late: Vec<_> = outbox
        .doomed()
        .into_iter()
        .filter_map(|request| match request.fate {
            Fate::Late { code } => code,
            _ => None,
        })
        .collect();
    let last = late.last().expect("an EndTxn that came late");
    // INVALID_PRODUCER_EPOCH or PRODUCER_FENCED; or CONCURRENT_TRANSACTIONS, of a coordinator that just ends a newer one.
    assert!([47, 51, 90].contains(last), "{late:?}");
}

#[test]
fn a_lost_produce_leaves_every_row_once_and_in_order() {
    let line = line();
    let mut outbox = Outbox::run(&line);
    for fault in losses(KafkaApi::Produce) {
        outbox.survive(&fault, |_| {});
    }
}

#[test]
fn a_lost_addition_of_a_partition_leaves_every_row_once_and_in_order() {
    let line = line();
    // walpost's own adds none by itself, with this broker.
    let mut outbox = Outbox::run_with(&line, |builder| builder.set("walpost.kafka.producer", "librdkafka"));
    for fault in losses(KafkaApi::AddPartitionsToTxn) {
        outbox.survive(&fault, |_| {});
    }
}

#[test]
fn a_lost_commit_is_decided_by_the_next_fence_and_a_late_one_is_refused() {
    let line = line();
    let mut outbox = Outbox::run(&line);
    for fault in losses(KafkaApi::EndTxnCommit) {
        outbox.survive(&fault, |_| {});
    }
    refused(&outbox);
}

#[test]
fn walpost_s_own_producer_leaves_every_row_once_and_in_order_too() {
    let line = line();
    let mut outbox = Outbox::run_with(&line, |builder| builder.set("walpost.kafka.producer", "native"));
    for api in [KafkaApi::Produce, KafkaApi::EndTxnCommit] {
        for fault in losses(api) {
            outbox.survive(&fault, |_| {});
        }
    }
    refused(&outbox);
    for fault in losses(KafkaApi::InitProducerId) {
        outbox.survive(&fault, |outbox| {
            outbox.connector.kill9();
            outbox.connector.start_again();
        });
    }
}

#[test]
fn a_lost_fence_is_made_again_and_a_late_one_costs_a_new_producer_and_no_row() {
    let line = line();
    let mut outbox = Outbox::run(&line);
    for fault in losses(KafkaApi::InitProducerId) {
        outbox.survive(&fault, |outbox| {
            outbox.connector.kill9();
            outbox.connector.start_again();
        });
    }
}

#[test]
fn lost_metadata_is_asked_for_again() {
    let line = line();
    let mut outbox = Outbox::run(&line);
    for fault in losses(KafkaApi::Metadata) {
        outbox.survive(&fault, |outbox| {
            outbox.connector.kill9();
            outbox.connector.start_again();
        });
    }
}

/// A row between two others that is refused: the one before it is published, and nothing else.
fn refuse(outbox: &mut Outbox<'_>) {
    outbox.connector.sigterm();
    outbox.connector.wait_exit(PATIENCE);
    let published = outbox.rows + 1;
    for bytes in [10, TOO_LARGE, 10] {
        outbox.write_sized(bytes);
    }
    // All three are read into one transaction.
    outbox.connector.start_again();
    let (exit, log) = outbox.connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(10), "{log}");
    assert!(log.contains("too_large"), "{log}");
    let topic = outbox.db.topic("order");
    let seen = outbox.line.kafka.wait_records(&[&topic], published, PATIENCE);
    assert_eq!(seen.len(), published, "{log}");
    outbox.wait_position(published);
}

#[test]
fn a_row_too_large_for_the_client_is_in_no_transaction_that_commits_without_it() {
    let line = line();
    let mut outbox = Outbox::run(&line);
    let limit = |bytes: usize| {
        move |builder: ConnectorBuilder| builder.set("producer.override.max.request.size", bytes)
    };
    outbox.connector.sigterm();
    outbox.connector.wait_exit(PATIENCE);
    outbox.connector.start_again_with(limit(TOO_LARGE));
    outbox.write(1);
    outbox.check();
    let commits = || line.proxy.seen(KafkaApi::EndTxnCommit);
    let (committed, stored) = (commits(), positions(line.kafka, &outbox.db).len());
    refuse(&mut outbox);
    let further = positions(line.kafka, &outbox.db).len() - stored;
    assert_eq!(commits() - committed, further as u64, "each commit has its position");
    outbox.connector.start_again_with(limit(2 * TOO_LARGE));
    outbox.check();
}

/// The broker refuses the row, and what is with it in the transaction must be aborted.
#[test]
fn a_lost_abort_never_commits_what_was_with_a_refused_row_and_a_late_one_is_refused() {
    let line = line();
    let mut outbox = Outbox::run(&line);
    let topic = outbox.db.topic("order");
    for fault in losses(KafkaApi::EndTxnAbort) {
        line.kafka.alter_topic(&topic, &[("max.message.bytes", "20000")]);
        outbox.survive(&fault, |outbox| {
            refuse(outbox);
            line.kafka.alter_topic(&topic, &[]);
            outbox.connector.start_again();
            outbox.check();
        });
    }
    refused(&outbox);
}
