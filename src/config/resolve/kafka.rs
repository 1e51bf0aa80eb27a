//! Kafka: client properties by their Java names, in their order of precedence, and how topics are made.

use super::names::Names;
use super::report::Report;
use super::survey;
use super::values::View;
use crate::config::catalog::{self, distance, kafka as declared, nearest, router, walpost};
use crate::config::problem::Notice;
use crate::config::raw::{Entry, MASK, Raw};
use crate::config::{KafkaConfig, ProducerKind, TopicCreation};
use crate::kafka::settings::{self, Translation};
use crate::kafka::wire;
use std::collections::BTreeMap;

/// What was written for Kafka.
pub(super) struct Kafka {
    pub config: KafkaConfig,
    /// `producer.override.transactional.id` and its weaker forms.
    pub transactional_id: Option<String>,
    /// `max.request.size` of the producer.
    pub max_request_size: usize,
}

/// One client's properties by their Java names, the strongest entry of each.
type Client<'a> = BTreeMap<&'a str, &'a Entry>;

/// Translates what was written for the producer, and for all other clients.
pub(super) fn kafka(raw: &Raw, names: &Names, report: &mut Report) -> Kafka {
    let bare = bare(raw, names);
    let mut producer = merged(raw, &bare, declared::PRODUCER_PREFIXES);
    let mut admin = merged(raw, &bare, declared::ADMIN_PREFIXES);
    for client in [&producer, &admin] {
        if !client.contains_key(declared::BOOTSTRAP_SERVERS.name) {
            report.required(&declared::BOOTSTRAP_SERVERS, declared::BOOTSTRAP_SERVERS.name);
            break;
        }
    }
    check_servers(&producer, &admin, report);
    let transactional_id =
        producer.remove(declared::TRANSACTIONAL_ID).map(|entry| entry.value.trim().to_owned());
    admin.remove(declared::TRANSACTIONAL_ID);
    let max_request_size = max_request_size(&producer);
    let written = producer;
    let producer = translated(&written, names, report);
    let mut admin = translated(&admin, names, report);
    admin.retain(|name, _| settings::is_for_every_client(name));
    let kind = kind(raw, &written, &producer, report);
    let config = KafkaConfig { kind, producer, admin, topic_creation: topic_creation(raw, report) };
    Kafka { config, transactional_id, max_request_size }
}

/// Which producer: walpost's own, unless the other is asked for, or nothing is and only that one has a setting that is
/// written. Where walpost's own is asked for, such a setting is refused.
fn kind(
    raw: &Raw,
    written: &Client<'_>,
    producer: &BTreeMap<String, String>,
    report: &mut Report,
) -> ProducerKind {
    let name = walpost::KAFKA_PRODUCER.name;
    let asked_for = View::plain(raw).word(&walpost::KAFKA_PRODUCER);
    if asked_for == Some("librdkafka") {
        return ProducerKind::Librdkafka;
    }
    let unsupported = wire::unsupported(producer);
    if asked_for.is_none() && !unsupported.is_empty() {
        for (setting, what) in unsupported {
            let text = format!("it is librdkafka, because of {setting}: {what} by walpost's own producer");
            report.notice(Notice::absent(name, text));
        }
        return ProducerKind::Librdkafka;
    }
    for (setting, what) in unsupported {
        report.missing(setting, format!("{what} with {name}=native"), format!("write {name}=librdkafka"));
    }
    for (property, why) in wire::WITHOUT_EFFECT {
        if let Some(entry) = written.get(property) {
            report.ignored(entry, why);
        }
    }
    ProducerKind::Native
}

/// Entries under no name of the catalogue, and those that are Kafka's in it: they concern every client.
fn bare<'a>(raw: &'a Raw, names: &Names) -> Client<'a> {
    let is_bare = |entry: &&Entry| {
        let key = entry.key.as_str();
        key == declared::BOOTSTRAP_SERVERS.name
            || (catalog::find(key).is_none()
                && !names.covers(key)
                && !key.starts_with(router::TRANSFORM_KEYS)
                && !key.starts_with(router::PREDICATE_KEYS))
    };
    let entries = raw.entries().filter(is_bare).filter(|entry| !entry.is_blank() || may_be_blank(&entry.key));
    entries.map(|entry| (entry.key.as_str(), entry)).collect()
}

/// Bare entries, and over them those of each prefix in turn.
fn merged<'a>(raw: &'a Raw, bare: &Client<'a>, prefixes: &[&str]) -> Client<'a> {
    let mut client = bare.clone();
    for prefix in prefixes {
        let named = raw.entries().filter_map(|entry| Some((entry.key.strip_prefix(prefix)?, entry)));
        for (name, entry) in named {
            // `admin.listeners` begins like one of these, and is none.
            let is_meant = catalog::find(&entry.key).is_some_and(|property| {
                property.name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('<'))
            });
            if is_meant {
                client.insert(name, entry);
            }
        }
    }
    client
}

/// An empty value means something there: no check of the host name.
fn may_be_blank(key: &str) -> bool {
    key.ends_with("endpoint.identification.algorithm")
}

