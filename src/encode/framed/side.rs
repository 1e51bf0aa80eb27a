//! The key's side or the value's: which schemas are known, and what is still to be asked.

use super::filler::Filler;
use super::ready::Ready;
use super::{ByRegistered, Framed, Ids};
use crate::encode::Verify;
use crate::encode::avro::SchemaText;
use crate::encode::encoder::{NotWritten, Refusal};
use crate::encode::inferred::{self, Inferred};
use crate::registry::{Answer, Question, Refused, SchemaType, What, wire};
use crate::rejection::Reason;
use crate::route::Event;
use std::collections::HashMap;

/// A refusal is asked about again after so long: somebody may have seen to it.
const REFUSED_MS: i64 = 10_000;

/// What is known of one side's schemas.
#[derive(Debug)]
pub(in crate::encode) struct Side {
    pub(super) framed: Framed,
    pub(super) is_key: bool,
    /// By topic, and by what else decides: a plan and its route, a schema's text, an event's type.
    known: Vec<Known>,
    /// Where each is among them.
    places: HashMap<Vec<u8>, usize>,
    /// Where the one is that was used last.
    last: usize,
    /// The key of the event at hand.
    pub(super) slot: Vec<u8>,
    /// Under which key an answer is to be kept, and what it is wanted for.
    asked: Option<(Vec<u8>, For)>,
    /// For payloads that are written by registered schemas.
    pub(super) filler: Option<Box<Filler>>,
    /// What follows a topic's name in its subjects' names.
    suffix: &'static str,
}

/// What a schema is wanted for.
#[derive(Debug)]
enum For {
    /// Its id; of a Protobuf file, these are the indexes of the message.
    Id(Vec<u8>),
    /// The same, if it is the same schema as this.
    Same(Inferred),
    /// To write payloads by the record of this name.
    Payloads(String),
}

/// What is known of one schema.
#[derive(Debug)]
struct Known {
    slot: Vec<u8>,
    outcome: Result<Ready, Refusal>,
    /// When it was asked for, ms since 1970.
    asked_ms: i64,
}

impl Side {
    /// Nothing known yet.
    pub(in crate::encode) fn new(framed: Framed, is_key: bool) -> Side {
        let (known, places, slot) = (Vec::new(), HashMap::new(), Vec::new());
        Side { framed, is_key, known, places, last: 0, slot, asked: None, filler: None, suffix: "" }
    }

    /// The same, of a topic with this after its name.
    pub(in crate::encode) fn with_suffix(self, suffix: &'static str) -> Side {
        Side { suffix, ..self }
    }

    /// Begins the key of a schema that is the same for all rows of a plan, but for what is appended.
    pub(super) fn slot(&mut self, topic: &str, generation: u64) {
        self.slot.clear();
        self.slot.extend_from_slice(&generation.to_be_bytes());
        self.slot.extend_from_slice(topic.as_bytes());
        self.slot.push(0);
    }

    /// The schema of the slot, if it is known; else the question, whose schema `write` writes: it answers its name.
    pub(super) fn inferred(
        &mut self,
        topic: &str,
        now_ms: i64,
        write: impl FnOnce(&mut SchemaText) -> Result<Option<String>, Refusal>,
    ) -> Result<&mut Ready, NotWritten> {
        if let Some(place) = self.settled(now_ms) {
            return self.ready(place);
        }
        let mut text = SchemaText::new(self.framed.meta);
        let name = write(&mut text)?;
        let text = String::from_utf8(text.out).unwrap_or_default();
        self.ask(topic, Inferred { text, name, indexes: Vec::new() })
    }

    /// The same of a language whose schemas are made of what JsonConverter prints, which `write` does. What it needs of the
    /// slot it is given.
    pub(super) fn inferred_of(
        &mut self,
        topic: &str,
        now_ms: i64,
        write: impl FnOnce(&[u8], &mut Vec<u8>),
    ) -> Result<&mut Ready, NotWritten> {
        if let Some(place) = self.settled(now_ms) {
            return self.ready(place);
        }
        let mut connect = Vec::new();
        write(&self.slot, &mut connect);
        let inferred = inferred::schema(self.framed.language, self.framed.inferring, &connect);
        let inferred = inferred.map_err(|refused| refused.refusal(self.reason()))?;
        self.ask(topic, inferred)
    }

    /// Asks for the schema of the slot.
    fn ask(&mut self, topic: &str, inferred: Inferred) -> Result<&mut Ready, NotWritten> {
        let subject = self.subject(topic, inferred.name.as_deref())?;
        let (schema_type, normalize) = (self.framed.language, self.framed.normalize);
        let (what, wanted) = match self.framed.ids {
            Ids::Latest => (What::Latest, For::Same(inferred)),
            Ids::Given(id) => (What::Id(id), For::Same(inferred)),
            ids => {
                let Inferred { text: schema, indexes, .. } = inferred;
                let what = match ids {
                    Ids::Find => What::Find { schema, schema_type, normalize },
                    _ => What::Register { schema, schema_type, normalize },
                };
                (what, For::Id(indexes))
            }
        };
        self.asked = Some((self.slot.clone(), wanted));
        Err(NotWritten::Asks(Question { subject, what }))
    }

