//! Configuration: files in Debezium's and Kafka Connect's terms → one [`Config`] that is right.
//!
//! Enters: the connector's file and, optionally, a worker's. Leaves: a [`Config`], or every problem at once, each with
//! key, file and line, value, and what to write instead. Another connector's configuration becomes ours in `foreign`. Not
//! done here: connecting to anything.

pub mod catalog;
pub mod foreign;
mod json;
mod placeholder;
pub mod problem;
mod properties;
pub mod raw;
pub mod resolve;
#[cfg(test)]
pub(crate) mod testing;

pub use crate::kafka::admin::TopicCreation;
pub use crate::kafka::transactional::ProducerKind;
pub use problem::{Notice, Problem, Problems};
pub use resolve::{Loaded, Printed, load, print};

use crate::observe::logging;
use crate::rejection::{Policies, Reason};
use crate::{encode, postgres, publish, registry, route, source};
use fancy_regex::Regex;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Everything a command needs to know. One that exists is right.
#[derive(Clone, Debug)]
pub struct Config {
    /// `name`; `topic.prefix` when absent.
    pub name: String,
    /// `topic.prefix`.
    pub topic_prefix: String,
    /// How to reach Postgres.
    pub postgres: postgres::Config,
    /// Slot, publication, reader.
    pub source: source::Config,
    /// Event router.
    pub route: route::Config,
    /// `walpost.event.type.column`.
    pub event_type_column: String,
    /// Converters. `context.run_id` is made anew by each run.
    pub encode: encode::Config,
    /// How the schema registry is reached, where one is needed.
    pub registry: Option<registry::Config>,
    /// Batches, positions, transactional id.
    pub publish: publish::Config,
    /// Kafka clients: settings in librdkafka's names.
    pub kafka: KafkaConfig,
    /// `errors.tolerance`, `walpost.errors.*`: what becomes of events that cannot be published.
    pub policies: Policies,
    /// `errors.deadletterqueue.*`; `None`: no policy sends anything there.
    pub dead_letters: Option<DeadLetters>,
    /// `walpost.parking.*`; `None`: no key is parked.
    pub parking: Option<Parking>,
    /// `publication.autocreate.mode`.
    pub publication_autocreate: PublicationAutocreate,
    /// `publish.via.partition.root`.
    pub publish_via_partition_root: bool,
    /// `snapshot.mode` and what goes with it.
    pub snapshot: Snapshot,
    /// `walpost.adopt`.
    pub adopt: Option<Adopt>,
    /// `slot.drop.on.stop` is refused; `slot.failover` is honoured on 17 and later.
    pub slot_failover: bool,
    /// `heartbeat.interval.ms`; zero: off.
    pub heartbeat_interval: Duration,
    /// `heartbeat.action.query`.
    pub heartbeat_action_query: Option<String>,
    /// `topic.heartbeat.prefix` + `.` + `topic.prefix`, or `topic.heartbeat.name`: where heartbeats would go.
    pub heartbeat_topic: String,
    /// `walpost.idle.position.interval.ms`: how old an unconfirmed idle position may grow.
    pub idle_position_interval: Duration,
    /// `walpost.idle.position.bytes`: how far the WAL may run ahead of it.
    pub idle_position_bytes: u64,
    /// `walpost.http.listen`; `None`: no HTTP.
    pub http_listen: Option<SocketAddr>,
    /// `walpost.shutdown.timeout.ms`: the deadline of a drain.
    pub shutdown_timeout: Duration,
    /// `retriable.restart.connector.wait.ms`: the longest wait between attempts.
    pub retry_wait_most: Duration,
    /// `walpost.memory.max.bytes`.
    pub memory_most: usize,
    /// `walpost.log.format`, `walpost.log.level`; colours are a matter of the command line.
    pub log: logging::Options,
}

/// Kafka client settings by librdkafka's names, and how topics are made. Its `Debug` shows no secret.
#[derive(Clone, Default)]
pub struct KafkaConfig {
    /// `walpost.kafka.producer`.
    pub kind: ProducerKind,
    /// For the producer: bootstrap servers, security, and what only a producer has.
    pub producer: BTreeMap<String, String>,
    /// For consumers and admin clients: bootstrap servers and security.
    pub admin: BTreeMap<String, String>,
    /// `topic.creation.enable`, `topic.creation.default.*`; `None`: missing topics are refused by name.
    pub topic_creation: Option<TopicCreation>,
}

impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |settings: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            let shown = settings.iter().map(|(name, value)| {
                let value = if catalog::is_secret_key(name) { raw::MASK } else { value };
                (name.clone(), value.to_owned())
            });
            shown.collect()
        };
        f.debug_struct("KafkaConfig")
            .field("kind", &self.kind)
            .field("producer", &shown(&self.producer))
            .field("admin", &shown(&self.admin))
            .field("topic_creation", &self.topic_creation)
            .finish()
    }
}

/// Where events go that cannot be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetters {
    /// The topic, as it is made.
    pub topic: publish::dead_letters::Config,
    /// What stands in a letter.
    pub writer: encode::dead_letter::Config,
}

/// Keys whose events follow a dead letter into the dead letters.
#[derive(Clone, Debug)]
pub struct Parking {
    /// `walpost.parking.routes`: of these route values.
    pub routes: Vec<Regex>,
    /// `walpost.parking.max.keys`: so many keys at most.
    pub most_keys: usize,
}

impl Parking {
    /// Whether dead letters for this reason, of events with this route value, park their key. An update of a row is no
    /// event of its key's order.
    pub fn concerns(&self, reason: &str, route: Option<&str>) -> bool {
        let is_route = |route: &str| self.routes.iter().any(|regex| regex.is_match(route).unwrap_or(true));
        reason != Reason::UpdateRefused.name() && route.is_some_and(is_route)
    }
}

/// `publication.autocreate.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicationAutocreate {
    /// It must exist.
    Disabled,
    /// `FOR ALL TABLES`.
    AllTables,
    /// `FOR TABLE` the tables of the include lists.
    Filtered,
    /// Without tables.
    NoTables,
}

/// Which rows that were there before the slot are published, and how.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// `snapshot.mode`.
    pub mode: SnapshotMode,
    /// `snapshot.max.threads`: tables read at a time, at most.
    pub threads: usize,
    /// `snapshot.include.collection.list` on `schema.table`; empty: every outbox table.
    pub tables: Vec<fancy_regex::Regex>,
}

/// `snapshot.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotMode {
    /// None: events begin with the slot (`no_data`, `never`).
    NoData,
    /// On the first start.
    Initial,
    /// On the first start, and nothing is streamed.
    InitialOnly,
    /// On the first start, and when what lies between position and slot cannot be had any more.
    WhenNeeded,
    /// On every start.
    Always,
}

impl SnapshotMode {
    /// A first start takes a snapshot, and streams from there.
    pub fn begins_with_rows(self) -> bool {
        matches!(self, SnapshotMode::Initial | SnapshotMode::WhenNeeded | SnapshotMode::Always)
    }

    /// A snapshot that was begun is gone on with.
    pub fn wants_rows(self) -> bool {
        self != SnapshotMode::NoData
    }
}

/// `walpost.adopt`: what a first start may take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopt {
    /// The slot's confirmed position.
    Slot,
}
