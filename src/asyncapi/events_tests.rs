//! CloudEvents in the document, by the configuration alone.

use super::super::columns::Columns;
use super::super::message::configured;
use super::super::testing::{columns, config};
use super::super::wire::Framed;
use super::*;
use crate::registry::Strategy;

const PLACEMENT: &str = "transforms.outbox.table.fields.additional.placement";

fn outbox() -> Columns {
    let mut columns = columns();
    let mut add = |name: &str, kind, optional| {
        columns.0.insert(name.to_owned(), Column { kind: Some(kind), optional });
    };
    add("at", Kind::ZonedTimestamp { digits: 6 }, false);
    add("later", Kind::ZonedTimestamp { digits: 6 }, true);
    columns
}

fn message(lines: &str) -> Value {
    let (config, columns) = (config(lines), outbox());
    configured(Wire { config: &config, columns: &columns }, "orders", &[])["orders"].clone()
}

#[test]
fn attributes_are_headers_and_required_where_the_encoder_always_writes_them() {
    let lines = format!(
        "walpost.cloudevents.mode=binary\nwalpost.cloudevents.time=at\nwalpost.cloudevents.sequence=seq\n\
         walpost.cloudevents.source=/shop\nwalpost.cloudevents.dataschema=https://a/${{type}}\n\
         transforms.outbox.tracing.span.context.field=trace\n{PLACEMENT}=tenant:ce,later:ce:seen,type:ce:kind"
    );
    let headers = message(&lines)["headers"].take();
    assert_eq!(
        headers["required"],
        json!([
            "id",
            "content-type",
            "ce_specversion",
            "ce_source",
            "ce_id",
            "ce_type",
            "ce_time",
            "ce_sequence",
            "ce_dataschema"
        ])
    );
    let of = |name: &str| &headers["properties"][name];
    assert_eq!(of("content-type"), &json!({"const": "application/json"}));
    assert_eq!(of("ce_specversion"), &json!({"const": "1.0"}));
    assert_eq!(of("ce_source"), &json!({"const": "/shop"}));
    assert_eq!(of("ce_id"), &json!({"type": "string", "format": "uuid"}));
    assert_eq!(of("ce_type"), &json!({"type": "string"}));
    // An empty text is no attribute.
    assert_eq!(of("ce_subject"), &json!({"type": "string"}));
    assert_eq!(of("ce_time"), &json!({"type": "string", "format": "date-time"}));
    assert_eq!(of("ce_seen"), &json!({"type": "string", "format": "date-time"}));
    assert_eq!(of("ce_sequence"), &json!({"type": "string", "pattern": "^[0-9]{19}$"}));
    assert_eq!(of("ce_dataschema"), &json!({"type": "string", "format": "uri"}));
    for name in ["ce_tenant", "ce_kind", "ce_traceparent", "ce_tracestate"] {
        assert_eq!(of(name)["type"], "string", "{name}");
    }
    assert_eq!(headers["properties"].as_object().unwrap().len(), 4 + 14 + 4, "{headers:#}");
    // Where some table may lack the column.
    let lines = format!(
        "walpost.cloudevents.mode=binary\ntransforms.outbox.table.field.additional.missing=ignore\n{PLACEMENT}=seq:ce"
    );
    let headers = message(&lines)["headers"].take();
    assert_eq!(headers["properties"]["ce_seq"], json!({"type": "string"}));
    assert_eq!(headers["properties"]["ce_source"], json!({"type": "string", "format": "uri-reference"}));
    assert!(!headers["required"].to_string().contains("ce_seq"));
    let named = message("walpost.cloudevents.mode=binary\nwalpost.cloudevents.datacontenttype=text/csv");
    assert_eq!(named["contentType"], "text/csv");
    assert_eq!(named["headers"]["properties"]["content-type"], json!({"const": "text/csv"}));
    assert!(message("")["headers"]["properties"].get("ce_id").is_none());
}

#[test]
fn a_structured_event_is_an_object_of_attributes_and_data() {
    let message = message("walpost.cloudevents.mode=structured\nwalpost.cloudevents.time=later");
    assert_eq!(message["contentType"], "application/cloudevents+json");
    let headers = &message["headers"];
    assert_eq!(headers["required"], json!(["id", "content-type"]));
    let structured = json!({"const": "application/cloudevents+json; charset=UTF-8"});
    assert_eq!(headers["properties"]["content-type"], structured);
    let payload = &message["payload"];
    // The payload may be NULL, which is no data.
    assert_eq!(payload["required"], json!(["specversion", "source", "id", "type"]));
    let names: Vec<&String> = payload["properties"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["specversion", "source", "id", "type", "subject", "time", "datacontenttype", "data"]);
    assert_eq!(payload["properties"]["data"], json!({}), "any JSON");
}

