//! What is encoded, read by somebody else; and what is refused.

use super::*;
use crate::encode::framed::UnknownFields;
use crate::encode::framed::filler::{Filler, Known};
use crate::registry::Referenced;
use prost_reflect::prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};

const ORDER: &str = r#"
syntax = "proto3";
package acme;
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/field_mask.proto";
import "confluent/meta.proto";
message Order {
  enum State { UNKNOWN = 0; PLACED = 1; GONE = -1; }
  message Line { string sku = 1; int32 count = 2; Line part = 3; }
  int64 order_id = 16 [(confluent.field_meta).doc = "its number"];
  string customer = 2;
  optional string note = 3;
  State state = 4;
  repeated Line lines = 5;
  repeated sint32 deltas = 6;
  map<string, int64> counts = 7;
  map<int32, Line> by_number = 8;
  bytes picture = 9;
  double weight = 10;
  float height = 11;
  bool paid = 12;
  google.protobuf.Timestamp at = 13;
  google.protobuf.Duration within = 14;
  google.protobuf.StringValue nick = 15;
  google.protobuf.Struct more = 17;
  google.protobuf.Value anything = 18;
  google.protobuf.ListValue some = 19;
  google.protobuf.FieldMask mask = 20;
  oneof way { string post = 21; uint64 parcel = 22; google.protobuf.NullValue none = 23; }
  fixed32 f32 = 24; fixed64 f64 = 25; sfixed32 s32 = 26; sfixed64 s64 = 27; sint64 z64 = 28; uint32 u32 = 29;
  repeated State states = 30;
  repeated string names = 31;
  repeated google.protobuf.Value values = 32;
}
message Shipped { message Box { int32 n = 1; } message Bag { int32 n = 1; } int32 n = 1; }
"#;

fn plan(text: &str, name: &str) -> Plan {
    Plan::new(text, &[], name).unwrap()
}

fn encode(plan: &Plan, unknown: UnknownFields, text: &str) -> Result<Vec<u8>, String> {
    let (mut filler, mut known) = (Filler::new(), Known::default());
    let mut written = Vec::new();
    // The second time the order of members is known; the third it is not tried straight.
    for time in 0..3 {
        let mut out = Vec::new();
        let result = match time {
            0 | 1 => write(plan, &mut filler, &mut known, unknown, text, &mut out),
            _ => fill::node_by_node(plan, &mut filler, &mut known.orders, unknown, text, &mut out),
        };
        written.push(result.map(|()| out).map_err(|wrong| wrong.detail()));
    }
    assert_eq!((&written[0], &written[1]), (&written[2], &written[2]));
    written.remove(0)
}

fn wrong(text: &str) -> String {
    encode(&plan(ORDER, "Order"), UnknownFields::Refuse, text).unwrap_err()
}

/// Reads JSON as the mapping has it.
fn theirs(message: MessageDescriptor, text: &str) -> DynamicMessage {
    let mut json = serde_json::Deserializer::from_str(text);
    let read = DynamicMessage::deserialize(message.clone(), &mut json).unwrap();
    // Zeros that were said are none that are kept.
    DynamicMessage::decode(message, &read.encode_to_vec()[..]).unwrap()
}

