//! The document, out of everything that was found. Pure; every part in a fixed order.

use super::topics::Topic;
use super::{BINDING, OWN, Options, servers};
use crate::config::Config;
use serde_json::{Map, Value, json};

/// The version of AsyncAPI that is written.
const ASYNCAPI: &str = "3.0.0";

const DESCRIPTION: &str = "Events of a transactional outbox, published exactly once by walpost. Consumers read with \
                           isolation.level=read_committed.";

/// Settings of topics that the Kafka bindings know, as numbers.
const NUMBERS: &[&str] = &["retention.ms", "retention.bytes", "delete.retention.ms", "max.message.bytes"];

/// Writes the document.
pub fn write(config: &Config, options: &Options, topics: &[Topic]) -> Value {
    let mut document = Map::new();
    let mut put = |name: &str, value: Value| document.insert(name.to_owned(), value);
    put("asyncapi", json!(ASYNCAPI));
    put("info", json!({ "title": options.title, "version": options.version, "description": DESCRIPTION }));
    if let Some(own) = own(options) {
        put(OWN, own);
    }
    put("servers", servers::servers(config));
    put("channels", topics.iter().map(|topic| (topic.name.clone(), channel(topic))).collect());
    put(
        "operations",
        topics.iter().map(|topic| (format!("send-{}", topic.name), operation(config, topic))).collect(),
    );
    if let Some(schemes) = servers::schemes(config) {
        put("components", json!({ "securitySchemes": schemes }));
    }
    document.into()
}

/// What the document was made with, so that it can be made again.
fn own(options: &Options) -> Option<Value> {
    let mut own = Map::new();
    if options.sample > 0 {
        own.insert("sample".to_owned(), json!(options.sample));
    }
    if !options.topics.is_empty() {
        own.insert("topics".to_owned(), json!(options.topics));
    }
    (!own.is_empty()).then_some(own.into())
}

fn channel(topic: &Topic) -> Value {
    let mut binding = Map::from_iter([
        ("topic".to_owned(), json!(topic.name)),
        ("partitions".to_owned(), json!(topic.partitions)),
        ("replicas".to_owned(), json!(topic.replicas)),
    ]);
    let mut settings = Map::new();
    if let Some(policy) = topic.settings.get("cleanup.policy") {
        let policies: Vec<&str> = policy.split(',').map(str::trim).collect();
        settings.insert("cleanup.policy".to_owned(), json!(policies));
    }
    for name in NUMBERS {
        if let Some(number) = topic.settings.get(*name).and_then(|text| text.parse::<i64>().ok()) {
            settings.insert((*name).to_owned(), json!(number));
        }
    }
    if !settings.is_empty() {
        binding.insert("topicConfiguration".to_owned(), settings.into());
    }
    binding.insert("bindingVersion".to_owned(), json!(BINDING));
    let messages: Map<String, Value> = topic.messages.clone().into_iter().collect();
    json!({ "address": topic.name, "messages": messages, "bindings": { "kafka": binding } })
}

fn operation(config: &Config, topic: &Topic) -> Value {
    let channel = format!("#/channels/{}", topic.name);
    let messages: Vec<Value> =
        topic.messages.keys().map(|name| json!({ "$ref": format!("{channel}/messages/{name}") })).collect();
    let mut operation = Map::from_iter([
        ("action".to_owned(), json!("send")),
        ("channel".to_owned(), json!({ "$ref": channel })),
        ("messages".to_owned(), json!(messages)),
    ]);
    if let Some(client) = config.kafka.producer.get("client.id") {
        let client = json!({ "type": "string", "enum": [client] });
        let binding = json!({ "clientId": client, "bindingVersion": BINDING });
        operation.insert("bindings".to_owned(), json!({ "kafka": binding }));
    }
    operation.into()
}
