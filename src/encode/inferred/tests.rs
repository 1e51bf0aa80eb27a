//! Schemas, and what Confluent's own classes make of them: `JsonSchemaData` and `ProtobufData` of schema-registry 8.5 (with
//! everit-json-schema 1.14.6 and Java 25), called with what JsonConverter reads of the first text of each case.

use super::*;

struct Case {
    connect: &'static str,
    json: &'static str,
    protobuf: &'static str,
}

const A_TEXT: Case = Case {
    connect: r#"{"type":"string","optional":true}"#,
    json: r#"{"oneOf":[{"type":"null"},{"type":"string"}]}"#,
    protobuf: WRAPPERS,
};

const A_UUID: Case = Case {
    connect: r#"{"type":"string","optional":false,"name":"io.debezium.data.Uuid","version":1}"#,
    json: r#"{"type":"string","title":"io.debezium.data.Uuid","connect.version":1}"#,
    protobuf: WRAPPERS,
};

const A_SMALLINT: Case = Case {
    connect: r#"{"type":"int16","optional":true,"default":3}"#,
    json: r#"{"oneOf":[{"type":"null"},{"type":"integer","default":3,"connect.type":"int16"}]}"#,
    protobuf: WRAPPERS,
};

const COLUMNS: Case = Case {
    connect: r#"{"type":"struct","fields":[{"type":"bytes","optional":false,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"10"},"default":"EtaA","field":"price"},{"type":"boolean","optional":true,"field":"flag"},{"type":"boolean","optional":false,"default":true,"field":"on"},{"type":"double","optional":false,"default":1.0,"field":"d1"},{"type":"double","optional":true,"default":1.0E21,"field":"d2"},{"type":"double","optional":true,"default":1.5E-7,"field":"d3"},{"type":"float","optional":true,"default":0.1,"field":"f"},{"type":"struct","fields":[{"type":"int32","optional":false,"field":"scale"},{"type":"bytes","optional":false,"field":"value"}],"optional":true,"name":"io.debezium.data.VariableScaleDecimal","version":1,"doc":"Variable scaled decimal","field":"free"},{"type":"struct","fields":[{"type":"double","optional":false,"field":"x"},{"type":"double","optional":false,"field":"y"},{"type":"bytes","optional":true,"field":"wkb"},{"type":"int32","optional":true,"field":"srid"}],"optional":false,"name":"io.debezium.data.geometry.Point","version":1,"doc":"Geometry (POINT)","field":"p"},{"type":"array","items":{"type":"string","optional":true,"name":"io.debezium.data.Uuid","version":1},"optional":false,"field":"ids"},{"type":"bytes","optional":true,"name":"io.debezium.data.Bits","version":1,"parameters":{"length":"5"},"field":"bits"},{"type":"string","optional":true,"name":"io.debezium.data.Json","version":1,"default":"{\"a\":1}","field":"j"},{"type":"int64","optional":false,"name":"io.debezium.time.MicroTimestamp","version":1,"default":0,"field":"ts"},{"type":"float","optional":true,"default":1.0E10,"field":"f2"}],"optional":false,"name":"a.b.Value"}"#,
    json: r#"{"type":"object","title":"a.b.Value","properties":{"flag":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"boolean"}]},"f":{"connect.index":6,"oneOf":[{"type":"null"},{"type":"number","default":0.1,"connect.type":"float32"}]},"bits":{"connect.index":10,"oneOf":[{"type":"null"},{"type":"string","title":"io.debezium.data.Bits","connect.version":1,"connect.type":"bytes","connect.parameters":{"length":"5"}}]},"j":{"connect.index":11,"oneOf":[{"type":"null"},{"type":"string","title":"io.debezium.data.Json","default":"{\"a\":1}","connect.version":1}]},"f2":{"connect.index":13,"oneOf":[{"type":"null"},{"type":"number","default":1.0E+10,"connect.type":"float32"}]},"d1":{"type":"number","default":1,"connect.index":3,"connect.type":"float64"},"d2":{"connect.index":4,"oneOf":[{"type":"null"},{"type":"number","default":1.0E+21,"connect.type":"float64"}]},"d3":{"connect.index":5,"oneOf":[{"type":"null"},{"type":"number","default":1.5E-7,"connect.type":"float64"}]},"p":{"type":"object","title":"io.debezium.data.geometry.Point","description":"Geometry (POINT)","connect.index":8,"connect.version":1,"properties":{"x":{"type":"number","connect.index":0,"connect.type":"float64"},"y":{"type":"number","connect.index":1,"connect.type":"float64"},"wkb":{"connect.index":2,"oneOf":[{"type":"null"},{"type":"string","connect.type":"bytes"}]},"srid":{"connect.index":3,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int32"}]}}},"price":{"type":"string","title":"org.apache.kafka.connect.data.Decimal","default":"EtaA","connect.index":0,"connect.version":1,"connect.type":"bytes","connect.parameters":{"scale":"2","connect.decimal.precision":"10"}},"ids":{"type":"array","connect.index":9,"items":{"oneOf":[{"type":"null"},{"type":"string","title":"io.debezium.data.Uuid","connect.version":1}]}},"free":{"connect.index":7,"oneOf":[{"type":"null"},{"type":"object","title":"io.debezium.data.VariableScaleDecimal","description":"Variable scaled decimal","connect.version":1,"properties":{"scale":{"type":"integer","connect.index":0,"connect.type":"int32"},"value":{"type":"string","connect.index":1,"connect.type":"bytes"}}}]},"on":{"default":true,"connect.index":2,"type":"boolean"},"ts":{"type":"integer","title":"io.debezium.time.MicroTimestamp","default":0,"connect.index":12,"connect.version":1,"connect.type":"int64"}}}"#,
    protobuf: r#"syntax = "proto3";
package a.b;

import "confluent/type/decimal.proto";

message Value {
  confluent.type.Decimal price = 1 [(confluent.field_meta) = {
    params: [
      {
        value: "10",
        key: "precision"
      },
      {
        value: "2",
        key: "scale"
      }
    ]
  }];
  bool flag = 2;
  bool on = 3;
  double d1 = 4;
  double d2 = 5;
  double d3 = 6;
  float f = 7;
  VariableScaleDecimal free = 8;
  Point p = 9;
  repeated string ids = 10;
  bytes bits = 11;
  string j = 12;
  int64 ts = 13;
  float f2 = 14;

  message VariableScaleDecimal {
    int32 scale = 1;
    bytes value = 2;
  }
  message Point {
    double x = 1;
    double y = 2;
    bytes wkb = 3;
    int32 srid = 4;
  }
}
"#,
};

