//! The connector itself, Postgres, and what only walpost knows.

use super::errors::Errors;
use super::kafka::Kafka;
use super::memory::{Memory, memory};
use super::report::Report;
use super::values::View;
use crate::config::catalog::{Property, connector as declared, converters, postgres as pg, walpost};
use crate::config::problem::Notice;
use crate::config::raw::Entry;
use crate::config::{Adopt, Config, PublicationAutocreate, Snapshot, SnapshotMode};
use crate::observe::logging::{self, Format};
use crate::postgres::SslMode;
use crate::publish::Limits;
use crate::route::topic::check_topic_name;
use crate::secret::Secret;
use crate::{encode, postgres, publish, registry, route, source};
use std::net::SocketAddr;
use std::path::PathBuf;
use tracing_subscriber::filter::{Directive, LevelFilter};

/// The whole configuration; `None` when the event router is missing, which was reported.
pub(super) fn connector(
    view: View<'_>,
    mut kafka: Kafka,
    route: Option<route::Config>,
    (mut encode, registry): (encode::Config, Option<registry::Config>),
    errors: Errors,
    report: &mut Report,
) -> Option<Config> {
    let topic_prefix = topic_prefix(view, report);
    if view.flag(&declared::EXTENDED_HEADERS_ENABLED) {
        let run_id = uuid::Uuid::now_v7().to_string();
        encode.context = Some(encode::Context { logical_name: topic_prefix.clone(), run_id });
    }
    check_skipped_operations(view, report);
    defaults_that_differ(view, report);
    let postgres = postgres(view, report);
    let memory = memory(view, &kafka, report);
    memory.bound_client(&mut kafka.config.producer, report);
    let mut source = source(view, &memory, report);
    source.stream_params.push(("messages".to_owned(), "true".to_owned()));
    let publish = publish(
        view,
        &memory,
        &topic_prefix,
        &postgres.database,
        &source.slot,
        kafka.transactional_id,
        report,
    );
    errors.check_others(&publish.position_topic, report);
    Some(Config {
        name: view.optional(&declared::NAME).unwrap_or(&topic_prefix).to_owned(),
        heartbeat_topic: heartbeat_topic(view, &topic_prefix, report),
        postgres,
        source,
        route: route?,
        event_type_column: view.text(&walpost::EVENT_TYPE_COLUMN).to_owned(),
        encode,
        registry,
        publish,
        kafka: kafka.config,
        policies: errors.policies,
        dead_letters: errors.dead_letters,
        parking: errors.parking,
        publication_autocreate: match view.word(&pg::PUBLICATION_AUTOCREATE_MODE) {
            Some("disabled") => PublicationAutocreate::Disabled,
            Some("filtered") => PublicationAutocreate::Filtered,
            Some("no_tables") => PublicationAutocreate::NoTables,
            _ => PublicationAutocreate::AllTables,
        },
        publish_via_partition_root: view.flag(&pg::PUBLISH_VIA_PARTITION_ROOT),
        snapshot: snapshot(view, report),
        adopt: view.word(&walpost::ADOPT).map(|_| Adopt::Slot),
        slot_failover: view.flag(&pg::SLOT_FAILOVER),
        heartbeat_interval: view.millis(&declared::HEARTBEAT_INTERVAL),
        heartbeat_action_query: view.optional(&declared::HEARTBEAT_ACTION_QUERY).map(str::to_owned),
        idle_position_interval: view.millis(&walpost::IDLE_POSITION_INTERVAL),
        idle_position_bytes: view.number(&walpost::IDLE_POSITION_BYTES).try_into().unwrap_or_default(),
        http_listen: http_listen(view, report),
        shutdown_timeout: view.millis(&walpost::SHUTDOWN_TIMEOUT),
        memory_most: memory.bound,
        retry_wait_most: view.millis(&declared::RETRY_WAIT),
        log: log(view, report),
        topic_prefix,
    })
}