#[test]
fn what_a_sample_shows_of_the_data_is_in_the_envelope() {
    use super::super::message::{known, sampled};
    use super::super::sample::{Seen, Types};
    use super::super::shape::{Room, Shape};
    let (config, columns) = (config("walpost.cloudevents.mode=structured"), outbox());
    let wire = Wire { config: &config, columns: &columns };
    let event =
        json!({"specversion": "1.0", "id": "x", "source": "/s", "type": "Placed", "data": {"total": 1}});
    let value = Shape::of(&event, &mut Room(99));
    let types = Types::from([("Placed".to_owned(), Seen { is_sampled: true, value, ..Seen::default() })]);
    let messages = sampled(wire, "orders", types, None, None).unwrap();
    let placed = &messages["Placed"];
    assert_eq!(placed["payload"]["properties"]["data"]["properties"]["total"], json!({"type": "integer"}));
    assert_eq!(placed["payload"]["properties"]["specversion"], json!({"const": "1.0"}));
    // Read back, it is the same.
    let file = json!({ "messages": { "Placed": placed } });
    let mut again = known("orders", Some(&file));
    again.get_mut("Placed").unwrap().is_sampled = true;
    assert_eq!(sampled(wire, "orders", again, None, Some(&file)).unwrap()["Placed"], *placed);
}

#[test]
fn an_events_type_is_its_attribute_without_what_stands_before_it() {
    for (mode, headers, value) in [
        ("binary", json!({"ce_type": "acme.Placed"}), json!({"type": "other"})),
        ("structured", json!({}), json!({"type": "acme.Placed"})),
    ] {
        let config =
            config(&format!("walpost.cloudevents.mode={mode}\nwalpost.cloudevents.type.prefix=acme."));
        let (columns, headers) = (outbox(), headers.as_object().unwrap().clone());
        let wire = Wire { config: &config, columns: &columns };
        assert_eq!(wire.attribute_type(&headers, Some(&value)), Some("Placed"));
    }
}

#[test]
fn data_in_avro_is_base64_and_only_an_event_in_avro_is_framed() {
    let debezium = format!(
        "transforms=meta,outbox\ntransforms.meta.type=org.apache.kafka.connect.transforms.HeaderFrom$Value\n\
         transforms.meta.fields=source,op\ntransforms.meta.headers=source,op\ntransforms.meta.operation=copy\n\
         value.converter=io.debezium.converters.CloudEventsConverter\nvalue.converter.metadata.source=header\n\
         value.converter.extension.attributes.enable=false\n{PLACEMENT}=type:header\n\
         transforms.outbox.table.expand.json.payload=true"
    );
    let avro =
        "\nvalue.converter.data.serializer.type=avro\nvalue.converter.avro.schema.registry.url=http://r";
    let plain = message(&debezium);
    assert_eq!(
        plain["payload"]["required"],
        json!(["specversion", "source", "id", "type", "time", "datacontenttype", "data"])
    );
    assert_eq!(plain["headers"]["required"], json!(["id", "type"]));
    let data = message(&format!("{debezium}{avro}"));
    assert!(data["payload"]["required"].to_string().contains(r#""dataschema","datacontenttype","data""#));
    let base64 =
        json!({"type": "string", "contentEncoding": "base64", "contentMediaType": "application/avro"});
    assert_eq!(data["payload"]["properties"]["data"], base64);
    assert!(data["bindings"]["kafka"].get("schemaIdLocation").is_none(), "{data:#}");
    let both = message(&format!("{debezium}{avro}\nvalue.converter.serializer.type=avro"));
    assert_eq!(both["bindings"]["kafka"]["schemaIdLocation"], "payload");
    let structured = message(
        "walpost.cloudevents.mode=structured\nvalue.converter=io.confluent.connect.avro.AvroConverter\n\
         value.converter.schema.registry.url=http://r",
    );
    assert_eq!(structured["payload"]["properties"]["data_base64"], base64);
    let (config, columns) = (config(&format!("{debezium}{avro}")), outbox());
    let framed = Form::Framed(Framed { strategy: Strategy::Topic, in_header: false });
    assert_eq!(Wire { config: &config, columns: &columns }.data_form(), framed);
}
