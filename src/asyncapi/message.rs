//! A topic's messages: one of each type of events, as far as the registry, a sample or the configuration tells them apart.

use super::events::ENVELOPED;
use super::registered::{self, Found, Schemas};
use super::sample::{Seen, Types, unnamed};
use super::shape::{Room, Shape};
use super::wire::{Form, Framed, Wire};
use super::{BINDING, OWN};
use crate::error::Failure;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Messages by the name that references use.
pub type Messages = BTreeMap<String, Value>;

/// What is known of one message.
struct Known<'a> {
    name: &'a str,
    seen: Option<&'a Seen>,
    found: Option<&'a Found>,
}

/// The messages of a topic of which nothing was read.
pub fn configured(wire: Wire<'_>, topic: &str, found: &[Found]) -> Messages {
    let mut messages = Messages::new();
    for found in found {
        put(
            &mut messages,
            &found.name,
            written(wire, &Known { name: &found.name, seen: None, found: Some(found) }),
        );
    }
    if messages.is_empty() {
        put(&mut messages, topic, written(wire, &Known { name: topic, seen: None, found: None }));
    }
    messages
}

/// Those of a topic that was sampled; what was not seen is as the file has it.
pub fn sampled(
    wire: Wire<'_>,
    topic: &str,
    mut types: Types,
    schemas: Option<&Schemas>,
    file: Option<&Value>,
) -> Result<Messages, Failure> {
    let mut messages = Messages::new();
    let mut found = BTreeMap::new();
    let ids: Vec<i32> = types.values().filter_map(|seen| seen.id).collect();
    for id in ids {
        let Some(schema) = schemas.map_or(Ok(None), |schemas| schemas.by_id(id, topic))? else { continue };
        // Records without a type are called by their schema.
        if let Some(seen) = types.remove(&unnamed(id)) {
            types.entry(schema.name.clone()).or_default().absorb(seen, &mut Room(usize::MAX));
        }
        found.insert(id, schema);
    }
    for (name, seen) in &types {
        let name = if name.is_empty() { topic } else { name };
        match kept(file, name).filter(|_| !seen.is_sampled) {
            Some(message) => put(&mut messages, name, message.clone()),
            None => {
                let found = seen.id.and_then(|id| found.get(&id));
                put(&mut messages, name, written(wire, &Known { name, seen: Some(seen), found }));
            }
        }
    }
    Ok(messages)
}

/// What a file's channel knows of its messages.
pub fn known(topic: &str, channel: Option<&Value>) -> Types {
    let messages = channel.and_then(|channel| channel["messages"].as_object()).into_iter().flatten();
    let known = messages.filter_map(|(_, message)| {
        let name = message["name"].as_str()?;
        let media = message["contentType"].as_str();
        let payload = &message["payload"];
        let is_json_schema = payload.get("schemaFormat").is_none();
        let seen = Seen {
            key: Shape::read(&message["bindings"]["kafka"]["key"]),
            headers: Shape::read(&message["headers"]),
            value: if is_json_schema { Shape::read(payload) } else { Shape::default() },
            is_text: media == Some("text/plain"),
            is_binary: is_json_schema && media == Some("application/octet-stream"),
            ..Seen::default()
        };
        Some((if name == topic { String::new() } else { name.to_owned() }, seen))
    });
    known.collect()
}

fn kept<'v>(channel: Option<&'v Value>, name: &str) -> Option<&'v Value> {
    let messages = channel?["messages"].as_object()?;
    messages.values().find(|message| message["name"] == name)
}

/// Under a name that references may have: others' letters are `_`, and a number tells those apart that are then alike.
fn put(messages: &mut Messages, name: &str, message: Value) {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    let plain: String = name.chars().map(|letter| if legal(letter) { letter } else { '_' }).collect();
    let mut key = plain.clone();
    let mut number = 2;
    while messages.contains_key(&key) {
        key = format!("{plain}-{number}");
        number += 1;
    }
    messages.insert(key, message);
}

fn written(wire: Wire<'_>, known: &Known<'_>) -> Value {
    let (media, payload) = payload(wire, known);
    let mut message = Map::from_iter([
        ("name".to_owned(), json!(known.name)),
        ("contentType".to_owned(), json!(wire.content_type().unwrap_or(media))),
        ("headers".to_owned(), headers(wire, known.seen)),
    ]);
    if let Some(payload) = payload {
        message.insert("payload".to_owned(), payload);
    }
    message.insert("bindings".to_owned(), json!({ "kafka": bindings(wire, known.seen) }));
    if let Some(subject) = known.found.and_then(|found| found.subject.as_ref()) {
        message.insert(format!("{OWN}-subject"), json!(subject));
    }
    message.into()
}

fn payload(wire: Wire<'_>, known: &Known<'_>) -> (&'static str, Option<Value>) {
    if wire.is_enveloped() {
        let data = known.seen.map(|seen| seen.value.schema()["properties"]["data"].take());
        return (ENVELOPED, Some(wire.around(data.filter(|data| !data.is_null()))));
    }
    if let Some(found) = known.found {
        let (media, payload) = registered::payload(&found.registered);
        return (media, Some(payload));
    }
    if let Form::Framed(_) = wire.value_form() {
        // Its schema is not registered yet.
        return ("application/octet-stream", None);
    }
    match known.seen.filter(|seen| seen.value != Shape::default()) {
        Some(seen) => {
            let media = match seen {
                Seen { is_binary: true, .. } => "application/octet-stream",
                Seen { is_text: true, .. } => "text/plain",
                _ => "application/json",
            };
            (media, Some(seen.value.schema()))
        }
        None => {
            let (media, payload) = wire.value();
            (media, Some(payload))
        }
    }
}

/// What the configuration says of headers goes before what was seen of them.
fn headers(wire: Wire<'_>, seen: Option<&Seen>) -> Value {
    let (mut headers, mut always) = wire.headers();
    if let Some(seen) = seen.map(|seen| seen.headers.schema()) {
        let required = seen["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        always.extend(required.filter(|name| !headers.contains_key(*name)).map(str::to_owned));
        for (name, schema) in seen["properties"].as_object().into_iter().flatten() {
            if !headers.contains_key(name) {
                headers.insert(name.clone(), schema.clone());
            }
        }
    }
    json!({ "type": "object", "required": always, "properties": headers })
}

fn bindings(wire: Wire<'_>, seen: Option<&Seen>) -> Value {
    let key = match (wire.key_form(), seen.filter(|seen| seen.key != Shape::default())) {
        (Form::Text | Form::Json(_) | Form::JsonBesideSchema(_), Some(seen)) => seen.key.schema(),
        _ => wire.key(),
    };
    let mut binding = Map::from_iter([("key".to_owned(), key)]);
    if let Form::Framed(framed) = wire.value_form() {
        let Framed { in_header, .. } = framed;
        binding.insert("schemaIdLocation".to_owned(), json!(if in_header { "header" } else { "payload" }));
        if !in_header {
            binding.insert("schemaIdPayloadEncoding".to_owned(), json!("confluent"));
        }
        binding.insert("schemaLookupStrategy".to_owned(), json!(framed.strategy_name()));
    }
    binding.insert("bindingVersion".to_owned(), json!(BINDING));
    binding.into()
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
