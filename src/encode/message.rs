//! Logical decoding messages that are told as they are (`op` `m`), as Debezium's connector writes them: the prefix is the key.
//!
//! Enters: the message's prefix and content, and when and where it was emitted. Leaves: one record without headers. Promised:
//! the bytes of Debezium 3.6 (`LogicalDecodingMessageMonitor`) with the same converters.

use super::blocks::{source, transaction};
use super::change::{At, Part, close_head, fields};
use super::encoder::{Encoder, NotWritten, fits, too_large};
use super::schema::BLOCKS_SCHEMA;
use super::sides::Sides;
use super::structs::{Form, Writer};
use super::{DecimalFormat, Outgoing};
use crate::decode::value::{Binary, Kind, of_bytes};
use crate::route::ChangePlan;

/// `io.debezium.connector.postgresql.MessageKey`, as JsonConverter prints it, and the word before the payload.
pub(super) const KEY_SCHEMA: &str = r#"{"schema":{"type":"struct","fields":[{"type":"string","optional":true,"field":"prefix"}],"optional":false,"name":"io.debezium.connector.postgresql.MessageKey","version":1},"payload":"#;
/// The same of `…MessageValue`, up to the source block.
const VALUE_SCHEMA: &str = r#"{"schema":{"type":"struct","fields":[{"type":"string","optional":false,"field":"op"},{"type":"int64","optional":true,"field":"ts_ms"},"#;
/// From behind the transaction block to the type of the content.
const MESSAGE_SCHEMA: &str =
    r#",{"type":"struct","fields":[{"type":"string","optional":true,"field":"prefix"},"#;
/// Behind that.
const VALUE_SCHEMA_END: &str = r#"],"optional":false,"name":"io.debezium.connector.postgresql.Message","version":1,"field":"message"}],"optional":false,"name":"io.debezium.connector.postgresql.MessageValue","version":1},"payload":"#;

impl Encoder {
    /// Appends the record of a message.
    pub(super) fn message(
        &self,
        plan: &ChangePlan,
        (prepared, sides): (usize, &mut Sides),
        (prefix, content): (&str, &[u8]),
        at: &At<'_>,
        out: &mut Outgoing,
    ) -> Result<(), NotWritten> {
        let (config, prepared) = (self.config(), &self.prepared_changes()[prepared]);
        // It is not worth a copy.
        if content.len() > config.max_record_bytes {
            return Err(too_large(content.len(), config.max_record_bytes).into());
        }
        let now_ms = at.now_ns / 1_000_000;
        let mut draft = out.draft();
        let part = Part::key(&config.key, sides.key.as_deref_mut(), prepared);
        let written = out.key(&mut draft, |bytes| {
            let (form, head) = part.begin(plan, now_ms, bytes)?;
            bytes.extend_from_slice(head);
            let mut writer = Writer::open(form, bytes);
            writer.optional().text("prefix", prefix);
            writer.close();
            close_head(head, bytes);
            Ok(true)
        });
        sides.of_key(written)?;
        let part = Part::value(&config.value, sides.value.as_deref_mut(), prepared);
        let written = out.value(&mut draft, |bytes| {
            let (form, head) = part.begin(plan, now_ms, bytes)?;
            bytes.extend_from_slice(head);
            value(form, plan, at, (prefix, content), bytes);
            close_head(head, bytes);
            Ok(true)
        });
        sides.of_value(written)?;
        sides.write_headers([true, true], out)?;
        fits(out, &draft, config)?;
        out.finish(draft, &plan.topic, None, now_ms);
        Ok(())
    }
}

fn value(form: Form, plan: &ChangePlan, at: &At<'_>, (prefix, content): (&str, &[u8]), out: &mut Vec<u8>) {
    let mut writer = Writer::open(form, out);
    writer.text("op", "m");
    writer.optional().number("ts_ms", at.now_ns / 1_000_000);
    source(&mut writer, plan, at);
    transaction(&mut writer, at);
    writer.within("message");
    writer.optional().text("prefix", prefix);
    for column in &plan.columns {
        let kind = &column.field.kind;
        let notation = if let Kind::BytesText(notation) = kind { *notation } else { Binary::Bytes };
        writer.optional().value(&column.field.name, kind, &of_bytes(content, notation), None);
    }
    writer.close();
    writer.close();
}