    /// The registered schema of this event type, if it is known; else the question.
    pub(super) fn registered(
        &mut self,
        topic: &str,
        event_type: &str,
        now_ms: i64,
    ) -> Result<&mut Ready, NotWritten> {
        self.slot.clear();
        self.slot.extend_from_slice(topic.as_bytes());
        self.slot.push(0);
        self.slot.extend_from_slice(event_type.as_bytes());
        if let Some(place) = self.settled(now_ms) {
            return self.ready(place);
        }
        let record = self.framed.registered.as_ref().map(|by| by.record(event_type)).unwrap_or_default();
        let subject = self.framed.subject.subject(topic, self.is_key, &record);
        let what = match self.framed.ids {
            Ids::Given(id) => What::Id(id),
            _ => What::Latest,
        };
        self.asked = Some((self.slot.clone(), For::Payloads(record)));
        Err(NotWritten::Asks(Question { subject, what }))
    }

    /// Whether the schema of bytes that somebody else has framed is known; else the question.
    pub(in crate::encode) fn verify(
        &mut self,
        verify: &Verify,
        event: &Event<'_>,
        id: i32,
        now_ms: i64,
    ) -> Result<(), NotWritten> {
        let event_type = event_type(event).unwrap_or_default();
        self.slot.clear();
        self.slot.extend_from_slice(&id.to_be_bytes());
        if verify.own {
            self.slot.extend_from_slice(event.topic.as_bytes());
            self.slot.push(0);
            self.slot.extend_from_slice(event_type.as_bytes());
        }
        if let Some(place) = self.settled(now_ms) {
            return self.ready(place).map(|_| ());
        }
        let record = verify.name.replace(ByRegistered::TYPE, event_type);
        let subject = self.framed.subject.subject(event.topic, self.is_key, &record);
        let what = if verify.own { What::Own(id) } else { What::Id(id) };
        self.asked = Some((self.slot.clone(), For::Id(Vec::new())));
        Err(NotWritten::Asks(Question { subject, what }))
    }

    /// What it writes.
    pub(in crate::encode) fn language(&self) -> SchemaType {
        self.framed.language
    }

    /// `key.schema.id.serializer`, `value.schema.id.serializer` say so.
    pub(in crate::encode) fn in_header(&self) -> bool {
        self.framed.in_header
    }

    /// Takes an answer to the question that was asked last.
    pub(in crate::encode) fn answer(&mut self, answer: Answer, now_ms: i64) {
        let Some((slot, wanted)) = self.asked.take() else { return };
        let (reason, language) = (self.reason(), self.framed.language);
        let outcome = match (answer, wanted) {
            (Err(Refused { what, hint }), _) => {
                Err(Refusal { reason: Reason::SchemaRefused, detail: what, hint })
            }
            (Ok(registered), For::Same(ours)) => match is_same(&registered.schema, &ours.text, language) {
                true => Ok(Ready::of(registered.id, registered.guid, ours.indexes)),
                false => Err(Refusal {
                    reason,
                    detail: format!(
                        "the schema inferred of it is not schema {}, which use.latest.version or use.schema.id asks for",
                        registered.id
                    ),
                    hint: "set walpost.value.schema=registered to have payloads encoded by the registered schema",
                }),
            },
            (Ok(registered), For::Payloads(name)) => Ready::new(registered, language, &name, reason),
            (Ok(registered), For::Id(indexes)) => Ok(Ready::of(registered.id, registered.guid, indexes)),
        };
        self.keep(slot, now_ms, outcome);
    }

    /// The registry is away: whether what is known already will do for a while.
    pub(in crate::encode) fn go_on(&mut self, now_ms: i64) -> bool {
        let Some((slot, _)) = &self.asked else { return false };
        match self.places.get(slot).and_then(|place| self.known.get_mut(*place)) {
            Some(known) if known.outcome.is_ok() => {
                known.asked_ms = now_ms;
                self.asked = None;
                true
            }
            _ => false,
        }
    }

    /// Appends what stands before the encoded bytes.
    pub(super) fn frame(
        in_header: bool,
        ready: &Ready,
        reason: Reason,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        match (in_header, ready.guid) {
            (false, _) => {
                wire::prefix(ready.id, out);
                out.extend_from_slice(&ready.indexes);
            }
            (true, Some(_)) => {}
            (true, None) => {
                return Err(Refusal {
                    reason,
                    detail: format!("the registry has no GUID for schema {}", ready.id),
                    hint: "take PrefixSchemaIdSerializer: only Confluent's registry from 8.0 on has GUIDs",
                });
            }
        }
        Ok(())
    }

    /// Appends the value of the header that tells the schema; `false` when there is to be none.
    pub(in crate::encode) fn header(&self, out: &mut Vec<u8>) -> bool {
        let known = self.known.get(self.last).filter(|known| known.slot == self.slot);
        let known = known.and_then(|known| known.outcome.as_ref().ok());
        let in_header = known.filter(|_| self.framed.in_header);
        let Some((ready, guid)) = in_header.and_then(|ready| Some((ready, ready.guid?))) else {
            return false;
        };
        wire::guid(guid, out);
        out.extend_from_slice(&ready.indexes);
        true
    }