/// What holds because nothing was written, where Debezium would do something else.
fn defaults_that_differ(view: View<'_>, report: &mut Report) {
    if view.entry(&pg::SNAPSHOT_MODE).is_none() {
        let text = "no_data is taken; Debezium's default, initial, would on a first start also publish the rows that are there \
                    already";
        report.notice(Notice::absent(pg::SNAPSHOT_MODE.name, text));
    }
    for converter in [&converters::KEY, &converters::VALUE] {
        if view.entry(converter).is_none() {
            let text =
                "JsonConverter is taken, as in Connect's own samples; name it, or give the worker's file";
            report.notice(Notice::absent(converter.name, text));
        }
    }
    if view.entry(&pg::PLUGIN_NAME).is_none() {
        let text = "pgoutput is taken; Debezium's default is decoderbufs";
        report.notice(Notice::absent(pg::PLUGIN_NAME.name, text));
    }
}

fn topic_prefix(view: View<'_>, report: &mut Report) -> String {
    match view.entry(&declared::TOPIC_PREFIX) {
        None => report.required(&declared::TOPIC_PREFIX, declared::TOPIC_PREFIX.name),
        Some(entry) => {
            let legal = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
            if !entry.value.trim().chars().all(legal) {
                let what = "there are letters in it that a topic's name may not have";
                report.wrong(entry, what, "write letters, digits, dots, underscores and hyphens");
            }
        }
    }
    view.text(&declared::TOPIC_PREFIX).to_owned()
}

/// A topic of that name can be made.
pub(super) fn check_topic(entry: &Entry, topic: &str, report: &mut Report) {
    if let Err(what) = check_topic_name(topic) {
        let what = format!("the topic's name cannot be used: {what}");
        report.wrong(entry, what, "write up to 249 letters, digits, dots, underscores and hyphens");
    }
}

fn heartbeat_topic(view: View<'_>, topic_prefix: &str, report: &mut Report) -> String {
    let topic = match view.optional(&declared::TOPIC_HEARTBEAT_NAME) {
        Some(name) => name.to_owned(),
        None => format!("{}.{topic_prefix}", view.text(&declared::TOPIC_HEARTBEAT_PREFIX)),
    };
    let written =
        view.entry(&declared::TOPIC_HEARTBEAT_NAME).or(view.entry(&declared::TOPIC_HEARTBEAT_PREFIX));
    if let Some(entry) = written {
        check_topic(entry, &topic, report);
    }
    topic
}

fn check_skipped_operations(view: View<'_>, report: &mut Report) {
    let Some(entry) = view.entry(&declared::SKIPPED_OPERATIONS) else { return };
    let items = view.list(&declared::SKIPPED_OPERATIONS);
    const INSTEAD: &str = "write some of u, d, t, r, or none";
    if items.contains(&"c") {
        report.wrong(entry, "with c no event would ever be published", INSTEAD);
    }
    if items.contains(&"none") && items.len() > 1 {
        report.wrong(entry, "none does not go with others", INSTEAD);
    }
    if items.iter().any(|item| !["none", "c", "u", "d", "t", "r"].contains(item)) {
        report.wrong(entry, "there is no such operation", INSTEAD);
    }
}

/// A row that a snapshot reads is an operation that can be skipped, too.
fn snapshot(view: View<'_>, report: &mut Report) -> Snapshot {
    let mode = match view.word(&pg::SNAPSHOT_MODE) {
        Some("initial") => SnapshotMode::Initial,
        Some("initial_only") => SnapshotMode::InitialOnly,
        Some("when_needed") => SnapshotMode::WhenNeeded,
        Some("always") => SnapshotMode::Always,
        _ => SnapshotMode::NoData,
    };
    let is_skipped = view.list(&declared::SKIPPED_OPERATIONS).contains(&"r");
    if let (true, Some(entry), true) = (is_skipped, view.entry(&pg::SNAPSHOT_MODE), mode.wants_rows()) {
        let what =
            format!("with r in {}, no row of it would be published", declared::SKIPPED_OPERATIONS.name);
        report.wrong(entry, what, "write no_data here, or take r out there");
    }
    let threads = view.entry(&pg::SNAPSHOT_MAX_THREADS).map(|_| view.number(&pg::SNAPSHOT_MAX_THREADS));
    Snapshot {
        mode,
        threads: threads.and_then(|it| it.try_into().ok()).filter(|it| *it > 0).unwrap_or(SNAPSHOT_THREADS),
        tables: view.regexes(&pg::SNAPSHOT_INCLUDE),
    }
}