const AN_ENVELOPE: Case = Case {
    connect: r#"{"type":"struct","fields":[{"type":"struct","fields":[{"type":"int32","optional":true,"field":"orderId"},{"type":"array","items":{"type":"struct","fields":[{"type":"string","optional":true,"field":"sku"}],"optional":true,"name":"payload.lines"},"optional":true,"field":"lines"}],"optional":false,"name":"payload","field":"payload"},{"type":"string","optional":false,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"a,b"},"default":"a","field":"type"},{"type":"int64","optional":true,"name":"org.apache.kafka.connect.data.Timestamp","version":1,"field":"at"},{"type":"int16","optional":false,"default":7,"field":"small"},{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"string","optional":true},"optional":true,"field":"h"}],"optional":false,"name":"public.outbox.Order.Value","version":3}"#,
    json: r#"{"type":"object","title":"public.outbox.Order.Value","connect.version":3,"properties":{"small":{"type":"integer","default":7,"connect.index":3,"connect.type":"int16"},"at":{"connect.index":2,"oneOf":[{"type":"null"},{"type":"integer","title":"org.apache.kafka.connect.data.Timestamp","connect.version":1,"connect.type":"int64"}]},"payload":{"type":"object","title":"payload","connect.index":0,"properties":{"orderId":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int32"}]},"lines":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"array","items":{"oneOf":[{"type":"null"},{"type":"object","title":"payload.lines","properties":{"sku":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"string"}]}}}]}}]}}},"h":{"connect.index":4,"oneOf":[{"type":"null"},{"type":"object","connect.type":"map","additionalProperties":{"oneOf":[{"type":"null"},{"type":"string"}]}}]},"type":{"type":"string","title":"io.debezium.data.Enum","default":"a","connect.index":1,"connect.version":1,"connect.parameters":{"allowed":"a,b"}}}}"#,
    protobuf: r#"syntax = "proto3";
package public.outbox.Order;

import "google/protobuf/timestamp.proto";

message Value {
  payloadMessage payload = 1;
  string type = 2;
  google.protobuf.Timestamp at = 3;
  int32 small = 4 [(confluent.field_meta) = {
    params: [
      {
        key: "connect.type",
        value: "int16"
      }
    ]
  }];
  repeated ConnectDefault1Entry h = 5;

  message payloadMessage {
    int32 orderId = 1;
    repeated linesMessage lines = 2;
  
    message linesMessage {
      string sku = 1;
    }
  }
  message ConnectDefault1Entry {
    string key = 1;
    string value = 2;
  }
}
"#,
};

