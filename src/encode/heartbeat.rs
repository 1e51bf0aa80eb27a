//! Heartbeat records as Debezium writes them (`heartbeat.interval.ms`): key `{serverName}`, value `{ts_ms}`, no headers,
//! partition 0, through the configured converters.

use super::encoder::Encoder;
use super::{Converter, Outgoing, json};
use crate::rejection::{Origin, Reason, Rejection};
use std::io::Write;
use std::sync::Arc;

/// `io.debezium.connector.common.ServerNameKey` and `.Heartbeat`, as JsonConverter prints their schemas.
const KEY_SCHEMA: &str = r#"{"schema":{"type":"struct","fields":[{"type":"string","optional":false,"field":"serverName"}],"optional":false,"name":"io.debezium.connector.common.ServerNameKey","version":1},"payload":"#;
const VALUE_SCHEMA: &str = r#"{"schema":{"type":"struct","fields":[{"type":"int64","optional":false,"field":"ts_ms"}],"optional":false,"name":"io.debezium.connector.common.Heartbeat","version":1},"payload":"#;

impl Encoder {
    /// Appends a heartbeat of `server` (`topic.prefix`) for `topic`; refused when a converter takes only bytes.
    pub fn heartbeat(
        &mut self,
        topic: &Arc<str>,
        server: &str,
        now_ms: i64,
        out: &mut Outgoing,
    ) -> Result<(), Rejection> {
        let (key, value) = self.converters();
        let structs = |converter: &Converter, reason| {
            converter.of_structs().cloned().map_err(|_| Rejection {
                reason,
                detail: "a heartbeat's key and value are STRUCTs, which the converter does not take"
                    .to_owned(),
                hint: "set delegate.converter.type of the converter, or heartbeat.interval.ms=0".to_owned(),
                table: topic.to_string(),
                event_id: None,
                origin: Origin::default(),
            })
        };
        let key = structs(key, Reason::KeyNotEncodable)?;
        let value = structs(value, Reason::PayloadNotEncodable)?;
        let mut draft = out.draft();
        out.key(&mut draft, |bytes| {
            write(&key, KEY_SCHEMA, bytes, "serverName", |bytes, quote| {
                if quote { json::string(server, bytes) } else { bytes.extend_from_slice(server.as_bytes()) }
            })
        })?;
        out.value(&mut draft, |bytes| {
            write(&value, VALUE_SCHEMA, bytes, "ts_ms", |bytes, _| {
                // Writing into a Vec cannot fail.
                let _ = write!(bytes, "{now_ms}");
            })
        })?;
        out.finish(draft, topic, Some(0), now_ms);
        Ok(())
    }
}

/// A struct of one member: JSON, with or without its schema, or Java's `toString`.
fn write(
    converter: &Converter,
    schema: &str,
    out: &mut Vec<u8>,
    member: &str,
    content: impl FnOnce(&mut Vec<u8>, bool),
) -> Result<bool, Rejection> {
    let Converter::Json { schemas, .. } = converter else {
        let _ = write!(out, "Struct{{{member}=");
        content(out, false);
        out.push(b'}');
        return Ok(true);
    };
    if *schemas {
        out.extend_from_slice(schema.as_bytes());
    }
    let _ = write!(out, "{{\"{member}\":");
    content(out, true);
    out.extend_from_slice(if *schemas { b"}}" } else { b"}" });
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{Config, DecimalFormat, HeaderConverter};

    fn heartbeat(key: Converter, value: Converter) -> Result<(String, String), Rejection> {
        let config = Config {
            key,
            value,
            header: HeaderConverter::Simple,
            context: None,
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
        assert_eq!(heartbeat(Converter::Bytes, json(false)).unwrap_err().reason, Reason::KeyNotEncodable);
    }
}
