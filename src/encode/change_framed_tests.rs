//! Change events and the topic of transactions in Avro, JSON Schema and Protobuf. Expected bytes are those that `AvroData`,
//! `JsonSchemaConverter` and `ProtobufConverter` of schema-registry 8.5 made of the same Connect records, and so are schemas.

use super::*;
use crate::encode::transactions::Boundary;
use crate::encode::{Framed, Inferring};
use crate::registry::{Question, Registered, SchemaType, What};
use std::sync::Arc;

const JSON_KEY: &str = r#"{"type":"object","title":"app.shop.customer.Key","properties":{"id":{"type":"integer","connect.index":0,"connect.type":"int32"}}}"#;
const JSON_VALUE: &str = r#"{"type":"object","title":"app.shop.customer.Envelope","connect.version":2,"properties":{"op":{"type":"string","connect.index":4},"before":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"object","title":"app.shop.customer.Value","properties":{"note":{"connect.index":2,"oneOf":[{"type":"null"},{"type":"string","default":"none"}]},"name":{"type":"string","connect.index":1},"id":{"type":"integer","connect.index":0,"connect.type":"int32"}}}]},"ts_us":{"connect.index":6,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int64"}]},"after":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"object","title":"app.shop.customer.Value","properties":{"note":{"connect.index":2,"oneOf":[{"type":"null"},{"type":"string","default":"none"}]},"name":{"type":"string","connect.index":1},"id":{"type":"integer","connect.index":0,"connect.type":"int32"}}}]},"source":{"type":"object","title":"io.debezium.connector.postgresql.Source","connect.index":2,"connect.version":1,"properties":{"schema":{"type":"string","connect.index":9},"xmin":{"connect.index":13,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int64"}]},"ts_us":{"connect.index":7,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int64"}]},"lsn":{"connect.index":12,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int64"}]},"origin":{"connect.index":14,"oneOf":[{"type":"null"},{"type":"string"}]},"txId":{"connect.index":11,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int64"}]},"version":{"type":"string","connect.index":0},"sequence":{"connect.index":6,"oneOf":[{"type":"null"},{"type":"string"}]},"connector":{"type":"string","connect.index":1},"name":{"type":"string","connect.index":2},"origin_lsn":{"connect.index":15,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int64"}]},"ts_ns":{"connect.index":8,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int64"}]},"ts_ms":{"type":"integer","connect.index":3,"connect.type":"int64"},"snapshot":{"connect.index":4,"oneOf":[{"type":"null"},{"type":"string","title":"io.debezium.data.Enum","default":"false","connect.version":1,"connect.parameters":{"allowed":"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"}}]},"db":{"type":"string","connect.index":5},"table":{"type":"string","connect.index":10}}},"ts_ns":{"connect.index":7,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int64"}]},"transaction":{"connect.index":3,"oneOf":[{"type":"null"},{"type":"object","title":"event.block","connect.version":1,"properties":{"data_collection_order":{"type":"integer","connect.index":2,"connect.type":"int64"},"id":{"type":"string","connect.index":0},"total_order":{"type":"integer","connect.index":1,"connect.type":"int64"}}}]},"ts_ms":{"connect.index":5,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int64"}]}}}"#;
const AVRO_KEY: &str = r#"{"type":"record","name":"Key","namespace":"app.shop.customer","fields":[{"name":"id","type":"int"}],"connect.name":"app.shop.customer.Key"}"#;
const AVRO_VALUE: &str = r#"{"type":"record","name":"Envelope","namespace":"app.shop.customer","fields":[{"name":"before","type":["null",{"type":"record","name":"Value","fields":[{"name":"id","type":"int"},{"name":"name","type":"string"},{"name":"note","type":[{"type":"string","connect.default":"none"},"null"],"default":"none"}],"connect.name":"app.shop.customer.Value"}],"default":null},{"name":"after","type":["null","Value"],"default":null},{"name":"source","type":{"type":"record","name":"Source","namespace":"io.debezium.connector.postgresql","fields":[{"name":"version","type":"string"},{"name":"connector","type":"string"},{"name":"name","type":"string"},{"name":"ts_ms","type":"long"},{"name":"snapshot","type":[{"type":"string","connect.version":1,"connect.parameters":{"allowed":"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},"connect.default":"false","connect.name":"io.debezium.data.Enum"},"null"],"default":"false"},{"name":"db","type":"string"},{"name":"sequence","type":["null","string"],"default":null},{"name":"ts_us","type":["null","long"],"default":null},{"name":"ts_ns","type":["null","long"],"default":null},{"name":"schema","type":"string"},{"name":"table","type":"string"},{"name":"txId","type":["null","long"],"default":null},{"name":"lsn","type":["null","long"],"default":null},{"name":"xmin","type":["null","long"],"default":null},{"name":"origin","type":["null","string"],"default":null},{"name":"origin_lsn","type":["null","long"],"default":null}],"connect.version":1,"connect.name":"io.debezium.connector.postgresql.Source"}},{"name":"transaction","type":["null",{"type":"record","name":"block","namespace":"event","fields":[{"name":"id","type":"string"},{"name":"total_order","type":"long"},{"name":"data_collection_order","type":"long"}],"connect.version":1,"connect.name":"event.block"}],"default":null},{"name":"op","type":"string"},{"name":"ts_ms","type":["null","long"],"default":null},{"name":"ts_us","type":["null","long"],"default":null},{"name":"ts_ns","type":["null","long"],"default":null}],"connect.version":2,"connect.name":"app.shop.customer.Envelope"}"#;
const PROTOBUF_VALUE: &str = r#"syntax = "proto3";
package app.shop.customer;