const A_CHANGE: Case = Case {
    connect: r#"{"type":"struct","fields":[{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"},{"type":"string","optional":true,"default":"none","field":"note"}],"optional":true,"name":"app.shop.customer.Value","field":"before"},{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"},{"type":"string","optional":true,"default":"none","field":"note"}],"optional":true,"name":"app.shop.customer.Value","field":"after"},{"type":"struct","fields":[{"type":"string","optional":false,"field":"version"},{"type":"int64","optional":true,"field":"lsn"}],"optional":false,"name":"io.debezium.connector.postgresql.Source","version":1,"field":"source"},{"type":"struct","fields":[{"type":"string","optional":false,"field":"id"}],"optional":true,"name":"event.block","version":1,"field":"transaction"},{"type":"string","optional":false,"field":"op"}],"optional":false,"name":"app.shop.customer.Envelope","version":2}"#,
    json: r#"{"type":"object","title":"app.shop.customer.Envelope","connect.version":2,"properties":{"op":{"type":"string","connect.index":4},"before":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"object","title":"app.shop.customer.Value","properties":{"note":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"string","default":"none"}]},"id":{"type":"integer","connect.index":0,"connect.type":"int32"}}}]},"after":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"object","title":"app.shop.customer.Value","properties":{"note":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"string","default":"none"}]},"id":{"type":"integer","connect.index":0,"connect.type":"int32"}}}]},"source":{"type":"object","title":"io.debezium.connector.postgresql.Source","connect.index":2,"connect.version":1,"properties":{"lsn":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int64"}]},"version":{"type":"string","connect.index":0}}},"transaction":{"connect.index":3,"oneOf":[{"type":"null"},{"type":"object","title":"event.block","connect.version":1,"properties":{"id":{"type":"string","connect.index":0}}}]}}}"#,
    protobuf: r#"syntax = "proto3";
package app.shop.customer;

message Envelope {
  Value before = 1;
  Value after = 2;
  Source source = 3;
  block transaction = 4;
  string op = 5;

  message Value {
    int32 id = 1;
    string note = 2;
  }
  message Source {
    string version = 1;
    int64 lsn = 2;
  }
  message block {
    string id = 1;
  }
}
"#,
};

