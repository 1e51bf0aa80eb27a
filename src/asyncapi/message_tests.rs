//! Messages out of what is known: the configuration, schemas, a sample, a file.

use super::super::testing::{columns, config};
use super::*;
use crate::registry::{Registered, SchemaType};

const HEADER: &str = "transforms.outbox.table.fields.additional.placement=type:header:eventType";

fn seen(value: Value, headers: Value) -> Seen {
    let mut room = Room(100);
    let mut shape = |value: Value| Shape::of(&value, &mut room);
    let (value, headers, key) = (shape(value), shape(headers), shape(json!("17")));
    Seen { is_sampled: true, value, headers, key, ..Seen::default() }
}

#[test]
fn names_are_such_as_references_can_have_and_no_two_are_the_same() {
    let mut messages = Messages::new();
    for name in ["com.acme/Order Placed", "com.acme/Order.Placed", "com.acme Order Placed", "a_b"] {
        put(&mut messages, name, json!({ "name": name }));
    }
    let keys: Vec<&str> = messages.keys().map(String::as_str).collect();
    assert_eq!(keys, ["a_b", "com.acme_Order.Placed", "com.acme_Order_Placed", "com.acme_Order_Placed-2"]);
}

#[test]
fn what_a_sample_shows_stands_beside_what_the_configuration_says() {
    let (config, columns) = (config(HEADER), columns());
    let wire = Wire { config: &config, columns: &columns };
    let mut types = Types::new();
    let headers = json!({"id": "x", "eventType": "Placed", "ce_source": "shop", "attempt": null});
    types.insert("Placed".to_owned(), seen(json!({"total": 1}), headers));
    let messages = sampled(wire, "orders", types, None, None).expect("messages");
    let placed = &messages["Placed"];
    assert_eq!(placed["headers"]["required"], json!(["id", "eventType", "attempt", "ce_source"]));
    assert_eq!(
        placed["headers"]["properties"]["id"]["format"], "uuid",
        "the column's type, whatever was seen"
    );
    assert_eq!(placed["headers"]["properties"]["attempt"], json!({"type": "null"}));
    assert_eq!(placed["payload"]["properties"]["total"], json!({"type": "integer"}));
    assert_eq!(placed["contentType"], "application/json");
    assert!(!placed.to_string().contains("shop"), "no value: {placed:#}");
}

#[test]
fn what_was_not_seen_this_time_is_as_the_file_has_it_and_what_was_seen_only_widens_it() {
    let (config, columns) = (config(HEADER), columns());
    let wire = Wire { config: &config, columns: &columns };
    let headers = || json!({"id": "x", "eventType": "y"});
    let first = Types::from([
        ("Placed".to_owned(), seen(json!({"total": 1, "note": "a"}), headers())),
        ("Shipped".to_owned(), seen(json!({"to": "Bern"}), headers())),
        (String::new(), seen(json!([1]), headers())),
    ]);
    let file = json!({ "messages": sampled(wire, "orders", first, None, None).expect("messages") });
    assert_eq!(file["messages"]["orders"]["payload"]["type"], "array", "without a type: by the topic's name");
    let mut again = known("orders", Some(&file));
    again.get_mut("Placed").expect("known").absorb(seen(json!({"total": 2}), headers()), &mut Room(9));
    let messages = json!(sampled(wire, "orders", again, None, Some(&file)).expect("messages"));
    assert_eq!(messages["Shipped"], file["messages"]["Shipped"]);
    assert_eq!(messages["orders"], file["messages"]["orders"]);
    let placed = &messages["Placed"]["payload"];
    assert_eq!(placed["required"], json!(["total"]), "not every event has a note");
    assert_eq!(placed["properties"], file["messages"]["Placed"]["payload"]["properties"]);
}

#[test]
fn a_registered_schema_is_the_payload_and_says_how_it_is_found() {
    let config = config(
        "value.converter=io.confluent.connect.avro.AvroConverter\n\
         value.converter.schema.registry.url=http://127.0.0.1:8081",
    );
    let columns = columns();
    let wire = Wire { config: &config, columns: &columns };
    let schema = r#"{"type":"record","name":"Placed","namespace":"acme","fields":[]}"#.to_owned();
    let registered =
        Registered { id: 7, guid: None, schema_type: SchemaType::Avro, schema, references: Vec::new() };
    let found = Found { name: "acme.Placed".into(), subject: Some("orders-value".into()), registered };
    let messages = configured(wire, "orders", &[found]);
    let message = &messages["acme.Placed"];
    assert_eq!(message["payload"]["schema"]["name"], "Placed");
    assert_eq!(message["x-walpost-subject"], "orders-value");
    let kafka = &message["bindings"]["kafka"];
    assert_eq!(kafka["schemaLookupStrategy"], "TopicNameStrategy");
    assert_eq!(
        (&kafka["schemaIdLocation"], &kafka["schemaIdPayloadEncoding"]),
        (&json!("payload"), &json!("confluent"))
    );
    assert!(!message.to_string().contains('7'), "an id is another one in another registry: {message:#}");
    // Of a record that is not in the next sample, the file's is kept.
    let file = json!({ "messages": { "acme.Placed": message } });
    let again = sampled(wire, "orders", known("orders", Some(&file)), None, Some(&file)).expect("messages");
    assert_eq!(again["acme.Placed"], *message);
    let nothing = &configured(wire, "orders", &[])["orders"];
    assert!(nothing.get("payload").is_none(), "not registered yet: {nothing:#}");
}
