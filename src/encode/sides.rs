//! Which schemas an encoder has to know: of keys, of values, and of bytes that were framed by somebody else.

use super::encoder::{NotWritten, Refusal};
use super::framed::Side;
use super::inferred::Inferring;
use super::{Config, Converter, Framed, Ids, Outgoing, Verify};
use crate::registry::{Answer, SchemaType, Strategy, wire};
use crate::rejection::Reason;
use crate::route::Event;
use std::sync::Arc;

/// Nothing, for converters that need no registry.
#[derive(Debug, Default)]
pub(super) struct Sides {
    pub(super) key: Option<Box<Side>>,
    pub(super) value: Option<Box<Side>>,
    /// Of CloudEvents that are in Avro themselves, around the value's.
    pub(super) event: Option<Box<Side>>,
    verified: Option<Box<(Verify, Side)>>,
    /// Who has asked.
    asked: Option<Who>,
    headers: Option<[Arc<str>; 2]>,
}

#[derive(Clone, Copy, Debug)]
enum Who {
    Key,
    Value,
    Event,
    Verified,
}

impl Sides {
    /// What these converters need.
    pub(super) fn new(config: &Config) -> Sides {
        let side = |converter: &Converter, is_key| match converter {
            Converter::Framed(framed) => Some(Box::new(Side::new((**framed).clone(), is_key))),
            _ => None,
        };
        let verified = config.verify.clone().map(|verify| {
            let framed = Framed {
                // Of bytes that are passed on, whatever they are written in.
                language: SchemaType::Avro,
                subject: verify.subject,
                ids: Ids::Find,
                normalize: false,
                meta: false,
                inferring: Inferring::default(),
                registered: None,
                in_header: false,
                latest_ttl_ms: None,
            };
            Box::new((verify, Side::new(framed, false)))
        });
        let (key, mut value) = (side(&config.key, true), side(&config.value, false));
        let mut event = None;
        if config.cloud.as_ref().is_some_and(|cloud| cloud.record.is_some()) {
            event = side(&config.value, false);
            // As Debezium keeps the two apart.
            value = value.map(|value| Box::new(value.with_suffix("-data")));
        }
        let has_headers = [&key, &value].into_iter().flatten().any(|side| side.in_header());
        let headers = has_headers.then(|| [wire::KEY_HEADER, wire::VALUE_HEADER].map(Arc::from));
        Sides { key, value, event, verified, asked: None, headers }
    }

    /// Notes that the key's side has asked, if it has.
    pub(super) fn of_key<T>(&mut self, written: Result<T, NotWritten>) -> Result<T, NotWritten> {
        self.note(Who::Key, written)
    }

    /// Notes that the value's side has asked, if it has.
    pub(super) fn of_value<T>(&mut self, written: Result<T, NotWritten>) -> Result<T, NotWritten> {
        self.note(Who::Value, written)
    }

    /// Notes that the side of the event around the value has asked, if it has, and not the value's.
    pub(super) fn of_event<T>(&mut self, written: Result<T, NotWritten>) -> Result<T, NotWritten> {
        self.note(Who::Event, written)
    }

    /// Makes sure of framed bytes.
    pub(super) fn verify(&mut self, event: &Event<'_>, bytes: &[u8], now_ms: i64) -> Result<(), NotWritten> {
        let Some(verified) = &mut self.verified else { return Ok(()) };
        let (verify, side) = &mut **verified;
        let Some(id) = wire::id(bytes) else {
            return Err(Refusal {
                reason: Reason::PayloadNotEncodable,
                detail: "the payload is not framed: it does not begin with a zero and the id of a schema"
                    .to_owned(),
                hint: "walpost.value.verify says that it is; see to who writes it",
            }
            .into());
        };
        let looked = side.verify(verify, event, id, now_ms);
        self.note(Who::Verified, looked)
    }

    /// Appends the headers that tell schemas, of those parts that there are.
    pub(super) fn write_headers(&self, parts: [bool; 2], out: &mut Outgoing) -> Result<(), NotWritten> {
        let Some(names) = &self.headers else { return Ok(()) };
        for ((side, name), is_there) in [&self.key, &self.value].into_iter().zip(names).zip(parts) {
            if let Some(side) = side.as_ref().filter(|side| is_there && side.in_header()) {
                out.header(name, |bytes| Ok::<bool, NotWritten>(side.header(bytes)))?;
            }
        }
        Ok(())
    }

    /// Hands an answer to who has asked.
    pub(super) fn answer(&mut self, answer: Answer, now_ms: i64) {
        if let Some(side) = self.who_asked() {
            side.answer(answer, now_ms);
        }
        self.asked = None;
    }

    /// Whether who has asked can go on without an answer.
    pub(super) fn go_on(&mut self, now_ms: i64) -> bool {
        let goes_on = self.who_asked().is_some_and(|side| side.go_on(now_ms));
        self.asked = None;
        goes_on
    }

    fn who_asked(&mut self) -> Option<&mut Side> {
        match self.asked? {
            Who::Key => self.key.as_deref_mut(),
            Who::Value => self.value.as_deref_mut(),
            Who::Event => self.event.as_deref_mut(),
            Who::Verified => self.verified.as_deref_mut().map(|(_, side)| side),
        }
    }

    fn note<T>(&mut self, who: Who, written: Result<T, NotWritten>) -> Result<T, NotWritten> {
        // Bytes that are made sure of are the value's, too: who asked first has asked.
        if let Err(NotWritten::Asks(_)) = &written {
            self.asked.get_or_insert(who);
        }
        written
    }
}

impl Strategy {
    /// The subject's name, whole.
    pub(super) fn subject(self, topic: &str, is_key: bool, record: &str) -> String {
        let mut subject = String::new();
        self.write(topic, is_key, record, &mut subject);
        subject
    }
}
