//! The transactional producer: fence, begin, send, settle, commit or abort. Every call blocks; none without a deadline.
//!
//! Promised: `commit` says yes only when EndTxn was sent once and answered. librdkafka repeats an unanswered EndTxn
//! without telling, and (on the transaction protocol it speaks) a late copy can end the *next* transaction; so a commit
//! that took as long as a repetition would, or that came with a broken connection, is reported as indefinite, and its
//! producer must be replaced. `settle` comes before `commit`: with nothing in flight the wrapper commits at once,
//! otherwise in steps of 100 ms.

mod config;
mod pace;
mod watch;

use super::classify::{Call, Class, classify_error};
use super::{Error, ErrorKind};
use crate::mutant::{self, Mutant};
use config::{Config, RETRY_BACKOFF};
use pace::Pace;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};
use watch::{Waited, Watch};

/// A commit that took this long may have been sent twice: a fifth less than the wait before the second.
const SLOW_COMMIT: Duration = RETRY_BACKOFF.saturating_sub(RETRY_BACKOFF.checked_div(5).unwrap());

/// How long one call of `init_transactions` waits before what the client told meanwhile is looked at.
const FENCE_SLICE: Duration = Duration::from_millis(500);

/// A record to send.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition; `None`: the key's.
    pub partition: Option<i32>,
    /// Ms since 1970; `None`: now.
    pub timestamp_ms: Option<i64>,
    /// Key bytes.
    pub key: Option<&'a [u8]>,
    /// Value bytes; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
}

/// The first headers of a record, put together before: in record batches (KIP-98, format 2) they all look like this.
#[derive(Clone, Copy, Debug, Default)]
pub struct Framed<'a> {
    /// How many.
    pub count: usize,
    /// Names and values, each with its length before it.
    pub bytes: &'a [u8],
}

/// The headers of a record, twice: librdkafka wants each of them by itself.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a, All, Own> {
    /// All, in order.
    pub all: All,
    /// The first of them, framed.
    pub framed: Framed<'a>,
    /// The others.
    pub own: Own,
}

/// A call was not done, or nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What it means for the transaction.
    pub class: Class,
    /// What was being done, and the client's words.
    pub message: String,
    /// Topic of the record concerned.
    pub topic: Option<String>,
    /// Its number within the transaction, from 0; none when it is not known which of several it was.
    pub record: Option<usize>,
}

/// A transactional producer. Dropping it returns at once and leaves an open transaction to the next fence.
pub struct Producer {
    /// Always there, but while dropping.
    client: Option<ThreadedProducer<Watch>>,
    transaction_timeout: Duration,
    request_timeout: Duration,
    began: Instant,
    /// Records handed over in this transaction.
    sent: usize,
    troubles_before: u64,
    pace: Pace,
}

impl Producer {
    /// A producer with settings by librdkafka's names. Connects in the background; `fence` waits for it.
    pub fn new(settings: &BTreeMap<String, String>, transactional_id: &str) -> Result<Producer, Error> {
        let config = Config::new(settings, transactional_id);
        let client = config.client.create_with_context(Watch::default()).map_err(|error| Error {
            kind: ErrorKind::Settings,
            message: format!("the Kafka producer cannot be made with these settings: {}", words(&error)),
        })?;
        Ok(Producer {
            client: Some(client),
            transaction_timeout: config.transaction_timeout,
            request_timeout: config.request_timeout,
            began: Instant::now(),
            sent: 0,
            troubles_before: 0,
            pace: Pace::default(),
        })
    }