/// By librdkafka's names; what has no counterpart is reported under the key it was written with.
fn translated(client: &Client<'_>, names: &Names, report: &mut Report) -> BTreeMap<String, String> {
    let mut properties: BTreeMap<String, String> =
        client.iter().map(|(name, entry)| ((*name).to_owned(), entry.value.trim().to_owned())).collect();
    let size = declared::MAX_REQUEST_SIZE_DEFAULT.to_string();
    properties.entry(declared::MAX_REQUEST_SIZE.to_owned()).or_insert(size);
    let Translation { settings, ignored, refused, unknown } = settings::translate(&properties);
    for (name, why) in ignored {
        if let Some(entry) = client.get(name.as_str()) {
            report.ignored(entry, &why);
        }
    }
    for (name, why) in refused {
        match client.get(name.as_str()) {
            Some(entry) => {
                let words = unseen(entry, why);
                let (what, instead) = what_and_instead(&words);
                report.wrong(entry, what, instead);
            }
            None => {
                let (what, instead) = what_and_instead(&why);
                report.missing(&name, what, instead);
            }
        }
    }
    for (name, near) in unknown {
        let Some(entry) = client.get(name.as_str()) else { continue };
        if declared::CONSUMER_ONLY.contains(&name.as_str()) {
            report.ignored(entry, "nothing is consumed here but the position");
            continue;
        }
        let prefix = entry.key.strip_suffix(name.as_str()).unwrap_or_default();
        let near = near.map(|near| format!("{prefix}{near}"));
        let nearest = near
            .into_iter()
            .chain(nearest::nearest(&entry.key, &names.all()))
            .min_by_key(|near| distance(&entry.key, near));
        survey::unknown(entry, nearest, report);
    }
    settings
}

/// What is wrong, and what to write, where a refusal has both.
fn what_and_instead(words: &str) -> (&str, &str) {
    words.split_once("; ").unwrap_or((words, ""))
}

/// The words about an entry, without its value when that must not be seen.
fn unseen(entry: &Entry, words: String) -> String {
    match entry.secret && !entry.is_blank() {
        true => words.replace(entry.value.trim(), MASK),
        false => words,
    }
}

/// `host:port`, between commas.
fn check_servers(producer: &Client<'_>, admin: &Client<'_>, report: &mut Report) {
    let mut seen: Vec<&str> = Vec::new();
    for entry in
        [producer, admin].into_iter().filter_map(|client| client.get(declared::BOOTSTRAP_SERVERS.name))
    {
        if seen.contains(&entry.key.as_str()) {
            continue;
        }
        seen.push(&entry.key);
        for item in entry.value.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let address = item.rsplit_once("://").map_or(item, |(_, address)| address);
            let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
            if port.and_then(|port| port.parse::<u16>().ok()).is_none_or(|port| port == 0) {
                let what = match entry.secret {
                    true => "it is not host:port".to_owned(),
                    false => format!("`{item}` is not host:port"),
                };
                report.wrong(entry, what, "write host:port,host:port");
            }
        }
    }
}

/// A value that is no number is refused by the translation.
fn max_request_size(producer: &Client<'_>) -> usize {
    let written = producer.get(declared::MAX_REQUEST_SIZE).and_then(|entry| entry.value.trim().parse().ok());
    written.unwrap_or(declared::MAX_REQUEST_SIZE_DEFAULT)
}

/// How missing topics are made, if they may be.
fn topic_creation(raw: &Raw, report: &mut Report) -> Option<TopicCreation> {
    let prefix = declared::TOPIC_CREATION_SETTING.key("");
    let mut settings = BTreeMap::new();
    for entry in raw.entries() {
        let is_setting =
            catalog::find(&entry.key).is_some_and(|it| it.name == declared::TOPIC_CREATION_SETTING.name);
        let Some(name) = entry.key.strip_prefix(&prefix).filter(|_| is_setting) else { continue };
        if let Some(meant) = misspelt_topic_property(&prefix, name) {
            survey::unknown(entry, Some(format!("{prefix}{meant}")), report);
        }
        settings.insert(name.to_owned(), entry.value.trim().to_owned());
    }
    let view = View::plain(raw);
    view.flag(&declared::TOPIC_CREATION_ENABLE).then(|| TopicCreation {
        partitions: view.number(&declared::TOPIC_CREATION_PARTITIONS).try_into().unwrap_or(-1),
        replication_factor: view.number(&declared::TOPIC_CREATION_REPLICATION).try_into().unwrap_or(-1),
        settings,
    })
}

/// What Kafka has of nearly that name. A name like none of Kafka's may be another make's: the broker will tell.
fn misspelt_topic_property(prefix: &str, name: &str) -> Option<String> {
    let numbers = [&declared::TOPIC_CREATION_PARTITIONS, &declared::TOPIC_CREATION_REPLICATION];
    let numbers = numbers.into_iter().filter_map(|property| property.name.strip_prefix(prefix));
    let known = declared::TOPIC_PROPERTIES.iter().copied().chain(numbers);
    nearest::pick(name, known.map(str::to_owned)).filter(|near| near != name)
}