/// Tables that a snapshot reads at a time when nothing was written.
const SNAPSHOT_THREADS: usize = 4;

fn postgres(view: View<'_>, report: &mut Report) -> postgres::Config {
    let mut required = |property: &Property| {
        if view.entry(property).is_none() {
            report.required(property, property.name);
        }
        view.text(property).to_owned()
    };
    let (host, user, database) = (required(&pg::HOSTNAME), required(&pg::USER), required(&pg::DBNAME));
    let path = |property| view.optional(property).map(PathBuf::from);
    for property in [&pg::SSLROOTCERT, &pg::SSLCERT, &pg::SSLKEY] {
        if let Some(entry) = view.entry(property) {
            check_pem(property, entry, report);
        }
    }
    match (view.entry(&pg::SSLCERT), view.entry(&pg::SSLKEY)) {
        (Some(entry), None) => {
            report.wrong(entry, "its key is missing", format!("write {}=…", pg::SSLKEY.name));
        }
        (None, Some(entry)) => {
            report.wrong(entry, "its certificate is missing", format!("write {}=…", pg::SSLCERT.name));
        }
        _ => {}
    }
    postgres::Config {
        host,
        port: view.number(&pg::PORT).try_into().unwrap_or_default(),
        user,
        // Blanks may belong to a password: it is the one text that is taken as it was written.
        password: view.entry(&pg::PASSWORD).map(|entry| Secret::new(entry.value.clone())),
        database,
        ssl_mode: ssl_mode(view),
        ssl_root_cert: path(&pg::SSLROOTCERT),
        ssl_cert: path(&pg::SSLCERT),
        ssl_key: path(&pg::SSLKEY),
        connect_timeout: view.millis(&walpost::DATABASE_CONNECT_TIMEOUT),
        tcp_keepalive: view.flag(&pg::TCP_KEEPALIVE),
        application_name: "walpost".to_owned(),
    }
}

fn ssl_mode(view: View<'_>) -> SslMode {
    match view.word(&pg::SSLMODE) {
        Some("disable") => SslMode::Disable,
        Some("allow") => SslMode::Allow,
        Some("require") => SslMode::Require,
        Some("verify-ca") => SslMode::VerifyCa,
        Some("verify-full") => SslMode::VerifyFull,
        _ => SslMode::Prefer,
    }
}

/// Java's driver takes keys as DER, here they are PEM, not encrypted.
fn check_pem(property: &Property, entry: &Entry, report: &mut Report) {
    let Ok(bytes) = std::fs::read(entry.value.trim()) else { return }; // That it cannot be read is reported by its kind.
    let text = String::from_utf8_lossy(&bytes);
    let is_key = property.name == pg::SSLKEY.name;
    if !text.contains("-----BEGIN ") {
        let instead = match is_key {
            true => "convert it: openssl pkcs8 -inform DER -nocrypt -in KEY.pk8 -out KEY.pem",
            false => "convert it: openssl x509 -inform DER -in CERT.der -out CERT.pem",
        };
        report.wrong(entry, "the file is not PEM", instead);
    } else if is_key && text.contains("ENCRYPTED") {
        report.wrong(entry, "the key is encrypted", "decrypt it: openssl pkey -in KEY.pem -out PLAIN.pem");
    }
}

fn source(view: View<'_>, memory: &Memory, report: &mut Report) -> source::Config {
    let slot = view.text(&pg::SLOT_NAME);
    if let Some(entry) = view.entry(&pg::SLOT_NAME) {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !slot.bytes().all(legal) || slot.len() > 63 {
            let instead = "write up to 63 lower-case letters, digits and underscores";
            report.wrong(entry, "Postgres has no slots of such a name", instead);
        }
    }
    source::Config {
        slot: slot.to_owned(),
        publication: view.text(&pg::PUBLICATION_NAME).to_owned(),
        stream_params: stream_params(view, report),
        status_interval: view.millis(&pg::STATUS_UPDATE_INTERVAL),
        queue_bytes: memory.shares.queue_bytes,
        large: memory.shares.large(memory.bound),
        silence_timeout: view.millis(&walpost::SOURCE_SILENCE_TIMEOUT),
    }
}