const PROTOBUFS_OWN: Case = Case {
    connect: r#"{"type":"struct","fields":[{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"},"field":"m"},{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"string","optional":true},"optional":true,"field":"h"},{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"string","optional":true},"optional":true,"field":"h2"},{"type":"array","items":{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"10"}},"optional":true,"field":"ds"},{"type":"array","items":{"type":"int16","optional":true},"optional":true,"field":"small"},{"type":"int32","optional":true,"name":"org.apache.kafka.connect.data.Date","version":1,"field":"d"},{"type":"int32","optional":true,"name":"org.apache.kafka.connect.data.Time","version":1,"field":"t"},{"type":"struct","fields":[{"type":"string","optional":true,"field":"x"}],"optional":true,"field":"anon"},{"type":"array","items":{"type":"int32","optional":true},"optional":true,"field":"ints"},{"type":"array","items":{"type":"boolean","optional":true},"optional":true,"field":"bools"},{"type":"bytes","optional":false,"default":"AQI=","field":"raw"},{"type":"struct","fields":[{"type":"struct","fields":[{"type":"string","optional":true,"field":"y"}],"optional":true,"name":"p.anon2.inner","field":"inner"}],"optional":true,"name":"p.anon2","field":"anon2"},{"type":"array","items":{"type":"int64","optional":true,"name":"org.apache.kafka.connect.data.Timestamp","version":1},"optional":true,"field":"tss"},{"type":"array","items":{"type":"bytes","optional":true},"optional":true,"field":"bs"},{"type":"int64","optional":true,"name":"org.apache.kafka.connect.data.Timestamp","version":1,"field":"ts0"}],"optional":false,"name":"p"}"#,
    json: r#"{"type":"object","title":"p","properties":{"small":{"connect.index":4,"oneOf":[{"type":"null"},{"type":"array","items":{"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int16"}]}}]},"anon":{"connect.index":7,"oneOf":[{"type":"null"},{"type":"object","properties":{"x":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"string"}]}}}]},"d":{"connect.index":5,"oneOf":[{"type":"null"},{"type":"integer","title":"org.apache.kafka.connect.data.Date","connect.version":1,"connect.type":"int32"}]},"h":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"object","connect.type":"map","additionalProperties":{"oneOf":[{"type":"null"},{"type":"string"}]}}]},"raw":{"type":"string","default":"AQI=","connect.index":10,"connect.type":"bytes"},"h2":{"connect.index":2,"oneOf":[{"type":"null"},{"type":"object","connect.type":"map","additionalProperties":{"oneOf":[{"type":"null"},{"type":"string"}]}}]},"anon2":{"connect.index":11,"oneOf":[{"type":"null"},{"type":"object","title":"p.anon2","properties":{"inner":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"object","title":"p.anon2.inner","properties":{"y":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"string"}]}}}]}}}]},"m":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"string","title":"org.apache.kafka.connect.data.Decimal","connect.version":1,"connect.type":"bytes","connect.parameters":{"scale":"2"}}]},"ds":{"connect.index":3,"oneOf":[{"type":"null"},{"type":"array","items":{"oneOf":[{"type":"null"},{"type":"string","title":"org.apache.kafka.connect.data.Decimal","connect.version":1,"connect.type":"bytes","connect.parameters":{"scale":"2","connect.decimal.precision":"10"}}]}}]},"bools":{"connect.index":9,"oneOf":[{"type":"null"},{"type":"array","items":{"oneOf":[{"type":"null"},{"type":"boolean"}]}}]},"ts0":{"connect.index":14,"oneOf":[{"type":"null"},{"type":"integer","title":"org.apache.kafka.connect.data.Timestamp","connect.version":1,"connect.type":"int64"}]},"bs":{"connect.index":13,"oneOf":[{"type":"null"},{"type":"array","items":{"oneOf":[{"type":"null"},{"type":"string","connect.type":"bytes"}]}}]},"t":{"connect.index":6,"oneOf":[{"type":"null"},{"type":"integer","title":"org.apache.kafka.connect.data.Time","connect.version":1,"connect.type":"int32"}]},"ints":{"connect.index":8,"oneOf":[{"type":"null"},{"type":"array","items":{"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int32"}]}}]},"tss":{"connect.index":12,"oneOf":[{"type":"null"},{"type":"array","items":{"oneOf":[{"type":"null"},{"type":"integer","title":"org.apache.kafka.connect.data.Timestamp","connect.version":1,"connect.type":"int64"}]}}]}}}"#,
    protobuf: r#"syntax = "proto3";

import "confluent/type/decimal.proto";
import "google/type/date.proto";
import "google/type/timeofday.proto";
import "google/protobuf/timestamp.proto";

message p {
  confluent.type.Decimal m = 1 [(confluent.field_meta) = {
    params: [
      {
        value: "2",
        key: "scale"
      }
    ]
  }];
  repeated ConnectDefault1Entry h = 2;
  repeated ConnectDefault2Entry h2 = 3;
  repeated confluent.type.Decimal ds = 4 [(confluent.field_meta) = {
    params: [
      {
        value: "10",
        key: "precision"
      },
      {
        value: "2",
        key: "scale"
      }
    ]
  }];
  repeated int32 small = 5 [(confluent.field_meta) = {
    params: [
      {
        key: "connect.type",
        value: "int16"
      }
    ]
  }];
  google.type.Date d = 6;
  google.type.TimeOfDay t = 7;
  ConnectDefault3 anon = 8;
  repeated int32 ints = 9;
  repeated bool bools = 10;
  bytes raw = 11;
  anon2Message anon2 = 12;
  repeated google.protobuf.Timestamp tss = 13;
  repeated bytes bs = 14;
  google.protobuf.Timestamp ts0 = 15;

  message ConnectDefault1Entry {
    string key = 1;
    string value = 2;
  }
  message ConnectDefault2Entry {
    string key = 1;
    string value = 2;
  }
  message ConnectDefault3 {
    string x = 1;
  }
  message anon2Message {
    innerMessage inner = 1;
  
    message innerMessage {
      string y = 1;
    }
  }
}
"#,
};

