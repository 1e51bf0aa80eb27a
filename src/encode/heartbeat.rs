//! Heartbeat records as Debezium writes them (`heartbeat.interval.ms`): key `{serverName}`, value `{ts_ms}`, no headers,
//! partition 0, through the configured converters.

use super::avro::binary;
use super::encoder::{Encoder, NotEncoded, NotWritten, Refusal};
use super::framed::Side;
use super::structs::{Form, Writer};
use super::{Converter, Outgoing};
use crate::registry::SchemaType;
use crate::rejection::{Origin, Reason, Rejection};
use std::sync::Arc;

/// `io.debezium.connector.common.ServerNameKey` and `.Heartbeat`, as JsonConverter prints their schemas.
const KEY_SCHEMA: &str = r#"{"schema":{"type":"struct","fields":[{"type":"string","optional":false,"field":"serverName"}],"optional":false,"name":"io.debezium.connector.common.ServerNameKey","version":1},"payload":"#;
const VALUE_SCHEMA: &str = r#"{"schema":{"type":"struct","fields":[{"type":"int64","optional":false,"field":"ts_ms"}],"optional":false,"name":"io.debezium.connector.common.Heartbeat","version":1},"payload":"#;

/// A struct of one member.
struct Schemas {
    /// Its full name.
    name: &'static str,
    /// As JsonConverter prints it.
    connect: &'static str,
    avro: &'static str,
}

const KEY: Schemas = Schemas {
    name: "io.debezium.connector.common.ServerNameKey",
    connect: KEY_SCHEMA,
    avro: r#"{"type":"record","name":"ServerNameKey","namespace":"io.debezium.connector.common","fields":[{"name":"serverName","type":"string"}],"connect.version":1,"connect.name":"io.debezium.connector.common.ServerNameKey"}"#,
};
const VALUE: Schemas = Schemas {
    name: "io.debezium.connector.common.Heartbeat",
    connect: VALUE_SCHEMA,
    avro: r#"{"type":"record","name":"Heartbeat","namespace":"io.debezium.connector.common","fields":[{"name":"ts_ms","type":"long"}],"connect.version":1,"connect.name":"io.debezium.connector.common.Heartbeat"}"#,
};

/// What the member is.
#[derive(Clone, Copy)]
enum Member<'m> {
    Text(&'m str),
    Number(i64),
}

impl Encoder {
    /// Appends a heartbeat of `server` (`topic.prefix`) for `topic`; refused when a converter takes only bytes.
    pub fn heartbeat(
        &mut self,
        topic: &Arc<str>,
        server: &str,
        now_ms: i64,
        out: &mut Outgoing,
    ) -> Result<(), NotEncoded> {
        let (key, value) = self.converters();
        let structs = |converter: &Converter, reason| {
            converter.of_structs().cloned().map_err(|_| {
                let detail = "a heartbeat's key and value are STRUCTs, which the converter does not take";
                let hint = "set delegate.converter.type of the converter, or heartbeat.interval.ms=0";
                not_encoded(topic, Refusal { reason, detail: detail.to_owned(), hint }.into())
            })
        };
        let key = structs(key, Reason::KeyNotEncodable)?;
        let value = structs(value, Reason::PayloadNotEncodable)?;
        let mut draft = out.draft();
        let sides = self.sides();
        let (key_side, value_side) = (sides.key.as_deref_mut(), sides.value.as_deref_mut());
        let written_key = out.key(&mut draft, |bytes| {
            write(&key, key_side, &KEY, (topic, now_ms), bytes, ("serverName", Member::Text(server)))
        });
        let written_value = out.value(&mut draft, |bytes| {
            write(&value, value_side, &VALUE, (topic, now_ms), bytes, ("ts_ms", Member::Number(now_ms)))
        });
        let sides = self.sides();
        let written = sides.of_key(written_key).and_then(|()| sides.of_value(written_value));
        if let Err(why) = written {
            out.abandon(draft);
            return Err(not_encoded(topic, why));
        }
        out.finish(draft, topic, Some(0), now_ms);
        Ok(())
    }
}