    /// Fences every older producer of the same transactional id: when this returns, whatever they left is decided.
    pub fn fence(&mut self, timeout: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + timeout;
        loop {
            let slice = deadline.saturating_duration_since(Instant::now()).min(FENCE_SLICE);
            let Err(error) = self.client().init_transactions(slice) else { return Ok(()) };
            let (class, words) = classify_error(Call::Init, &error);
            let resumable = matches!(class, Class::Retriable | Class::Indefinite);
            let class = if self.watch().is_denied() { Class::Denied } else { class };
            if class != Class::Denied && resumable && Instant::now() < deadline {
                continue;
            }
            let kind = match (class, error.rdkafka_error_code()) {
                (_, Some(Code::InvalidTransactionTimeout)) => ErrorKind::Settings,
                _ => kind(class),
            };
            let trouble =
                self.watch().last_trouble().map(|trouble| format!("; {trouble}")).unwrap_or_default();
            return Err(Error { kind, message: format!("fencing older producers: {words}{trouble}") });
        }
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

    /// Begins a transaction.
    pub fn begin(&mut self) -> Result<(), Failure> {
        self.sent = 0;
        self.watch().begin();
        self.troubles_before = self.watch().troubles();
        self.watch().take_failure();
        self.began = Instant::now();
        self.client().begin_transaction().map_err(|error| self.failure(Call::Begin, &error))
    }

    /// Hands a record over; waits while the buffer is full.
    pub fn send<'h>(
        &mut self,
        record: Record<'_>,
        headers: impl ExactSizeIterator<Item = (&'h str, Option<&'h [u8]>)>,
    ) -> Result<(), Failure> {
        let mut base = BaseRecord::with_opaque_to(record.topic, self.sent);
        base.partition = record.partition;
        base.timestamp = record.timestamp_ms;
        base.key = record.key;
        base.payload = record.value;
        base.headers = owned(headers);
        let deadline = self.began + self.transaction_timeout;
        loop {
            let Err((error, back)) = self.client().send(base) else {
                self.sent += 1;
                return Ok(());
            };
            let is_full = error.rdkafka_error_code() == Some(Code::QueueFull);
            // Room comes with the next delivery; an error of one of them shows when settling.
            if !is_full || self.watch().wait_done(self.watch().done() + 1, deadline) != Waited::Reached {
                let mut failure = self.failure(Call::Send, &error);
                failure.topic = Some(record.topic.to_owned());
                failure.record = Some(self.sent);
                return Err(failure);
            }
            base = back;
        }
    }

    /// Waits until the cluster has acknowledged every record sent; the first that it has not is the error.
    pub fn settle(&mut self) -> Result<(), Failure> {
        // A record is given up after delivery.timeout.ms at the latest; a little more lets that be told.
        let deadline = Instant::now() + self.transaction_timeout + Duration::from_secs(5);
        let waited = self.watch().wait_done(self.watch().before() + self.sent as u64, deadline);
        if let Some(failed) = self.watch().take_failure() {
            let mut failure = self.failure(Call::Delivery, &KafkaError::MessageProduction(failed.code));
            failure.topic = Some(failed.topic);
            match failed.others {
                // As long as not all reports are in, others may have failed with it.
                0 if waited == Waited::Reached => failure.record = Some(failed.number),
                0 => {}
                others => failure.message += &format!("; one of {} records that failed together", others + 1),
            }
            return Err(failure);
        }
        if let Some(cause) = self.cause() {
            return Err(self.failure(Call::Delivery, &cause));
        }
        if waited != Waited::Reached || !self.drained(deadline) {
            return Err(self.indefinite("waiting for records to be acknowledged: no answer"));
        }
        if let Some(first) = self.watch().first() {
            self.pace.learn(first.saturating_duration_since(self.began));
        }
        Ok(())
    }

    /// Commits what was sent and settled. `Ok` is the coordinator's word on the one EndTxn that was sent.
    pub fn commit(&mut self) -> Result<(), Failure> {
        let asked = Instant::now();
        self.client()
            .commit_transaction(self.request_timeout)
            .map_err(|error| self.failure(Call::Commit, &error))?;
        let took = asked.elapsed();
        if mutant::is_on(Mutant::KeepProducer) {
            return Ok(());
        }
        if took >= SLOW_COMMIT {
            return Err(self.indefinite(&format!("the commit took {took:.0?} and may have been sent twice")));
        }
        if self.watch().troubles() != self.troubles_before {
            let trouble = self.watch().last_trouble().unwrap_or_default();
            return Err(self.indefinite(&format!("a connection broke during the transaction: {trouble}")));
        }
        Ok(())
    }

    /// Aborts the transaction. The producer is of no further use afterwards: requests of it may still be under way.
    pub fn abort(&mut self) -> Result<(), Failure> {
        let timeout = self.request_timeout;
        self.client().abort_transaction(timeout).map_err(|error| self.failure(Call::Abort, &error))
    }