const WRAPPERS: &str = r#"syntax = "proto3";
package google.protobuf;

option java_package = "com.google.protobuf";
option java_outer_classname = "WrappersProto";
option java_multiple_files = true;
option go_package = "google.golang.org/protobuf/types/known/wrapperspb";
option cc_enable_arenas = true;
option objc_class_prefix = "GPB";
option csharp_namespace = "Google.Protobuf.WellKnownTypes";

message DoubleValue {
  double value = 1 [json_name = "value"];
}
message FloatValue {
  float value = 1 [json_name = "value"];
}
message Int64Value {
  int64 value = 1 [json_name = "value"];
}
message UInt64Value {
  uint64 value = 1 [json_name = "value"];
}
message Int32Value {
  int32 value = 1 [json_name = "value"];
}
message UInt32Value {
  uint32 value = 1 [json_name = "value"];
}
message BoolValue {
  bool value = 1 [json_name = "value"];
}
message StringValue {
  string value = 1 [json_name = "value"];
}
message BytesValue {
  bytes value = 1 [json_name = "value"];
}
"#;

fn infer(language: SchemaType, inferring: Inferring, connect: &str) -> Inferred {
    schema(language, inferring, connect.as_bytes()).unwrap_or_else(|why| panic!("{connect}: {why:?}"))
}

#[test]
fn schemas_are_those_of_confluents_converters() {
    for case in [A_TEXT, A_UUID, A_SMALLINT, COLUMNS, AN_ENVELOPE, A_CHANGE, PROTOBUFS_OWN] {
        let inferring = Inferring::default();
        assert_eq!(infer(SchemaType::Json, inferring, case.connect).text, case.json);
        assert_eq!(infer(SchemaType::Protobuf, inferring, case.connect).text, case.protobuf);
    }
}