/// What comes before a value, where it has its schema.
pub(super) fn value_head(plan: &ChangePlan, decimals: DecimalFormat) -> Vec<u8> {
    let mut head = [VALUE_SCHEMA, BLOCKS_SCHEMA, MESSAGE_SCHEMA].concat().into_bytes();
    fields(&plan.columns, decimals, &mut head);
    head.extend_from_slice(VALUE_SCHEMA_END.as_bytes());
    head
}

#[cfg(test)]
mod tests {
    use crate::decode::value::{Binary, Modes};
    use crate::decode::{Decoder, testing};
    use crate::encode::change::{At, Order};
    use crate::encode::{
        Config, Context, Converter, DecimalFormat, Encoder, HeaderConverter, NotEncoded, Outgoing,
    };
    use crate::lsn::Lsn;
    use crate::route::{self, ChangeRule, Prefixes, Routed, Router};

    fn json(schemas: bool) -> Converter {
        Converter::Json { schemas, decimal: DecimalFormat::Base64, replace_null_with_default: true }
    }

    /// Key and value of a message with this content; or why there are none.
    fn told(
        (key, value): (Converter, Converter),
        binary: Binary,
        at: At<'_>,
        content: &[u8],
    ) -> Result<(String, String), String> {
        let context = Context { logical_name: "app".to_owned(), run_id: "run".to_owned() };
        let (context, max_record_bytes) = (Some(context), 1 << 12);
        let header = HeaderConverter::Simple;
        let (verify, cloud, expand, messages, strict) = (None, None, None, None, false);
        let mut encoder = Encoder::new(Config {
            key,
            value,
            header,
            context,
            verify,
            cloud,
            expand,
            messages,
            strict,
            max_record_bytes,
        });
        let messages = Some(Prefixes::default());
        let changes = ChangeRule { messages, database: "db".to_owned(), ..ChangeRule::default() };
        let types = Modes { binary, ..Modes::default() };
        let mut router =
            Router::new(route::Config { changes: Some(changes), types, ..route::testing::defaults() });
        let (mut decoder, mut out) = (Decoder::new(), Outgoing::default());
        let message = testing::message(true, Lsn::new(9), "my-prefix", content);
        let change = decoder.decode(&message).unwrap();
        let Routed::Change(changed) = router.route(&change) else { panic!("it is not told") };
        let taken = encoder.change(&changed, &at, &mut out);
        assert!(taken.is_ok() || (out.is_empty() && out.bytes() == 0), "something is left");
        taken.map_err(|why| match why {
            NotEncoded::Rejected(rejection) => rejection.detail,
            NotEncoded::Asks(question) => panic!("{question:?}"),
        })?;
        let record = out.iter().next().unwrap();
        assert_eq!((&**record.topic, record.partition, record.timestamp_ms), ("app.message", None, 7));
        assert_eq!(record.headers().len(), 0, "Debezium gives them none");
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        Ok((text(record.key), text(record.value)))
    }