/// `name=value;name=value`.
fn stream_params(view: View<'_>, report: &mut Report) -> Vec<(String, String)> {
    let Some(entry) = view.entry(&pg::SLOT_STREAM_PARAMS) else { return Vec::new() };
    let mut params = Vec::new();
    for item in entry.value.split(';').map(str::trim).filter(|item| !item.is_empty()) {
        match item.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
            Some((name, _)) if pg::OWN_STREAM_PARAMS.contains(&name) => {
                report.wrong(entry, format!("{name} is set by walpost itself"), format!("take {name} out"));
            }
            Some((name, value)) if !name.is_empty() => params.push((name.to_owned(), value.to_owned())),
            _ => report.wrong(entry, "an item is not name=value", "write name=value;name=value"),
        }
    }
    params
}

fn publish(
    view: View<'_>,
    memory: &Memory,
    topic_prefix: &str,
    database: &str,
    slot: &str,
    override_id: Option<String>,
    report: &mut Report,
) -> publish::Config {
    let written = view.entry(&walpost::POSITION_TOPIC);
    let position_topic = match written {
        Some(entry) => entry.value.trim().to_owned(),
        None => format!("__walpost.position.{topic_prefix}.{slot}"),
    };
    match (written, view.entry(&declared::TOPIC_PREFIX)) {
        (Some(entry), _) => check_topic(entry, &position_topic, report),
        (None, Some(entry)) if position_topic.len() > 249 => check_topic(entry, &position_topic, report),
        _ => {}
    }
    let key = serde_json::json!({ "v": 1, "prefix": topic_prefix, "database": database, "slot": slot });
    let transactional_id = view.optional(&walpost::TRANSACTIONAL_ID).map(str::to_owned);
    publish::Config {
        position_topic,
        position_key: key.to_string(),
        transactional_id: transactional_id
            .or(override_id.filter(|id| !id.is_empty()))
            .unwrap_or_else(|| format!("walpost-{topic_prefix}-{slot}")),
        limits: Limits {
            events: memory.shares.batch_events,
            bytes: memory.shares.batch_bytes,
            age: view.millis(&walpost::BATCH_MAX_AGE),
        },
    }
}

fn http_listen(view: View<'_>, report: &mut Report) -> Option<SocketAddr> {
    let entry = view.entry(&walpost::HTTP_LISTEN)?;
    let address = entry.value.trim().replace("localhost:", "127.0.0.1:");
    let parsed = address.parse().ok();
    if parsed.is_none() {
        report.wrong(
            entry,
            "it is not an address and a port",
            "write 127.0.0.1:9187, or 0.0.0.0:9187 for every interface",
        );
    }
    parsed
}

fn log(view: View<'_>, report: &mut Report) -> logging::Options {
    let level = view.optional(&walpost::LOG_LEVEL);
    if let Some(entry) = view.entry(&walpost::LOG_LEVEL) {
        // A word alone is a level here: as a directive it would be a target's name, and a typing error one too.
        let fits = |item: &str| match item.contains(['=', '[']) {
            true => item.parse::<Directive>().is_ok(),
            false => item.parse::<LevelFilter>().is_ok(),
        };
        if !entry.value.split(',').map(str::trim).all(fits) {
            let instead = "write error, warn, info, debug or trace, or info,walpost::source=debug";
            report.wrong(entry, "it is neither a level nor a filter", instead);
        }
    }
    let format = match view.word(&walpost::LOG_FORMAT) {
        Some("json") => Format::Json,
        _ => Format::Text,
    };
    logging::Options { format, level: level.map(str::to_owned), color: true, brief: false }
}
