//! Schemas that the registry has for topics, and how they stand in the document.

use super::wire::Framed;
use crate::config::Config;
use crate::encode::Converter;
use crate::error::{Exit, Failure};
use crate::registry::{Client, Error, Referenced, Registered, SchemaType, Strategy};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A schema of a topic's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Of which events: the type that the record's name tells, the record's name, or the subject.
    pub name: String,
    /// The subject, where it is known.
    pub subject: Option<String>,
    /// The schema.
    pub registered: Registered,
}

/// A registry that is asked.
pub struct Schemas {
    client: Client,
    framed: Framed,
    /// What event types become in names of records: `acme.${type}`.
    template: String,
    subjects: Vec<String>,
}

impl Schemas {
    /// Asks for all subjects. Blocks.
    pub fn ask(config: &Config, framed: Framed) -> Result<Option<Schemas>, Failure> {
        let Some(registry) = &config.registry else { return Ok(None) };
        let client = Client::new(registry.clone()).map_err(|error| failure(&error))?;
        let subjects = client.subjects().map_err(|error| failure(&error))?;
        let template = match (&config.encode.verify, &config.encode.value) {
            (Some(verify), _) => verify.name.clone(),
            (None, Converter::Framed(by)) => {
                by.registered.as_ref().map(|way| way.name.clone()).unwrap_or_default()
            }
            _ => String::new(),
        };
        Ok(Some(Schemas { client, framed, template, subjects }))
    }

    /// The newest schemas of this topic's subjects; `topics` are all that there are. None where only a record's name
    /// makes the subject.
    pub fn of(&self, topic: &str, topics: &[String]) -> Result<Vec<Found>, Failure> {
        let subjects = self.subjects.iter().filter(|subject| match self.framed.strategy {
            Strategy::Topic => subject.strip_prefix(topic) == Some("-value"),
            Strategy::TopicRecord => record_of(subject, topic, topics).is_some(),
            Strategy::Record => false,
        });
        let mut found = Vec::new();
        for subject in subjects {
            match self.client.latest(subject) {
                Ok(registered) => found.push(self.found(Some(subject.clone()), registered)),
                // Deleted since.
                Err(Error::Refused(_)) => {}
                Err(error) => return Err(failure(&error)),
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// The schema of this id, and the subject that the strategy gives it in this topic.
    pub fn by_id(&self, id: i32, topic: &str) -> Result<Option<Found>, Failure> {
        let registered = match self.client.by_id(id) {
            Ok(registered) => registered,
            Err(Error::Refused(_)) => return Ok(None),
            Err(error) => return Err(failure(&error)),
        };
        let mut subject = String::new();
        let record = record_name(&registered).unwrap_or_default();
        self.framed.strategy.write(topic, false, &record, &mut subject);
        let subject = self.subjects.contains(&subject).then_some(subject);
        Ok(Some(self.found(subject, registered)))
    }

    fn found(&self, subject: Option<String>, registered: Registered) -> Found {
        let record = record_name(&registered);
        let event = record.as_deref().and_then(|record| event_of(&self.template, record)).map(str::to_owned);
        let name = event.or(record).or_else(|| subject.clone()).unwrap_or_else(|| "value".to_owned());
        Found { name, subject, registered }
    }
}

/// The rest of `TOPIC-RECORD`, unless a longer topic's name fits as well.
fn record_of<'s>(subject: &'s str, topic: &str, topics: &[String]) -> Option<&'s str> {
    let rest = |topic: &str| subject.strip_prefix(topic)?.strip_prefix('-');
    let record = rest(topic).filter(|record| !["key", "value"].contains(record))?;
    let is_others = topics.iter().any(|other| other.len() > topic.len() && rest(other).is_some());
    (!is_others).then_some(record)
}

/// The event type of which the template makes this record's name.
fn event_of<'r>(template: &str, record: &'r str) -> Option<&'r str> {
    let (before, after) = template.split_once("${type}")?;
    record.strip_prefix(before)?.strip_suffix(after).filter(|event| !event.is_empty())
}

/// The full name of what the schema describes, if it says so.
fn record_name(registered: &Registered) -> Option<String> {
    let text = &registered.schema;
    if registered.schema_type == SchemaType::Protobuf {
        let word = |keyword: &str| {
            let mut words = text.split(|letter: char| letter.is_whitespace() || matches!(letter, ';' | '{'));
            words.find(|word| *word == keyword)?;
            words.find(|word| !word.is_empty()).map(str::to_owned)
        };
        let message = word("message")?;
        return Some(
            word("package").map_or_else(|| message.clone(), |package| format!("{package}.{message}")),
        );
    }
    let schema: Value = serde_json::from_str(text).ok()?;
    let named = |name: &str| schema[name].as_str();
    match (registered.schema_type, named("name"), named("namespace")) {
        (SchemaType::Json, ..) => named("title").map(str::to_owned),
        (_, Some(name), Some(namespace)) if !name.contains('.') => Some(format!("{namespace}.{name}")),
        (_, name, _) => name.map(str::to_owned),
    }
}

/// Media type and payload: a schema in its own language.
pub fn payload(registered: &Registered) -> (&'static str, Value) {
    let text = || json!(registered.schema);
    let parsed = || serde_json::from_str(&registered.schema).unwrap_or_else(|_| text());
    let (media, format, schema) = match registered.schema_type {
        SchemaType::Avro => {
            let mut definitions = definitions(&registered.references);
            let schema = inlined(parsed(), &mut definitions);
            // A name alone is a schema as well, but not for every reader.
            let schema = if schema.is_string() { json!({ "type": schema }) } else { schema };
            ("application/vnd.apache.avro", "application/vnd.apache.avro;version=1.9.0", schema)
        }
        SchemaType::Json => ("application/json", "application/schema+json;version=draft-07", parsed()),
        SchemaType::Protobuf => {
            ("application/vnd.google.protobuf", "application/vnd.google.protobuf;version=3", text())
        }
    };
    (media, json!({ "schemaFormat": format, "schema": schema }))
}

