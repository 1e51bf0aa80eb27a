//! The calls: fence, begin, send, settle, commit, abort. Every call blocks; none without a deadline.
//!
//! Promised: `commit` says yes only when the one EndTxn that was sent was answered with yes. It is never sent twice, so
//! an answer is about this transaction and no other: how long it took does not matter, as it does with a client that
//! repeats in secret. A copy that a network delivers late is the next fence's to refuse, by its epoch; with transactions
//! of version 2 (KIP-890) each commit has an epoch of its own. After a failure nothing is said but one abort, and
//! after an uncertain one nothing at all.
//!
//! Sequence numbers begin at 0 in each partition with each epoch (ProducerAppendInfo.checkSequence): with version 2 in
//! each transaction, since EndTxn gives a new epoch; with version 1 after each fence.

use super::cluster::Cluster;
use super::compress::Compressor;
use super::flight::{Flights, Terms};
use super::forgotten::Decided;
use super::markers::Markers;
use super::settings::Settings;
use super::topics::Topics;
use super::{errors, failure};
use crate::kafka::Error;
use crate::kafka::classify::{Call, Class};
use crate::kafka::producer::{Failure, Framed, Record};
use kafka_protocol::messages::{ApiKey, EndTxnRequest, EndTxnResponse, ProducerId, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How transactions are spoken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Partitions are added before they are written to, and an epoch lasts from fence to fence.
    V1,
    /// Partitions are added by writing to them, and each transaction has its own epoch.
    V2,
}

impl Protocol {
    /// Versions of Produce: from the first that has zstd; or the one that adds partitions and names topics by name.
    pub(super) fn produce(self) -> RangeInclusive<i16> {
        match self {
            Protocol::V1 => 7..=11,
            Protocol::V2 => 12..=12,
        }
    }

    /// Versions of EndTxn: the last gives the next epoch.
    pub(super) fn end(self) -> RangeInclusive<i16> {
        match self {
            Protocol::V1 => 0..=4,
            Protocol::V2 => 5..=5,
        }
    }
}

/// What may be said next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody is fenced yet.
    New,
    Idle,
    Open,
    /// Something failed; whether anything is uncertain decides if an abort may be sent.
    Spoilt {
        is_certain: bool,
    },
    /// Of no further use.
    Spent,
}

/// A transactional producer. Dropping it closes its connections and leaves an open transaction to the next fence.
pub struct Producer {
    pub(super) settings: Arc<Settings>,
    pub(super) cluster: Cluster,
    pub(super) topics: Topics,
    pub(super) flights: Flights,
    pub(super) terms: Terms,
    pub(super) coordinator: i32,
    pub(super) protocol: Protocol,
    /// The coordinator may know of this transaction.
    pub(super) is_known: bool,
    pub(super) state: State,
    began: Instant,
    /// Records handed over in this transaction.
    pub(super) sent: usize,
    /// Transactions so far: records without a key go to another partition in each.
    pub(super) transactions: usize,
    /// When topics were last looked up.
    pub(super) looked: Instant,
    pub(super) markers: Markers,
    pub(super) decided: Option<Decided>,
}

impl Producer {
    /// A producer with settings by librdkafka's names. Connects to nobody yet; `fence` does.
    pub fn new(settings: &BTreeMap<String, String>, transactional_id: &str) -> Result<Producer, Error> {
        let settings = Arc::new(Settings::new(settings)?);
        let now = Instant::now();
        Ok(Producer {
            cluster: Cluster::new(settings.clone()),
            topics: Topics::default(),
            flights: Flights::new(Compressor::new(settings.codec)),
            terms: Terms {
                transactional_id: transactional_id.to_owned(),
                producer_id: -1,
                epoch: -1,
                versions: Protocol::V1.produce(),
                request_timeout: settings.request_timeout,
                deadline: now,
            },
            coordinator: -1,
            protocol: Protocol::V1,
            is_known: false,
            state: State::New,
            began: now,
            sent: 0,
            transactions: 0,
            looked: now,
            markers: Markers::default(),
            decided: None,
            settings,
        })
    }

    /// A producer that has fenced every older one: `new` and `fence`.
    pub fn fenced(
        settings: &BTreeMap<String, String>,
        transactional_id: &str,
        timeout: Duration,
    ) -> Result<Producer, Error> {
        let mut producer = Producer::new(settings, transactional_id)?;
        producer.fence(timeout)?;
        Ok(producer)
    }

    /// Begins a transaction. Nothing is said to the coordinator before the first record.
    pub fn begin(&mut self) -> Result<(), Failure> {
        if self.state != State::Idle {
            return Err(failure(Class::Fatal, "beginning a transaction: this producer has ended before"));
        }
        self.began = Instant::now();
        self.terms.deadline = self.began + self.settings.delivery_timeout;
        self.sent = 0;
        self.is_known = false;
        self.transactions = self.transactions.wrapping_add(1);
        self.flights.begin();
        self.topics.begin_transaction();
        if self.looked.elapsed() >= self.settings.metadata_age {
            self.look_again().map_err(|failed| self.spoil(failed))?;
        }
        self.state = State::Open;
        Ok(())
    }

