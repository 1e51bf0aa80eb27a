//! What the client tells on its own polling thread: deliveries, broken connections, its log.

use crate::kafka::admin::is_refusal;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message as _;
use rdkafka::producer::{DeliveryResult, ProducerContext};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread::{self, Thread};
use std::time::Instant;

/// Counts what was delivered, keeps the first failure, and wakes whoever waits for a count, once.
#[derive(Default)]
pub(super) struct Watch {
    /// Records of which the client has said its last word, good or bad.
    done: AtomicU64,
    /// The count before the transaction, and when its first record was done with.
    before: AtomicU64,
    first: Mutex<Option<Instant>>,
    /// The count somebody waits for; never reached when nobody does.
    target: AtomicU64,
    waiter: Mutex<Option<Thread>>,
    failure: Mutex<Option<Undelivered>>,
    is_fatal: AtomicBool,
    is_denied: AtomicBool,
    /// Connections broken and requests unanswered, since the client was made.
    troubles: AtomicU64,
    last_trouble: Mutex<Option<String>>,
}

/// The first record of a transaction that was not delivered.
#[derive(Clone, Debug)]
pub(super) struct Undelivered {
    pub(super) code: Code,
    pub(super) topic: String,
    /// Its number within the transaction.
    pub(super) number: usize,
    /// How many more fell with the same code: the client tells the same of all records of a batch, whichever of them
    /// the broker refused.
    pub(super) others: usize,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    Reached,
    TimedOut,
    /// The client has given up; more will not come in time.
    Fatal,
}

impl Watch {
    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }

    /// The next record to be done with is a transaction's first.
    pub(super) fn begin(&self) {
        *lock(&self.first) = None;
        self.before.store(self.done(), Ordering::SeqCst);
    }

    /// The count before the transaction.
    pub(super) fn before(&self) -> u64 {
        self.before.load(Ordering::SeqCst)
    }

    /// When the transaction's first record was done with.
    pub(super) fn first(&self) -> Option<Instant> {
        *lock(&self.first)
    }

    pub(super) fn troubles(&self) -> u64 {
        self.troubles.load(Ordering::SeqCst)
    }

    pub(super) fn last_trouble(&self) -> Option<String> {
        lock(&self.last_trouble).clone()
    }

    pub(super) fn is_denied(&self) -> bool {
        self.is_denied.load(Ordering::SeqCst)
    }

    pub(super) fn take_failure(&self) -> Option<Undelivered> {
        lock(&self.failure).take()
    }

    /// Parks the caller until so many records are done. One waiter at a time.
    pub(super) fn wait_done(&self, count: u64, deadline: Instant) -> Waited {
        if self.done() >= count {
            return Waited::Reached;
        }
        *lock(&self.waiter) = Some(thread::current());
        self.target.store(count, Ordering::SeqCst);
        let waited = loop {
            if self.done() >= count {
                break Waited::Reached;
            }
            if self.is_fatal.load(Ordering::SeqCst) {
                break Waited::Fatal;
            }
            let now = Instant::now();
            if now >= deadline {
                break Waited::TimedOut;
            }
            thread::park_timeout(deadline - now);
        };
        self.target.store(u64::MAX, Ordering::SeqCst);
        *lock(&self.waiter) = None;
        waited
    }

    fn wake(&self) {
        if let Some(waiter) = &*lock(&self.waiter) {
            waiter.unpark();
        }
    }

    fn failed(&self, code: Code, topic: &str, number: usize) {
        // These fell with another; the first that did not is what went wrong.
        let fell =
            |code| matches!(code, Code::PurgeQueue | Code::PurgeInflight | Code::InvalidDifferentRecord);
        let mut failure = lock(&self.failure);
        match &mut *failure {
            Some(first) if first.code == code => first.others += 1,
            Some(first) if !fell(first.code) || fell(code) => {}
            _ => *failure = Some(Undelivered { code, topic: topic.to_owned(), number, others: 0 }),
        }
    }

    fn trouble(&self, words: String) {
        *lock(&self.last_trouble) = Some(words);
        self.troubles.fetch_add(1, Ordering::SeqCst);
    }
}

impl ProducerContext for Watch {
    /// The record's number within its transaction.
    type DeliveryOpaque = usize;

    fn delivery(&self, delivered: &DeliveryResult<'_>, number: usize) {
        if let Err((error, record)) = delivered {
            let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
            self.failed(code, record.topic(), number);
        }
        if self.done() == self.before() {
            *lock(&self.first) = Some(Instant::now());
        }
        // Pairs with wait_done, which stores the target and then looks at the count.
        if self.done.fetch_add(1, Ordering::SeqCst) + 1 == self.target.load(Ordering::SeqCst) {
            self.wake();
        }
    }
}

impl ClientContext for Watch {
    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        tracing::debug!(target: "librdkafka", ?code, "{reason}");
        match code {
            code if is_refusal(code, reason) => self.is_denied.store(true, Ordering::SeqCst),
            Code::Fatal => {
                self.is_fatal.store(true, Ordering::SeqCst);
                self.wake();
            }
            _ => {}
        }
        self.trouble(format!("{reason} [{code:?}]"));
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // A connection closed while one request or none was open is told here and nowhere else.
        if matches!(facility, "FAIL" | "REQTMOUT") {
            self.trouble(message.to_owned());
        }
        super::log(level, facility, message);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
