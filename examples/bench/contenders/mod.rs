//! Who is measured.
//!
//! Siblings of one skeleton: each file has `drain`, for a backlog, and `hold`, for a fixed rate, as far as its contender
//! can; connectors have `start` instead, and are driven as what they have in common, `AtWork`.

pub mod debezium;
pub mod librdkafka;
pub mod perf_tool;
pub mod pg_recvlogical;
pub mod walpost;

use crate::doses::producers_are_alike;
use crate::servers::Servers;
use crate::support::{Connector, ConnectorBuilder, DatabaseHandle};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// The walsender's limit.
    PgRecvlogical,
    /// The broker's limit, by Kafka's own measure.
    PerfTool,
    /// The broker's limit, and that of the client that walpost uses.
    Librdkafka,
    Walpost,
    /// What a format costs: each payload by the schema that is registered for it.
    WalpostAvro,
    DebeziumExactlyOnce,
    DebeziumAtLeastOnce,
}

impl Contender {
    pub const ALL: [Contender; 7] = [
        Contender::PgRecvlogical,
        Contender::PerfTool,
        Contender::Librdkafka,
        Contender::Walpost,
        Contender::WalpostAvro,
        Contender::DebeziumExactlyOnce,
        Contender::DebeziumAtLeastOnce,
    ];

    /// For the environment, JSON, slots and topics.
    pub fn word(self) -> &'static str {
        match self {
            Contender::PgRecvlogical => "pg_recvlogical",
            Contender::PerfTool => "perf_tool",
            Contender::Librdkafka => "librdkafka",
            Contender::Walpost => "walpost",
            Contender::WalpostAvro => "walpost_avro",
            Contender::DebeziumExactlyOnce => "debezium_eos",
            Contender::DebeziumAtLeastOnce => "debezium_alo",
        }
    }

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Contender::PgRecvlogical => "pg_recvlogical to /dev/null",
            Contender::PerfTool => "kafka-producer-perf-test, transactions",
            Contender::Librdkafka => "bare librdkafka, transactions",
            Contender::Walpost => "walpost, exactly once",
            Contender::WalpostAvro => "walpost, to Avro by a registered schema",
            Contender::DebeziumExactlyOnce => "Debezium, exactly once",
            Contender::DebeziumAtLeastOnce => "Debezium, at least once",
        }
    }

    pub fn latency_is(self) -> &'static str {
        match self {
            Contender::PgRecvlogical => "insert to received",
            Contender::PerfTool => "sent to acknowledged",
            Contender::Librdkafka => "due to visible",
            _ => "insert to visible",
        }
    }

    /// Whether what it does ends with an event that consumers see.
    pub fn ends_visible(self) -> bool {
        !matches!(self, Contender::PgRecvlogical | Contender::PerfTool)
    }

    pub fn is_debezium(self) -> bool {
        matches!(self, Contender::DebeziumExactlyOnce | Contender::DebeziumAtLeastOnce)
    }

    /// As it is by default.
    pub fn is_connector(self) -> bool {
        self == Contender::Walpost || self.is_debezium()
    }

    /// Whether it drains the reference, and that is all.
    pub fn is_of_reference(self) -> bool {
        self == Contender::WalpostAvro
    }

    pub fn is_brokers_limit(self) -> bool {
        matches!(self, Contender::PerfTool | Contender::Librdkafka)
    }
}

/// A connector that was started.
pub trait AtWork {
    /// The process whose CPU and memory are its own.
    fn pid(&self) -> u32;
    /// Panics, with what it logged, when it does not work any more.
    fn assert_healthy(&mut self);
    /// Ends it in an orderly way, to start it again.
    fn stop(&mut self);
    /// kill -9, and gone.
    fn kill(&mut self);
    /// Starts the process again; does not wait for anything.
    fn start_again(&mut self);
    /// Ends it for good; its slot is left.
    fn leave(self: Box<Self>);
}

/// Starts a connector that publishes what is behind the slot of this name to `NAME.order`.
pub fn start<'a>(
    contender: Contender,
    servers: &Servers,
    workers: &'a debezium::Workers<'a>,
    db: &DatabaseHandle,
    name: &str,
) -> Box<dyn AtWork + 'a> {
    match contender {
        Contender::Walpost => walpost::start(configuration(servers, db, name)),
        Contender::WalpostAvro => {
            walpost::start(walpost::to_avro(servers, configuration(servers, db, name), name))
        }
        _ => debezium::start(workers.of(contender), configuration(servers, db, name), name),
    }
}

pub fn topic(name: &str) -> String {
    format!("{name}.order")
}

/// What both connectors are told, in Debezium's words; Debezium's own are in `debezium`.
fn configuration(servers: &Servers, db: &DatabaseHandle, name: &str) -> ConnectorBuilder {
    Connector::new(db, &servers.kafka)
        .set("name", name)
        .set("topic.prefix", name)
        .set("slot.name", name)
        .set("publication.autocreate.mode", "disabled")
        .set("transforms.outbox.route.topic.replacement", format!("{name}.${{routedByValue}}"))
        .set("producer.override.compression.type", "lz4")
}

/// The tuned producer: Debezium's, and walpost's when asked for.
fn tuned(builder: ConnectorBuilder) -> ConnectorBuilder {
    builder.set("producer.override.linger.ms", 5).set("producer.override.batch.size", 1 << 20)
}

fn with_walposts_producer(builder: ConnectorBuilder) -> ConnectorBuilder {
    if producers_are_alike() { tuned(builder) } else { builder }
}