message Envelope {
  Value before = 1;
  Value after = 2;
  Source source = 3;
  block transaction = 4;
  string op = 5;
  int64 ts_ms = 6;
  int64 ts_us = 7;
  int64 ts_ns = 8;

  message Value {
    int32 id = 1;
    string name = 2;
    string note = 3;
  }
  message Source {
    string version = 1;
    string connector = 2;
    string name = 3;
    int64 ts_ms = 4;
    string snapshot = 5;
    string db = 6;
    string sequence = 7;
    int64 ts_us = 8;
    int64 ts_ns = 9;
    string schema = 10;
    string table = 11;
    int64 txId = 12;
    int64 lsn = 13;
    int64 xmin = 14;
    string origin = 15;
    int64 origin_lsn = 16;
  }
  message block {
    string id = 1;
    int64 total_order = 2;
    int64 data_collection_order = 3;
  }
}
"#;

fn framed(language: SchemaType, inferring: Inferring) -> Converter {
    Converter::Framed(Box::new(Framed { language, inferring, ..Framed::avro() }))
}

/// What was registered; key and value of each record, in hex.
type Told = (Vec<(String, String)>, Vec<[Option<String>; 2]>);

/// Encodes, and answers what is asked.
fn answered(
    encoder: &mut Encoder,
    mut encode: impl FnMut(&mut Encoder, &mut Outgoing) -> Result<(), NotEncoded>,
) -> Result<Told, String> {
    let (mut out, mut asked) = (Outgoing::default(), Vec::new());
    loop {
        match encode(encoder, &mut out) {
            Ok(()) => break,
            Err(NotEncoded::Rejected(rejection)) => return Err(rejection.detail),
            Err(NotEncoded::Asks(Question { subject, what: What::Register { schema, schema_type, .. } })) => {
                assert!(out.is_empty() && out.bytes() == 0, "something is left");
                let (guid, references) = (None, Vec::new());
                let registered = Registered { id: 7, guid, schema_type, schema: schema.clone(), references };
                encoder.answer(Ok(registered), 0);
                asked.push((subject, schema));
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((asked, out.iter().map(|record| [record.key.map(hex), record.value.map(hex)]).collect()))
}

fn at() -> At<'static> {
    At { lsn: Lsn::new(9), xid: Some(5), commit_us: 1_234_567, now_ns: 7_000_000, ..At::default() }
}

fn changes(converter: &Converter, message: &[u8]) -> Result<Told, String> {
    changes_at(converter, message, &at())
}

fn changes_at(converter: &Converter, message: &[u8], at: &At<'_>) -> Result<Told, String> {
    let mut decoder = Decoder::new();
    let tables = TableRule { unrouted: true, ..TableRule::default() };
    let mut router =
        Router::new(crate::route::Config { tables, changes: Some(rule()), ..routing::defaults() });
    let described = testing::relation(&relation(b'd'));
    let Change::Relation(relation) = decoder.decode(&described).unwrap() else { panic!("no relation") };
    router.learn(&relation, &facts());
    let change = decoder.decode(message).unwrap();
    let Routed::Change(changed) = router.route(&change) else { panic!("no change") };
    let mut encoder = Encoder::new(config(converter.clone(), converter.clone()));
    answered(&mut encoder, |encoder, out| encoder.change(&changed, at, out))
}

fn hex(frame: &str, text: &str) -> Option<String> {
    Some(text.bytes().fold(frame.to_owned(), |hex, byte| format!("{hex}{byte:02x}")))
}

#[test]
fn change_events_are_records_in_avro() {
    let avro = || framed(SchemaType::Avro, Inferring::default());
    let (asked, records) = changes(&avro(), &testing::insert(OID, &ANNA)).unwrap();
    let subject = |part: &str| format!("app.shop.customer-{part}");
    assert_eq!(asked, [(subject("key"), AVRO_KEY.to_owned()), (subject("value"), AVRO_VALUE.to_owned())]);
    let framed = |bytes: &str| Some(format!("0000000007{bytes}"));
    let inserted = "00020208416e6e6100086e6f6e6516332e362e332e46696e616c14706f737467726573716c06617070a413000a66616c736504646202145b6e756c6c2c2239225d028eda960102b0fdaf99090873686f7010637573746f6d6572020a0212000000000263020e02b06d0280bfd606";
    assert_eq!(records, [[framed("02"), framed(inserted)]]);

    let order = Some(Order { total: 3, in_table: 1 });
    let at = At { snapshot: Some("last"), order, ..at() };
    let old = [Cell::Text(b"1"), Cell::Text(b""), Cell::Text(b"x")];
    let message = testing::delete(OID, OldCells::Row(&old));
    let (_, records) = changes_at(&avro(), &message, &at).unwrap();
    let deleted = "0202000002780016332e362e332e46696e616c14706f737467726573716c06617070a41300086c61737404646202145b6e756c6c2c2239225d028eda960102b0fdaf99090873686f7010637573746f6d6572020a02120000000206353a3906020264020e02b06d0280bfd606";
    assert_eq!(records, [[framed("02"), framed(deleted)], [framed("02"), None]]);
}

#[test]
fn change_events_are_structs_in_both_languages() {
    let message = testing::insert(OID, &ANNA);
    let (asked, records) = changes(&framed(SchemaType::Json, Inferring::default()), &message).unwrap();
    let subject = |part: &str| format!("app.shop.customer-{part}");
    assert_eq!(asked, [(subject("key"), JSON_KEY.to_owned()), (subject("value"), JSON_VALUE.to_owned())]);
    let value = r#"{"before":null,"after":{"id":1,"name":"Anna","note":"none"},"source":{"version":"3.6.3.Final","connector":"postgresql","name":"app","ts_ms":1234,"snapshot":"false","db":"db","sequence":"[null,\"9\"]","ts_us":1234567,"ts_ns":1234567000,"schema":"shop","table":"customer","txId":5,"lsn":9,"xmin":null,"origin":null,"origin_lsn":null},"transaction":null,"op":"c","ts_ms":7,"ts_us":7000,"ts_ns":7000000}"#;
    assert_eq!(records, [[hex("0000000007", r#"{"id":1}"#), hex("0000000007", value)]]);

    for (optional, wrapper, value) in [
        (
            false,
            false,
            "120e08011204416e6e611a046e6f6e651a560a0b332e362e332e46696e616c120a706f737467726573716c1a0361707020d2092a0566616c7365320264623a0a5b6e756c6c2c2239225d4087ad4b48d8fed7cc04520473686f705a08637573746f6d6572600568092a0163300738d83640c09fab03",
        ),
        (
            true,
            false,
            "120e08011204416e6e611a046e6f6e651a560a0b332e362e332e46696e616c120a706f737467726573716c1a0361707020d2092a0566616c7365320264623a0a5b6e756c6c2c2239225d4087ad4b48d8fed7cc04520473686f705a08637573746f6d6572600568092a0163300738d83640c09fab03",
        ),
        (
            false,
            true,
            "121008011204416e6e611a060a046e6f6e651a620a0b332e362e332e46696e616c120a706f737467726573716c1a0361707020d2092a070a0566616c7365320264623a0c0a0a5b6e756c6c2c2239225d42040887ad4b4a0608d8fed7cc04520473686f705a08637573746f6d6572620208056a0208092a0163320208073a0308d836420508c09fab03",
        ),
    ] {
        let inferring = Inferring { optional, wrapper, ..Inferring::default() };
        let (asked, records) = changes(&framed(SchemaType::Protobuf, inferring), &message).unwrap();
        if !optional && !wrapper {
            assert_eq!(asked[1].1, PROTOBUF_VALUE);
        }
        let framed = |bytes: &str| Some(format!("000000000700{bytes}"));
        assert_eq!(records, [[framed("0801"), framed(value)]]);
    }
}

#[test]
fn a_deleted_row_leaves_a_tombstone() {
    let old = [Cell::Text(b"1"), Cell::Null, Cell::Null];
    let message = testing::delete(OID, OldCells::Key(&old));
    for language in [SchemaType::Json, SchemaType::Protobuf] {
        let (asked, records) = changes(&framed(language, Inferring::default()), &message).unwrap();
        assert_eq!((asked.len(), records.len()), (2, 2));
        assert_eq!((&records[0][0], &records[1][1]), (&records[1][0], &None));
    }
}

#[test]
fn the_end_of_a_transaction_lists_its_tables() {
    let counts = [("shop.a".to_owned(), 1), ("shop.b".to_owned(), 2)];
    let topic = Arc::from("app.transaction");
    let boundary = Boundary {
        topic: &topic,
        xid: 5,
        lsn: Lsn::new(9),
        commit_us: 1_234_567,
        counts: Some(&counts),
        now_ms: 0,
    };
    let told = |language, counts| {
        let converter = framed(language, Inferring::default());
        let mut encoder = Encoder::new(config(converter.clone(), converter));
        answered(&mut encoder, |encoder, out| encoder.boundary(&Boundary { counts, ..boundary }, out))
            .unwrap()
    };
    let (asked, records) = told(SchemaType::Json, boundary.counts);
    assert_eq!(
        asked[1].1,
        r#"{"type":"object","title":"io.debezium.connector.common.TransactionMetadataValue","connect.version":1,"properties":{"event_count":{"connect.index":2,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int64"}]},"id":{"type":"string","connect.index":1},"ts_ms":{"type":"integer","connect.index":4,"connect.type":"int64"},"status":{"type":"string","connect.index":0},"data_collections":{"connect.index":3,"oneOf":[{"type":"null"},{"type":"array","items":{"oneOf":[{"type":"null"},{"type":"object","title":"event.collection","connect.version":1,"properties":{"data_collection":{"type":"string","connect.index":0},"event_count":{"type":"integer","connect.index":1,"connect.type":"int64"}}}]}}]}}}"#
    );
    let value = r#"{"status":"END","id":"5:9","event_count":3,"data_collections":[{"data_collection":"shop.a","event_count":1},{"data_collection":"shop.b","event_count":2}],"ts_ms":1234}"#;
    assert_eq!(records, [[hex("0000000007", r#"{"id":"5:9"}"#), hex("0000000007", value)]]);
    const AVRO: &str = r#"{"type":"record","name":"TransactionMetadataValue","namespace":"io.debezium.connector.common","fields":[{"name":"status","type":"string"},{"name":"id","type":"string"},{"name":"event_count","type":["null","long"],"default":null},{"name":"data_collections","type":["null",{"type":"array","items":["null",{"type":"record","name":"collection","namespace":"event","fields":[{"name":"data_collection","type":"string"},{"name":"event_count","type":"long"}],"connect.version":1,"connect.name":"event.collection"}]}],"default":null},{"name":"ts_ms","type":"long"}],"connect.version":1,"connect.name":"io.debezium.connector.common.TransactionMetadataValue"}"#;
    let (asked, records) = told(SchemaType::Avro, boundary.counts);
    assert_eq!(asked[1].1, AVRO);
    let framed = |bytes: &str| Some(format!("0000000007{bytes}"));
    assert_eq!(
        records,
        [[framed("06353a39"), framed("06454e4406353a3902060204020c73686f702e6102020c73686f702e620400a413")]]
    );
    assert_eq!(
        told(SchemaType::Avro, None).1,
        [[framed("06353a39"), framed("0a424547494e06353a390000a413")]]
    );
    for (counts, value) in [
        (boundary.counts, "0a03454e441203353a391803220a0a0673686f702e611001220a0a0673686f702e62100228d209"),
        (None, "0a05424547494e1203353a3928d209"),
    ] {
        let framed = |bytes: &str| Some(format!("000000000700{bytes}"));
        assert_eq!(told(SchemaType::Protobuf, counts).1, [[framed("0a03353a39"), framed(value)]]);
    }
}