/// What `JsonSchemaDataConfig` and `ProtobufDataConfig` have for it.
#[test]
fn options_decide_what_is_in_a_schema() {
    const MONEY: &str = r#"{"type":"struct","fields":[{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"},"default":123.50,"field":"m"}],"optional":false,"name":"a"}"#;
    let closed = Inferring { decimals: DecimalFormat::Numeric, additional: false, ..Inferring::default() };
    assert_eq!(
        infer(SchemaType::Json, closed, MONEY).text,
        r#"{"type":"object","additionalProperties":false,"title":"a","properties":{"m":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"number","title":"org.apache.kafka.connect.data.Decimal","default":123.5,"connect.version":1,"connect.type":"bytes","connect.parameters":{"scale":"2"}}]}}}"#
    );
    const TEXT: &str = r#"{"type":"struct","fields":[{"type":"string","optional":true,"field":"x"},{"type":"int64","optional":false,"field":"n"},{"type":"array","items":{"type":"string","optional":true},"optional":true,"field":"a"}],"optional":false,"name":"p"}"#;
    for (optional, wrapper, import, fields) in [
        (true, false, "", "  optional string x = 1;\n  int64 n = 2;\n  repeated string a = 3;\n"),
        (
            false,
            true,
            "import \"google/protobuf/wrappers.proto\";\n\n",
            "  google.protobuf.StringValue x = 1;\n  int64 n = 2;\n  repeated google.protobuf.StringValue a = 3;\n",
        ),
    ] {
        let inferring = Inferring { optional, wrapper, ..Inferring::default() };
        assert_eq!(
            infer(SchemaType::Protobuf, inferring, TEXT).text,
            format!("syntax = \"proto3\";\n\n{import}message p {{\n{fields}}}\n")
        );
    }
}

/// `RecordNameStrategy` takes `JsonSchema.name()`, which is the title at the root, and `ProtobufSchema.name()`; the index is
/// that of `ProtobufSchema.toMessageIndexes`.
#[test]
fn a_schema_has_a_name_and_a_message_its_place() {
    for (case, json, protobuf, indexes) in [
        (A_TEXT, None, "google.protobuf.StringValue", &[2, 14][..]),
        (A_UUID, Some("io.debezium.data.Uuid"), "google.protobuf.StringValue", &[2, 14]),
        (A_SMALLINT, None, "google.protobuf.Int32Value", &[2, 8]),
        (COLUMNS, Some("a.b.Value"), "a.b.Value", &[0]),
    ] {
        let inferring = Inferring::default();
        let of_json = infer(SchemaType::Json, inferring, case.connect);
        assert_eq!((of_json.name.as_deref(), of_json.indexes.as_slice()), (json, &[][..]));
        let of_protobuf = infer(SchemaType::Protobuf, inferring, case.connect);
        assert_eq!((of_protobuf.name.as_deref(), of_protobuf.indexes.as_slice()), (Some(protobuf), indexes));
    }
}

/// Where `ProtobufData` throws, or writes what nobody can read.
#[test]
fn what_protobuf_has_not_is_refused() {
    let field =
        |field: &str| format!(r#"{{"type":"struct","fields":[{field}],"optional":false,"name":"p"}}"#);
    for (connect, why) in [
        (
            r#"{"type":"array","items":{"type":"string","optional":true},"optional":true}"#.to_owned(),
            "no message",
        ),
        (
            r#"{"type":"int32","optional":true,"name":"org.apache.kafka.connect.data.Date","version":1}"#
                .to_owned(),
            "no message",
        ),
        (
            field(
                r#"{"type":"array","items":{"type":"array","items":{"type":"string","optional":true},"optional":true},"optional":true,"field":"a"}"#,
            ),
            "array of arrays",
        ),
        (field(r#"{"type":"string","optional":true,"field":"a-b"}"#), "a name"),
        (field(r#"{"type":"struct","fields":[],"optional":true,"name":"x.p","field":"a"}"#), "the same name"),
    ] {
        let refused = schema(SchemaType::Protobuf, Inferring::default(), connect.as_bytes()).unwrap_err();
        let refusal = refused.refusal(Reason::PayloadNotEncodable);
        assert!(refusal.detail.contains(why) && !refusal.hint.is_empty(), "{connect}: {}", refusal.detail);
    }
}