#[test]
fn what_is_written_is_what_others_read_from_the_same_json() {
    let (message, _) = compile::message(ORDER, &[], "Order").unwrap();
    let plan = plan(ORDER, "Order");
    let long =
        format!(r#"{{"lines":[{{"sku":"{}","part":{{"sku":"{}"}}}}]}}"#, "a".repeat(200), "b".repeat(20_000));
    for text in [
        "{}",
        r#"{"orderId":"9007199254740993","customer":"Zürich \"\u00e9\"","note":"","state":"PLACED"}"#,
        r#"{"order_id":-5,"customer":"","note":null,"state":1,"paid":true}"#,
        r#"{"state":"GONE","states":["UNKNOWN","PLACED",-1],"names":["","a"],"deltas":[0,-1,1,-2147483648]}"#,
        r#"{"lines":[{"sku":"a","count":1.0},{},{"count":-1,"part":{"part":{"sku":"deep"}}}]}"#,
        r#"{"counts":{"a":1,"":0,"b":"-9223372036854775808"},"byNumber":{"-1":{},"7":{"sku":"x"}}}"#,
        r#"{"picture":"AP+A","weight":-0.5,"height":1.5}"#,
        r#"{"picture":"-_8","weight":"Infinity","height":"1.5e3"}"#,
        r#"{"weight":1e300,"height":3}"#,
        r#"{"at":"2024-02-29T13:51:30.000000123+02:00","within":"-1.5s","nick":"","mask":"a.b,fooBar"}"#,
        r#"{"at":"0001-01-01T00:00:00Z","within":"0s","nick":null}"#,
        r#"{"at":"9999-12-31T23:59:59.999Z","within":"3.000000001s"}"#,
        r#"{"more":{"a":null,"b":[1,"x",{"c":true}],"":1.5},"anything":null,"some":[null,false]}"#,
        r#"{"anything":{"a":[]},"values":[null,1,"a"]}"#,
        r#"{"post":"x"}"#,
        r#"{"post":null,"parcel":"18446744073709551615"}"#,
        r#"{"parcel":18446744073709551615}"#,
        r#"{"none":null}"#,
        r#"{"f32":4294967295,"f64":1,"s32":-1,"s64":-1,"z64":-9223372036854775808,"u32":4294967295}"#,
        r#"{"f32":0,"deltas":[],"counts":{},"lines":[]}"#,
        &long,
    ] {
        let written = encode(&plan, UnknownFields::Refuse, text).unwrap();
        let read = DynamicMessage::decode(message.clone(), &written[..]).unwrap();
        assert_eq!(read, theirs(message.clone(), text), "{text}");
    }
}

#[test]
fn fields_come_in_the_order_of_their_numbers_and_zeros_are_not_written() {
    let plan = plan(ORDER, "Order");
    let text = r#"{"orderId":1,"customer":"a","note":"","paid":false,"weight":0}"#;
    let written = encode(&plan, UnknownFields::Refuse, text).unwrap();
    assert_eq!(written, [2 << 3 | 2, 1, b'a', 3 << 3 | 2, 0, 0x80, 1, 1]);
}

#[test]
fn what_does_not_fit_is_told_by_its_path_and_without_its_value() {
    for (text, expected) in [
        (r#"{"hush":1}"#, "$.hush is not in the schema"),
        (r#"{"lines":[{},{"count":"hush"}]}"#, "$.lines[1].count is text, not int32"),
        (r#"{"lines":[{"count":1.5}]}"#, "$.lines[0].count is a number, but no int32"),
        (r#"{"lines":[{"count":2147483648}]}"#, "$.lines[0].count is a number beyond int32"),
        (r#"{"lines":[null]}"#, "$.lines[0] is null, and may not be"),
        (r#"{"lines":{}}"#, "$.lines is an object, not an array"),
        (r#"{"counts":{"hush":true}}"#, "$.counts{} is a boolean, not int64"),
        (r#"{"byNumber":{"hush":{}}}"#, "$.byNumber{} has a key that is no int32"),
        (r#"{"state":"HUSH"}"#, "$.state is none of the enum's values"),
        (r#"{"orderId":1,"order_id":2}"#, "$.order_id is there under both its names"),
        (r#"{"post":"a","parcel":1}"#, "$.parcel is there beside another field of its oneof"),
        (r#"{"at":"hush"}"#, "$.at is no moment (RFC 3339)"),
        (r#"{"at":5}"#, "$.at is a number, not a moment (RFC 3339)"),
        (r#"{"within":"hush"}"#, "$.within is no duration (1.5s)"),
        (r#"{"picture":"hush!"}"#, "$.picture is not base64, which bytes are in JSON"),
        (r#"{"height":1e39}"#, "$.height is a number too large for a float"),
        (r#"{"customer":7}"#, "$.customer is a number, not a string"),
        ("[]", "$ is an array, not a message"),
        ("hush", "$ is not JSON"),
    ] {
        assert_eq!(wrong(text), expected);
    }
    let deep = format!("{}{}", r#"{"part":"#.repeat(120), "}".repeat(120));
    let deep = format!(r#"{{"lines":[{}]}}"#, deep.replace(":}", ":{}}"));
    assert!(wrong(&deep).ends_with("is nested deeper than readers of Protobuf go"));
}

#[test]
fn unknown_members_are_dropped_where_that_is_asked_for() {
    let plan = plan(ORDER, "Order");
    let written = encode(&plan, UnknownFields::Drop, r#"{"more_of_it":{"a":1},"customer":"a"}"#).unwrap();
    assert_eq!(written, [2 << 3 | 2, 1, b'a']);
}

#[test]
fn the_message_is_the_one_that_is_named_and_its_place_stands_after_the_id() {
    for (name, indexes) in [
        ("acme.Order", &[0][..]),
        ("Shipped", &[2, 2]),
        ("acme.Shipped.Box", &[4, 2, 0]),
        ("Shipped.Bag", &[4, 2, 2]),
        ("Order.Line", &[4, 0, 0]),
    ] {
        let plan = plan(ORDER, name);
        assert_eq!((plan.indexes.as_slice(), plan.name.ends_with(name)), (indexes, true), "{name}");
    }
    let error = Plan::new(ORDER, &[], "Nobody").unwrap_err();
    assert!(error.contains("several messages") && error.contains("Nobody"), "{error}");
    assert_eq!(plan("syntax = \"proto3\"; message Only { int32 n = 1; }", "whoever").name, "Only");
    assert!(Plan::new("syntax = \"proto3\";", &[], "").unwrap_err().contains("no message"));
}

#[test]
fn imports_are_the_references_of_the_registry() {
    let text = r#"syntax = "proto3"; import "acme/money.proto"; message Bill { acme.Money total = 1; }"#;
    let money =
        r#"syntax = "proto3"; package acme; import "acme/unit.proto"; message Money { Unit unit = 1; }"#;
    let unit = r#"syntax = "proto3"; package acme; enum Unit { NONE = 0; CHF = 1; }"#;
    let of = |name: &str, schema: &str| Referenced { name: name.to_owned(), schema: schema.to_owned() };
    let all = [of("acme/unit.proto", unit), of("acme/money.proto", money)];
    let plan = Plan::new(text, &all, "Bill").unwrap();
    let written = encode(&plan, UnknownFields::Refuse, r#"{"total":{"unit":"CHF"}}"#).unwrap();
    assert_eq!(written, [1 << 3 | 2, 2, 1 << 3, 1]);
    // What is imported is no message of the file.
    assert_eq!(Plan::new(text, &all, "acme.Money").unwrap().name, "Bill");
    let error = Plan::new(text, &all[1..], "Bill").unwrap_err();
    assert!(error.contains("acme/unit.proto"), "{error}");
}

#[test]
fn what_proto2_requires_must_be_there_and_groups_are_refused() {
    let text = r#"syntax = "proto2"; message Old { required int32 n = 1; optional int32 m = 2 [default = 5];
        repeated int32 many = 3; }"#;
    let plan = plan(text, "Old");
    let of = |text| encode(&plan, UnknownFields::Refuse, text);
    assert_eq!(of("{}").unwrap_err(), "$.n is missing, and the schema requires it");
    assert_eq!(of(r#"{"n":0,"many":[1,2]}"#).unwrap(), [8, 0, 24, 1, 24, 2]);
    let group = r#"syntax = "proto2"; message Old { optional group Inner = 1 { optional int32 n = 1; } }"#;
    assert!(Plan::new(group, &[], "Old").unwrap_err().contains("group"));
}