/// A struct of one member: framed, JSON with or without its schema, or Java's `toString`.
fn write(
    converter: &Converter,
    side: Option<&mut Side>,
    of: &Schemas,
    (topic, now_ms): (&str, i64),
    out: &mut Vec<u8>,
    (name, member): (&str, Member<'_>),
) -> Result<bool, NotWritten> {
    let form = match side {
        Some(side) if side.language() == SchemaType::Avro => {
            side.record(topic, (of.avro, of.name), now_ms, out)?;
            match member {
                Member::Text(text) => binary::bytes(text.as_bytes(), out),
                Member::Number(number) => binary::long(number, out),
            }
            return Ok(true);
        }
        Some(side) => {
            let connect = of.connect.as_bytes();
            side.structs(topic, (0, now_ms), |_, out| out.extend_from_slice(connect), out)?
        }
        None => match converter {
            Converter::Json { decimal, .. } => Form::Json { decimals: *decimal, replace: true },
            _ => Form::Java,
        },
    };
    let has_schema = matches!(converter, Converter::Json { schemas: true, .. });
    if has_schema {
        out.extend_from_slice(of.connect.as_bytes());
    }
    let mut writer = Writer::open(form, out);
    match member {
        Member::Text(text) => writer.text(name, text),
        Member::Number(number) => writer.number(name, number),
    }
    writer.close();
    if has_schema {
        out.push(b'}');
    }
    Ok(true)
}

fn not_encoded(topic: &Arc<str>, why: NotWritten) -> NotEncoded {
    match why {
        NotWritten::Asks(question) => NotEncoded::Asks(question),
        NotWritten::Refused(Refusal { reason, detail, hint }) => NotEncoded::Rejected(Rejection {
            reason,
            detail,
            hint: hint.to_owned(),
            table: topic.to_string(),
            event_id: None,
            origin: Origin::default(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{Config, DecimalFormat, HeaderConverter};

    fn heartbeat(key: Converter, value: Converter) -> Result<(String, String), NotEncoded> {
        let config = Config {
            key,
            value,
            header: HeaderConverter::Simple,
            context: None,
            verify: None,
            cloud: None,
            expand: None,
            messages: None,
            strict: false,
            max_record_bytes: 1 << 20,
        };
        let (mut encoder, mut out) = (Encoder::new(config), Outgoing::default());
        encoder.heartbeat(&Arc::from("__debezium-heartbeat.app"), "app", 1795406830698, &mut out)?;
        let record = out.iter().next().unwrap();
        assert_eq!((&**record.topic, record.partition), ("__debezium-heartbeat.app", Some(0)));
        assert_eq!(record.headers().len(), 0);
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        Ok((text(record.key), text(record.value)))
    }

    fn json(schemas: bool) -> Converter {
        Converter::Json { schemas, decimal: DecimalFormat::Base64, replace_null_with_default: true }
    }

    #[test]
    fn heartbeats_are_structs_in_the_converters_own_form() {
        let (key, value) = heartbeat(Converter::String, json(false)).unwrap();
        assert_eq!((key.as_str(), value.as_str()), ("Struct{serverName=app}", r#"{"ts_ms":1795406830698}"#));
        let (key, value) =
            heartbeat(json(true), Converter::Binary { delegate: Some(Box::new(json(false))) }).unwrap();
        assert!(key.ends_with(r#""version":1},"payload":{"serverName":"app"}}"#), "{key}");
        assert!(serde_json::from_str::<serde_json::Value>(&key).is_ok());
        assert_eq!(value, r#"{"ts_ms":1795406830698}"#);
    }

    #[test]
    fn a_converter_that_takes_unsuited_refuses_them() {
        let Err(NotEncoded::Rejected(rejection)) = heartbeat(Converter::Bytes, json(false)) else {
            panic!("it is encoded")
        };
        assert_eq!(rejection.reason, Reason::KeyNotEncodable);
    }
}
