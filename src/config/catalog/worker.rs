//! What a Connect worker's file may say that has no meaning here.

use super::Default::{Unset, Value};
use super::Kind::List;
use super::{Property, Section, ignored, named, refused};

/// Accepted, and without effect; and what belongs to neither.
pub const SECTION: Section = Section { title: "Worker properties", named: NAMED, others: OTHERS };

/// Names that mean one thing in a connector's file and another in a worker's, and what they mean there.
pub const OTHERWISE_IN_WORKER: &[(&str, &str)] =
    &[("heartbeat.interval.ms", "in a worker's file this is the heartbeat of the worker group")];

/// What all keys of config providers begin with.
pub const PROVIDER_KEYS: &str = "config.providers.";

/// The end of a config provider's key that names its class.
pub const PROVIDER_CLASS: &str = ".class";

named! {
    CONFIG_PROVIDERS = "config.providers", List, Value("env, file, dir"), "Names for `${name:…}`; `env`, `file` and `dir` are there without asking.";
}

const NO_GROUP: &str = "there is no group of workers";
const OWN_POSITIONS: &str = "positions are kept in walpost.position.topic";
const OWN_FILE: &str = "the configuration is this file";
const NO_STATUS: &str = "see /readyz and the logs";
const NO_REST: &str = "there is no REST interface; see walpost.http.listen";
const BUILT_IN: &str = "nothing is loaded at run time";
const SERVER: &str = "that is Debezium Server's form";
const WRITE_PLAIN: &str = "write the connector's own name, without what stands before it";

const OTHERS: &[Property] = &[
    ignored(
        "config.providers.<provider>",
        Unset,
        "`env`, `file` and `dir` are built in; another name for one of them is known by its class",
    ),
    ignored("group.id", Unset, NO_GROUP),
    ignored("group.protocol", Unset, NO_GROUP),
    ignored("session.timeout.ms", Unset, NO_GROUP),
    ignored("rebalance.timeout.ms", Unset, NO_GROUP),
    ignored("scheduled.rebalance.max.delay.ms", Unset, NO_GROUP),
    ignored("connect.protocol", Unset, NO_GROUP),
    ignored("worker.sync.timeout.ms", Unset, NO_GROUP),
    ignored("worker.unsync.backoff.ms", Unset, NO_GROUP),
    ignored("inter.worker.<option>", Unset, NO_GROUP),
    ignored("offset.storage.<option>", Unset, OWN_POSITIONS),
    ignored("offset.flush.interval.ms", Value("60000"), "the position is part of every Kafka transaction"),
    ignored("offset.flush.timeout.ms", Value("5000"), "the position is part of every Kafka transaction"),
    ignored("exactly.once.source.support", Value("disabled"), "exactly-once is always on"),
    ignored("config.storage.<option>", Unset, OWN_FILE),
    ignored("status.storage.<option>", Unset, NO_STATUS),
    ignored("listeners", Unset, NO_REST),
    ignored("listeners.https.<option>", Unset, NO_REST),
    ignored("rest.<option>", Unset, NO_REST),
    ignored("admin.listeners", Unset, NO_REST),
    ignored("admin.listeners.https.<option>", Unset, NO_REST),
    ignored("response.http.headers.config", Unset, NO_REST),
    ignored("access.control.<option>", Unset, NO_REST),
    ignored("ssl.client.auth", Unset, NO_REST),
    ignored("plugin.path", Unset, BUILT_IN),
    ignored("plugin.discovery", Value("hybrid_warn"), BUILT_IN),
    ignored("metrics.context.<option>", Unset, "see /metrics"),
    ignored("confluent.<option>", Unset, "it belongs to Confluent Platform"),
    ignored("connector.client.config.override.policy", Value("All"), "every override is allowed"),
    ignored(
        "task.shutdown.graceful.timeout.ms",
        Value("5000"),
        "the deadline is walpost.shutdown.timeout.ms",
    ),
    ignored("topic.tracking.enable", Value("true"), NO_STATUS),
    ignored("topic.tracking.allow.reset", Value("true"), NO_STATUS),
    ignored("internal.key.converter", Unset, OWN_POSITIONS),
    ignored("internal.value.converter", Unset, OWN_POSITIONS),
    refused("debezium.<property>", SERVER, WRITE_PLAIN),
    refused("quarkus.<property>", SERVER, "leave it out; see walpost.log.level and walpost.http.listen"),
];