    /// Why an event is refused whose key or value is not.
    pub(super) fn reason(&self) -> Reason {
        if self.is_key { Reason::KeyNotEncodable } else { Reason::PayloadNotEncodable }
    }

    fn subject(&self, topic: &str, record: Option<&str>) -> Result<String, Refusal> {
        let strategy = self.framed.subject;
        let Some(record) = record.or(if strategy.names_records() { None } else { Some("") }) else {
            return Err(Refusal {
                reason: self.reason(),
                detail: "its schema is no record, and its subject is to be named by the record".to_owned(),
                hint: "take TopicNameStrategy for it, or place columns in an envelope",
            });
        };
        let topic = format!("{topic}{}", self.suffix);
        Ok(strategy.subject(&topic, self.is_key, record))
    }

    /// Where the slot's schema is, if nothing has to be asked for it.
    fn settled(&mut self, now_ms: i64) -> Option<usize> {
        let is_last = self.known.get(self.last).is_some_and(|known| known.slot == self.slot);
        if !is_last {
            self.last = *self.places.get(&self.slot)?;
        }
        let Known { outcome, asked_ms, .. } = self.known.get(self.last)?;
        let is_latest = self.framed.registered.is_some() || self.framed.ids == Ids::Latest;
        let lasts = match outcome {
            Err(_) => Some(REFUSED_MS),
            Ok(_) if is_latest => self.framed.latest_ttl_ms,
            Ok(_) => None,
        };
        // What was asked for just now is settled, however short it lasts.
        let is_settled = lasts.is_none_or(|lasts| now_ms < asked_ms.saturating_add(lasts.max(1)));
        is_settled.then_some(self.last)
    }

    fn ready(&mut self, place: usize) -> Result<&mut Ready, NotWritten> {
        match &mut self.known[place].outcome {
            Ok(ready) => Ok(ready),
            Err(refusal) => Err(refusal.clone().into()),
        }
    }

    fn keep(&mut self, slot: Vec<u8>, asked_ms: i64, outcome: Result<Ready, Refusal>) {
        /// More schemas than these are somebody's mistake: then they are all asked for again.
        const MOST: usize = 10_000;
        if self.known.len() >= MOST {
            self.known.clear();
            self.places.clear();
        }
        let known = Known { slot, outcome, asked_ms };
        match self.places.get(&known.slot) {
            Some(place) => self.known[*place] = known,
            None => {
                self.places.insert(known.slot.clone(), self.known.len());
                self.known.push(known);
            }
        }
    }
}

impl ByRegistered {
    /// Where in a name the event's type goes.
    const TYPE: &str = "${type}";

    /// The record's full name for an event of this type.
    pub(super) fn record(&self, event_type: &str) -> String {
        self.name.replace(ByRegistered::TYPE, event_type)
    }

    /// Whether events of different types have different names.
    pub(super) fn names_types(&self) -> bool {
        self.name.contains(ByRegistered::TYPE)
    }
}

fn is_same(registered: &str, ours: &str, language: SchemaType) -> bool {
    match language {
        SchemaType::Avro => plain(registered) == plain(ours),
        SchemaType::Json => json(registered) == json(ours),
        SchemaType::Protobuf => registered.split_ascii_whitespace().eq(ours.split_ascii_whitespace()),
    }
}

fn json(schema: &str) -> serde_json::Value {
    serde_json::from_str(schema).unwrap_or_else(|_| serde_json::Value::String(schema.to_owned()))
}

/// A schema without what makes no difference to bytes: documentation, defaults, order, properties of others.
fn plain(schema: &str) -> serde_json::Value {
    fn strip(schema: serde_json::Value) -> serde_json::Value {
        use serde_json::Value;
        match schema {
            Value::Array(branches) => Value::Array(branches.into_iter().map(strip).collect()),
            Value::Object(members) => {
                const KEPT: [&str; 8] =
                    ["type", "name", "namespace", "fields", "symbols", "items", "values", "size"];
                let mut kept: Vec<(String, Value)> =
                    members.into_iter().filter(|(name, _)| KEPT.contains(&name.as_str())).collect();
                kept.sort_by(|left, right| left.0.cmp(&right.0));
                match kept.as_slice() {
                    [(name, Value::String(_))] if name == "type" => kept.remove(0).1,
                    _ => Value::Object(kept.into_iter().map(|(name, value)| (name, strip(value))).collect()),
                }
            }
            other => other,
        }
    }
    strip(json(schema))
}

/// The event's type, as its column has it.
pub(super) fn event_type<'e>(event: &Event<'e>) -> Option<&'e str> {
    use crate::decode::Cell;
    let field = event.plan.event_type.as_ref()?;
    match event.row.get(field.index) {
        Some(Cell::Text(text)) => str::from_utf8(text).ok(),
        _ => None,
    }
}