    /// Hands a record over. It is sent when its batch or its request is full, or when the transaction is settled.
    pub fn send<'h>(
        &mut self,
        record: Record<'_>,
        headers: impl ExactSizeIterator<Item = (&'h str, Option<&'h [u8]>)> + Clone,
    ) -> Result<(), Failure> {
        self.send_framed(record, Framed::default(), headers)
    }

    /// The same of a record whose first headers are framed.
    pub fn send_framed<'h>(
        &mut self,
        record: Record<'_>,
        framed: Framed<'_>,
        own: impl ExactSizeIterator<Item = (&'h str, Option<&'h [u8]>)> + Clone,
    ) -> Result<(), Failure> {
        self.expect_open("sending a record")?;
        match self.place(&record, framed, own) {
            Ok(()) => {
                self.sent += 1;
                Ok(())
            }
            Err(failed) => Err(self.spoil(failed)),
        }
    }

    /// Waits until the cluster has acknowledged every record sent; the first that it has not is the error.
    pub fn settle(&mut self) -> Result<(), Failure> {
        self.expect_open("delivering records")?;
        let settled = self
            .admit(None)
            .and_then(|()| self.flights.settle(&self.terms, &mut self.cluster, &mut self.topics));
        settled.map_err(|failed| self.spoil(failed))
    }

    /// Commits what was sent and settled. `Ok` is the coordinator's word on the one EndTxn that was sent.
    pub fn commit(&mut self) -> Result<(), Failure> {
        self.expect_open("committing")?;
        if !self.flights.is_done() {
            return Err(
                self.spoil(failure(Class::Abortable, "committing: there are records without an answer"))
            );
        }
        match self.end(true, Call::Commit) {
            Ok(()) => {
                self.state = State::Idle;
                self.markers.begin();
                Ok(())
            }
            Err(failed) => Err(self.spoil(failed)),
        }
    }

    /// Aborts the transaction, unless anything about it is uncertain: then that is left to the next fence. The producer
    /// is of no further use afterwards.
    pub fn abort(&mut self) -> Result<(), Failure> {
        let state = std::mem::replace(&mut self.state, State::Spent);
        if !matches!(state, State::Open | State::Spoilt { is_certain: true }) {
            return Err(failure(Class::Indefinite, "aborting: it is left to the next fence"));
        }
        let drained = self.flights.drain(&self.terms, &mut self.cluster);
        drained.and_then(|()| self.end(false, Call::Abort))
    }

    /// How long the next transaction had better wait after the last commit: it could not be sent sooner.
    pub fn rest(&self) -> Duration {
        self.markers.usual()
    }

    /// How long the broker lets a transaction be open.
    pub fn transaction_timeout(&self) -> Duration {
        self.settings.transaction_timeout
    }

    /// Ends the transaction: one EndTxn, one answer.
    fn end(&mut self, commits: bool, call: Call) -> Result<(), Failure> {
        let doing = if commits { "committing" } else { "aborting" };
        // A coordinator that knows of no transaction has nothing to end, and would call that an error.
        if !self.is_known && !self.flights.has_flown() {
            return Ok(());
        }
        let answer_by = self.answer_by(Instant::now() + self.settings.request_timeout);
        let connection = self.cluster.ready(self.coordinator, answer_by)?;
        let version = connection.version(ApiKey::EndTxn, self.protocol.end())?;
        let asked = EndTxnRequest::default()
            .with_transactional_id(TransactionalId(StrBytes::from_string(
                self.terms.transactional_id.clone(),
            )))
            .with_producer_id(ProducerId(self.terms.producer_id))
            .with_producer_epoch(self.terms.epoch)
            .with_committed(commits);
        let answer: EndTxnResponse =
            connection.ask(ApiKey::EndTxn, version, &asked, answer_by).map_err(|failed| Failure {
                class: Class::Indefinite,
                message: format!("{doing}: {failed}"),
                ..failed
            })?;
        connection.heed(answer.throttle_time_ms);
        if answer.error_code != errors::NONE {
            return Err(errors::refused(call, doing, answer.error_code));
        }
        if self.protocol == Protocol::V2 {
            if answer.producer_id.0 < 0 || answer.producer_epoch < 0 {
                return Err(failure(Class::Indefinite, format!("{doing}: an answer without an epoch")));
            }
            self.adopt(answer.producer_id.0, answer.producer_epoch);
        }
        Ok(())
    }

    /// A new epoch, with new sequence numbers.
    pub(super) fn adopt(&mut self, producer_id: i64, epoch: i16) {
        if (self.terms.producer_id, self.terms.epoch) != (producer_id, epoch) {
            (self.terms.producer_id, self.terms.epoch) = (producer_id, epoch);
            self.topics.begin_epoch();
        }
    }

    pub(super) fn answer_by(&self, deadline: Instant) -> Instant {
        deadline.min(Instant::now() + self.settings.request_timeout)
    }

    fn expect_open(&self, doing: &str) -> Result<(), Failure> {
        match self.state {
            State::Open => Ok(()),
            _ => Err(failure(Class::Fatal, format!("{doing}: there is no open transaction"))),
        }
    }

    /// Nothing but an abort may follow, and nothing at all when it is not known what happened.
    fn spoil(&mut self, mut failed: Failure) -> Failure {
        // The broker fences a transaction that is open for too long exactly as it fences a predecessor.
        if failed.class == Class::Fenced && self.began.elapsed() >= self.settings.transaction_timeout {
            failed.class = Class::Fatal;
            failed.message += "; the transaction was open for longer than transaction.timeout.ms";
        }
        self.state = State::Spoilt { is_certain: failed.class != Class::Indefinite };
        failed
    }
}