/// Avro's named types, by full name.
fn definitions(references: &[Referenced]) -> BTreeMap<String, Value> {
    let schemas = references.iter().filter_map(|of| serde_json::from_str::<Value>(&of.schema).ok());
    let named = schemas.filter_map(|schema| {
        let name = schema["name"].as_str()?;
        let name = match schema["namespace"].as_str() {
            Some(namespace) if !name.contains('.') => format!("{namespace}.{name}"),
            _ => name.to_owned(),
        };
        Some((name, schema))
    });
    named.collect()
}

/// Puts what a schema refers to in the place where it is first spoken of, so that it stands alone.
fn inlined(schema: Value, definitions: &mut BTreeMap<String, Value>) -> Value {
    match schema {
        Value::String(name) => match definitions.remove(&name) {
            Some(definition) => inlined(definition, definitions),
            None => Value::String(name),
        },
        Value::Array(union) => union.into_iter().map(|it| inlined(it, definitions)).collect(),
        Value::Object(members) => {
            let mut whole = Map::new();
            for (name, value) in members {
                let value = match name.as_str() {
                    "type" | "items" | "values" | "fields" => inlined(value, definitions),
                    _ => value,
                };
                whole.insert(name, value);
            }
            whole.into()
        }
        other => other,
    }
}

fn failure(error: &Error) -> Failure {
    let hint = match error {
        Error::Away(_) => "is the registry running, and reachable from here?",
        Error::Denied(_) => {
            "see to schema.registry.url (Apicurio's ends in /apis/ccompat/v7) and the credentials"
        }
        Error::Refused(refused) => refused.hint,
    };
    Failure::new(Exit::Registry, format!("asking for registered schemas: {error}"), "", hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(schema_type: SchemaType, schema: &str, references: &[&str]) -> Registered {
        let referenced = |schema: &&str| Referenced { name: String::new(), schema: (*schema).to_owned() };
        let references = references.iter().map(referenced).collect();
        Registered { id: 1, guid: None, schema_type, schema: schema.to_owned(), references }
    }

    #[test]
    fn a_subject_belongs_to_the_longest_topic_that_it_begins_with() {
        let topics = ["orders".to_owned(), "orders-eu".to_owned()];
        assert_eq!(record_of("orders-acme.Placed", "orders", &topics), Some("acme.Placed"));
        assert_eq!(record_of("orders-eu-acme.Placed", "orders", &topics), None);
        assert_eq!(record_of("orders-eu-acme.Placed", "orders-eu", &topics), Some("acme.Placed"));
        assert_eq!(record_of("orders-value", "orders", &topics), None);
        assert_eq!(record_of("ordersacme", "orders", &topics), None);
    }

    #[test]
    fn records_are_called_by_what_their_schema_says() {
        let name = |schema_type, schema: &str| record_name(&registered(schema_type, schema, &[]));
        let some = |name: &str| Some(name.to_owned());
        let avro = r#"{"type":"record","name":"Placed","namespace":"acme","fields":[]}"#;
        assert_eq!(name(SchemaType::Avro, avro), some("acme.Placed"));
        assert_eq!(name(SchemaType::Avro, r#"{"type":"record","name":"a.B","namespace":"c"}"#), some("a.B"));
        assert_eq!(name(SchemaType::Avro, "\"string\""), None);
        assert_eq!(name(SchemaType::Json, r#"{"title":"Placed"}"#), some("Placed"));
        let proto = "syntax = \"proto3\";\npackage acme.v1;\nmessage Placed{ int32 a = 1; }";
        assert_eq!(name(SchemaType::Protobuf, proto), some("acme.v1.Placed"));
        assert_eq!(name(SchemaType::Protobuf, "message Placed {}"), some("Placed"));
        assert_eq!(event_of("acme.${type}", "acme.Placed"), Some("Placed"));
        assert_eq!(event_of("acme.${type}", "other.Placed"), None);
        assert_eq!(event_of("", "acme.Placed"), None);
    }

    #[test]
    fn what_an_avro_schema_refers_to_stands_where_it_is_first_spoken_of() {
        let line = r#"{"type":"record","name":"Line","namespace":"acme","fields":[{"name":"sku","type":"acme.Sku"}]}"#;
        let sku = r#"{"type":"fixed","name":"acme.Sku","size":4}"#;
        let order = r#"{"type":"record","name":"Order","fields":[
            {"name":"first","type":"acme.Line"},{"name":"more","type":{"type":"array","items":["null","acme.Line"]}}]}"#;
        let (_, payload) = payload(&registered(SchemaType::Avro, order, &[sku, line]));
        let fields = &payload["schema"]["fields"];
        assert_eq!(
            fields[0]["type"]["fields"][0]["type"],
            json!({"type": "fixed", "name": "acme.Sku", "size": 4})
        );
        assert_eq!(fields[1]["type"]["items"], json!(["null", "acme.Line"]));
    }

    #[test]
    fn each_language_has_its_format() {
        for (schema_type, schema, format) in [
            (SchemaType::Avro, "\"string\"", "application/vnd.apache.avro;version=1.9.0"),
            (SchemaType::Json, "{}", "application/schema+json;version=draft-07"),
            (SchemaType::Protobuf, "message A {}", "application/vnd.google.protobuf;version=3"),
        ] {
            let (_, payload) = payload(&registered(schema_type, schema, &[]));
            assert_eq!(payload["schemaFormat"], format);
        }
    }
}
