//! The bound on memory and what follows from it; what contradicts it is refused.

use super::kafka::Kafka;
use super::report::Report;
use super::values::View;
use crate::config::catalog::{self, Property, walpost};
use crate::config::{KafkaConfig, ProducerKind};
use crate::memory::Shares;
use std::collections::BTreeMap;

/// The bound, and what it is divided into.
pub(super) struct Memory {
    pub bound: usize,
    pub shares: Shares,
}

/// By the Kafka client's names.
const COMPRESSION: &str = "compression.type";
const CLIENT_BUFFER: &str = "queue.buffering.max.kbytes";

/// Shares follow from the bound, unless they are written.
pub(super) fn memory(view: View<'_>, kafka: &Kafka, report: &mut Report) -> Memory {
    const MOST_BATCH_BYTES: usize = 8 << 20;
    let bound = view.size(&walpost::MEMORY_MAX);
    let written = |property: &Property, otherwise: usize| match view.entry(property) {
        Some(_) => view.size(property),
        None => otherwise,
    };
    let batch_bytes = (bound / 16).min(MOST_BATCH_BYTES);
    let shares = Shares {
        queue_bytes: written(&walpost::SOURCE_QUEUE_BYTES, batch_bytes / 2),
        batch_bytes: written(&walpost::BATCH_MAX_BYTES, batch_bytes),
        batch_events: view.size(&walpost::BATCH_MAX_EVENTS),
        record_bytes: kafka.max_request_size,
        client_copies: client_copies(&kafka.config),
    };
    let least = shares.least();
    if least > bound {
        let what = format!(
            "{bound} bytes are not enough for {} {}, {} {}, {} {} and {} {}",
            walpost::BATCH_MAX_BYTES.name,
            shares.batch_bytes,
            walpost::BATCH_MAX_EVENTS.name,
            shares.batch_events,
            walpost::SOURCE_QUEUE_BYTES.name,
            shares.queue_bytes,
            catalog::kafka::MAX_REQUEST_SIZE,
            shares.record_bytes,
        );
        let instead = format!("write {least} or more, or lower one of those");
        match view.entry(&walpost::MEMORY_MAX) {
            Some(entry) => report.wrong(entry, what, instead),
            None => report.missing(walpost::MEMORY_MAX.name, what, instead),
        }
    }
    Memory { bound, shares }
}

/// A record as it was handed over, and compressed; in walpost's own producer always as it is sent, too.
fn client_copies(kafka: &KafkaConfig) -> usize {
    let is_compressed = kafka.producer.get(COMPRESSION).is_some_and(|kind| kind != "none");
    1 + usize::from(is_compressed || kafka.kind == ProducerKind::Native)
}

impl Memory {
    /// The Kafka client's buffer, unless it is written; one without room for the largest record would wait for ever.
    pub(super) fn bound_client(&self, producer: &mut BTreeMap<String, String>, report: &mut Report) {
        let kbytes = |bytes: usize| bytes.div_ceil(1024);
        let Some(written) = producer.get(CLIENT_BUFFER) else {
            let buffer = kbytes(self.shares.client_bytes()).to_string();
            producer.insert(CLIENT_BUFFER.to_owned(), buffer);
            return;
        };
        let written: usize = written.parse().unwrap_or(usize::MAX);
        if written < kbytes(self.shares.record_bytes) {
            let what = format!(
                "a record of {} {} does not fit",
                catalog::kafka::MAX_REQUEST_SIZE,
                self.shares.record_bytes
            );
            report.missing(catalog::kafka::BUFFER_MEMORY, what, "write as much at least, or leave it out");
        }
    }
}