    /// How long the next transaction should wait after the last commit: one that begins sooner may wait for longer.
    pub fn rest(&self) -> Duration {
        self.pace.rest()
    }

    /// How long the broker lets a transaction be open.
    pub fn transaction_timeout(&self) -> Duration {
        self.transaction_timeout
    }

    /// The last report is counted a moment before its record counts as gone, and only then does commit not wait.
    fn drained(&self, deadline: Instant) -> bool {
        let mut looks = 0_u32;
        while self.client().in_flight_count() > 0 {
            looks += 1;
            match looks {
                ..100 => thread::yield_now(),
                _ if Instant::now() < deadline => thread::park_timeout(Duration::from_micros(50)),
                _ => return false,
            }
        }
        true
    }

    fn client(&self) -> &ThreadedProducer<Watch> {
        self.client.as_ref().expect("taken by drop only")
    }

    fn watch(&self) -> &Watch {
        self.client().context()
    }

    /// Why the client has given the transaction up, if it has. It tells whoever asks for another one.
    fn cause(&self) -> Option<KafkaError> {
        match self.client().begin_transaction() {
            Err(KafkaError::Transaction(error)) if error.is_fatal() || error.txn_requires_abort() => {
                Some(KafkaError::Transaction(error))
            }
            _ => None,
        }
    }

    fn failure(&self, call: Call, error: &KafkaError) -> Failure {
        // These only say that something else went wrong before.
        let is_consequence = matches!(
            error.rdkafka_error_code(),
            Some(Code::State | Code::Outdated | Code::PurgeQueue | Code::PurgeInflight)
        );
        let cause = if is_consequence && call != Call::Begin { self.cause() } else { None };
        let (class, words) = classify_error(call, cause.as_ref().unwrap_or(error));
        let doing = match call {
            Call::Init => "fencing older producers",
            Call::Begin => "beginning a transaction",
            Call::Send => "sending a record",
            Call::Delivery => "delivering a record",
            Call::Commit => "committing",
            Call::Abort => "aborting",
        };
        // The broker fences a transaction that is open for too long exactly as it fences a predecessor.
        let overdue =
            class == Class::Fenced && call != Call::Init && self.began.elapsed() >= self.transaction_timeout;
        let (class, note) = match overdue {
            true => (Class::Fatal, "; the transaction was open for longer than transaction.timeout.ms"),
            false => (class, ""),
        };
        Failure { class, message: format!("{doing}: {words}{note}"), topic: None, record: None }
    }

    fn indefinite(&self, message: &str) -> Failure {
        Failure { class: Class::Indefinite, message: message.to_owned(), topic: None, record: None }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // The client waits for its own threads, up to seconds with a broker that does not answer.
        if let Some(client) = self.client.take() {
            let dropping = thread::Builder::new().name("kafka-goodbye".into());
            if let Err(error) = dropping.spawn(move || drop(client)) {
                tracing::warn!(%error, "no thread to end a Kafka producer in; ending it here");
            }
        }
    }
}

fn owned<'h>(headers: impl ExactSizeIterator<Item = (&'h str, Option<&'h [u8]>)>) -> Option<OwnedHeaders> {
    if headers.len() == 0 {
        return None;
    }
    let mut owned = OwnedHeaders::new_with_capacity(headers.len());
    for (key, value) in headers {
        owned = owned.insert(Header { key, value });
    }
    Some(owned)
}

/// What a class means for the connector.
pub(super) fn kind(class: Class) -> ErrorKind {
    match class {
        Class::Retriable | Class::Abortable | Class::Indefinite | Class::LeftOpen => ErrorKind::Transient,
        Class::Fenced => ErrorKind::Fenced,
        Class::RecordRefused(_) | Class::Topic => ErrorKind::Topic,
        Class::Denied => ErrorKind::Denied,
        Class::Fatal => ErrorKind::Other,
    }
}

/// The client's words, without values: among a client's settings are passwords.
pub(super) fn words(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, description, key, _) => format!("{description} ({key})"),
        other => other.to_string(),
    }
}

/// A line of the client's log.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}
