//! What the configuration makes of columns.

use super::super::testing::{columns, config};
use super::*;

const JSON: &str = "value.converter=org.apache.kafka.connect.json.JsonConverter";
const PLACEMENT: &str = "transforms.outbox.table.fields.additional.placement";

#[test]
fn headers_are_the_id_and_what_is_placed_there_by_their_columns_types() {
    let (config, columns) = (
        config(&format!(
            "{PLACEMENT}=type:header:eventType,tenant:header,seq:header:n,seq:envelope\n\
             transforms.outbox.tracing.span.context.field=trace\nextended.headers.enabled=true"
        )),
        columns(),
    );
    let wire = Wire { config: &config, columns: &columns };
    let (headers, always) = wire.headers();
    assert_eq!(always, ["id", "eventType", "tenant", "n"]);
    assert_eq!(headers["id"], json!({"type": "string", "format": "uuid"}));
    assert_eq!(headers["tenant"], json!({"type": ["string", "null"]}), "NULL is a header without a value");
    assert_eq!(headers["n"], json!({"type": "integer"}));
    let more: Vec<&String> = headers.keys().filter(|name| !always.contains(name)).collect();
    let context = ["connectorLogicalName", "taskId", "connectorName", "runId"];
    let context = context.map(|name| format!("__debezium.context.{name}"));
    assert_eq!(more[..3], ["traceparent", "tracestate", "baggage"]);
    assert_eq!(more[3..], context.iter().collect::<Vec<_>>());
    assert_eq!(wire.event_type().map(|placement| placement.alias.as_str()), Some("eventType"));
}

#[test]
fn a_key_is_as_its_converter_writes_its_column() {
    let (text, numbers) = (columns(), columns());
    let key = |lines: &str, columns: &Columns| Wire { config: &config(lines), columns }.key();
    assert_eq!(key("", &text), json!({"type": "string"}));
    let by_seq = "transforms.outbox.table.field.event.key=seq";
    assert_eq!(key(by_seq, &numbers), json!({"type": "string"}), "the number's text");
    let json = format!("{by_seq}\nkey.converter=org.apache.kafka.connect.json.JsonConverter");
    assert_eq!(key(&json, &numbers)["properties"]["payload"], json!({"type": "integer"}));
    let plain = format!("{json}\nkey.converter.schemas.enable=false");
    assert_eq!(key(&plain, &numbers), json!({"type": "integer"}));
    let long = format!("{by_seq}\nkey.converter=org.apache.kafka.connect.converters.LongConverter");
    assert_eq!(key(&long, &numbers)["description"], "bytes: 8, big endian");
}

#[test]
fn a_value_is_the_payload_or_an_envelope_around_it() {
    let columns = columns();
    let value = |lines: &str| Wire { config: &config(lines), columns: &columns }.value();
    assert_eq!(value(""), ("application/json", json!({})), "jsonb by StringConverter is any JSON");
    let plain = format!("{JSON}\nvalue.converter.schemas.enable=false");
    let text = json!({"type": ["string", "null"], "contentMediaType": "application/json"});
    assert_eq!(value(&plain), ("application/json", text.clone()), "a text within JSON");
    let expanded = format!("{plain}\ntransforms.outbox.table.expand.json.payload=true");
    assert_eq!(value(&expanded), ("application/json", json!({})));
    let (media, envelope) = value(&format!("{plain}\n{PLACEMENT}=type:envelope:kind,seq:envelope"));
    assert_eq!((media, &envelope["required"]), ("application/json", &json!(["payload", "kind", "seq"])));
    assert_eq!(envelope["properties"]["seq"], json!({"type": "integer"}));
    let (_, both) = value(&format!("{JSON}\n{PLACEMENT}=type:envelope:kind"));
    assert_eq!(both["required"], json!(["schema", "payload"]));
    assert_eq!(both["properties"]["payload"]["properties"]["payload"], text, "{both}");
    let bytes = "value.converter=org.apache.kafka.connect.converters.ByteArrayConverter";
    assert_eq!(value(bytes).0, "application/octet-stream");
}

#[test]
fn framed_values_are_found_by_their_strategy() {
    let (columns, avro) = (columns(), "value.converter=io.confluent.connect.avro.AvroConverter");
    let url = "value.converter.schema.registry.url=http://127.0.0.1:8081";
    let form = |lines: &str| Wire { config: &config(lines), columns: &columns }.value_form();
    let framed = |strategy, in_header| Form::Framed(Framed { strategy, in_header });
    assert_eq!(form(&format!("{avro}\n{url}")), framed(Strategy::Topic, false));
    let record = "value.converter.value.subject.name.strategy=io.confluent.kafka.serializers.subject.RecordNameStrategy";
    assert_eq!(form(&format!("{avro}\n{url}\n{record}")), framed(Strategy::Record, false));
    let verified = format!(
        "value.converter=io.debezium.converters.BinaryDataConverter\n{url}\nwalpost.value.verify=subject"
    );
    assert_eq!(form(&verified), framed(Strategy::Topic, false));
}