    fn at() -> At<'static> {
        At { lsn: Lsn::new(9), xid: Some(5), commit_us: 1_234_567, now_ns: 7_000_000, ..At::default() }
    }

    const SOURCE: &str = r#""source":{"version":"3.6.3.Final","connector":"postgresql","name":"app","ts_ms":1234,"snapshot":"false","db":"db","sequence":"[null,\"9\"]","ts_us":1234567,"ts_ns":1234567000,"schema":"","table":"","txId":5,"lsn":9,"xmin":null,"origin":null,"origin_lsn":null}"#;

    #[test]
    fn a_message_has_its_prefix_as_key_and_an_envelope_without_rows() {
        let (key, value) = told((json(false), json(false)), Binary::Bytes, at(), b"\0\xff{").unwrap();
        assert_eq!(key, r#"{"prefix":"my-prefix"}"#);
        let message = r#""transaction":null,"message":{"prefix":"my-prefix","content":"AP97"}}"#;
        assert_eq!(value, format!(r#"{{"op":"m","ts_ms":7,{SOURCE},{message}"#));
        let order = Some(Order { total: 3, in_table: 1 });
        let (_, value) = told((json(false), json(false)), Binary::Bytes, At { order, ..at() }, b"").unwrap();
        let transaction = r#""transaction":{"id":"5:9","total_order":3,"data_collection_order":1}"#;
        assert!(
            value.contains(&format!(r#"{transaction},"message":{{"prefix":"my-prefix","content":""}}}}"#))
        );
        let alone = At { xid: None, committed: Some(Lsn::new(9)), ..at() };
        let (_, value) = told((json(false), json(false)), Binary::Bytes, alone, b"").unwrap();
        assert!(
            value.contains(r#""sequence":"[\"9\",\"9\"]""#) && value.contains(r#""txId":null"#),
            "{value}"
        );
    }

    #[test]
    fn the_content_is_in_the_notation_that_bytea_has() {
        for (binary, text) in
            [(Binary::Base64, "/+8="), (Binary::Base64UrlSafe, "_-8="), (Binary::Hex, "ffef")]
        {
            let (_, value) = told((json(true), json(true)), binary, at(), b"\xff\xef").unwrap();
            assert!(value.contains(r#"{"type":"string","optional":true,"field":"content"}]"#), "{value}");
            assert!(value.ends_with(&format!(r#""content":"{text}"}}}}}}"#)), "{value}");
        }
    }

    #[test]
    fn schemas_are_debeziums() {
        let (key, value) = told((json(true), json(true)), Binary::Bytes, at(), b"x").unwrap();
        let schema = r#"{"schema":{"type":"struct","fields":[{"type":"string","optional":true,"field":"prefix"}],"optional":false,"name":"io.debezium.connector.postgresql.MessageKey","version":1},"payload":{"prefix":"my-prefix"}}"#;
        assert_eq!(key, schema);
        let parsed: serde_json::Value = serde_json::from_str(&value).unwrap();
        let fields = parsed["schema"]["fields"].as_array().unwrap();
        let names: Vec<_> = fields.iter().map(|field| field["field"].as_str().unwrap()).collect();
        assert_eq!(names, ["op", "ts_ms", "source", "transaction", "message"]);
        let end = r#"{"type":"struct","fields":[{"type":"string","optional":true,"field":"prefix"},{"type":"bytes","optional":true,"field":"content"}],"optional":false,"name":"io.debezium.connector.postgresql.Message","version":1,"field":"message"}],"optional":false,"name":"io.debezium.connector.postgresql.MessageValue","version":1},"payload":{"op":"m","#;
        assert!(value.contains(end), "{value}");
    }

    #[test]
    fn strings_are_javas_and_what_does_not_fit_leaves_nothing() {
        let strings = (Converter::String, Converter::String);
        let (key, value) = told(strings, Binary::Bytes, at(), b"abc").unwrap();
        assert_eq!(key, "Struct{prefix=my-prefix}");
        let end = "message=Struct{prefix=my-prefix,content=java.nio.HeapByteBuffer[pos=0 lim=3 cap=3]}}";
        assert!(value.starts_with("Struct{op=m,ts_ms=7,source=Struct{version=") && value.ends_with(end));
        // That it is no snapshot's is the default of a schema, and not set.
        assert!(value.contains(",ts_ms=1234,db=db,"), "{value}");
        let without_defaults = Converter::Json {
            schemas: false,
            decimal: DecimalFormat::Base64,
            replace_null_with_default: false,
        };
        let (_, value) = told((json(false), without_defaults), Binary::Bytes, at(), b"").unwrap();
        assert!(value.contains(r#""ts_ms":1234,"snapshot":null,"db":"db""#), "{value}");
        let bytes = (json(false), Converter::Bytes);
        let refused = told(bytes, Binary::Bytes, at(), b"abc").unwrap_err();
        assert!(refused.contains("the value of a change event is a STRUCT"), "{refused}");
        for size in [3_000, 5_000] {
            let refused = told((json(false), json(false)), Binary::Hex, at(), &vec![b'x'; size]).unwrap_err();
            assert!(refused.contains("max.request.size is 4096"), "{refused}");
        }
    }
}
