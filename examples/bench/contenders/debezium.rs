//! Debezium on Kafka Connect, tuned: a worker for each of its two modes.
//!
//! A worker serves all rounds of a cell or of a rate, so that it is measured warm, and its peak is that of the cell. The
//! clock of a drain begins when its slot is streamed from: neither the worker's nor the connector's start is in it.

use super::{AtWork, Contender, tuned};
use crate::support::{Broker, ConnectOptions, ConnectWorker, ConnectorBuilder, for_connect};
use std::cell::OnceCell;
use std::time::{Duration, Instant};

/// Those that are needed, started when they are.
pub struct Workers<'a> {
    kafka: &'a Broker,
    exactly_once: OnceCell<ConnectWorker>,
    at_least_once: OnceCell<ConnectWorker>,
}

impl<'a> Workers<'a> {
    pub fn new(kafka: &'a Broker) -> Workers<'a> {
        Workers { kafka, exactly_once: OnceCell::new(), at_least_once: OnceCell::new() }
    }

    pub fn of(&self, contender: Contender) -> &ConnectWorker {
        let options = ConnectOptions::new().fast();
        match contender {
            Contender::DebeziumExactlyOnce => {
                self.exactly_once.get_or_init(|| ConnectWorker::start(self.kafka, options.exactly_once()))
            }
            _ => self.at_least_once.get_or_init(|| ConnectWorker::start(self.kafka, options)),
        }
    }
}

struct Debezium<'a> {
    worker: &'a ConnectWorker,
    name: String,
    looked: Instant,
}

pub fn start<'a>(
    worker: &'a ConnectWorker,
    configuration: ConnectorBuilder,
    name: &str,
) -> Box<dyn AtWork + 'a> {
    let configuration = tuned(configuration)
        .set("poll.interval.ms", 10)
        .set("max.batch.size", 16384)
        .set("max.queue.size", 131_072)
        .set("transaction.boundary", "poll");
    worker.put(name, &for_connect(&configuration));
    Box::new(Debezium { worker, name: name.to_owned(), looked: Instant::now() })
}

impl AtWork for Debezium<'_> {
    fn pid(&self) -> u32 {
        self.worker.pid()
    }

    fn assert_healthy(&mut self) {
        // A question to the worker takes its time, too.
        if self.looked.elapsed() > Duration::from_secs(2) {
            self.looked = Instant::now();
            self.worker.assert_healthy(&self.name);
        }
    }

    fn stop(&mut self) {
        self.worker.stop();
    }

    fn kill(&mut self) {
        self.worker.kill9();
    }

    fn start_again(&mut self) {
        self.worker.spawn();
    }

    fn leave(self: Box<Self>) {
        self.worker.delete(&self.name);
    }
}
