//! Events as Debezium's CloudEventsConverter has them, in JSON and in Avro.

use super::*;
use crate::registry::{Question, What};

const TOPIC: &str = "outbox.event.User";

fn debezium(schemas: bool) -> Config {
    let cloud = CloudEvents { source: "/debezium/postgresql/app".to_owned(), ..cloud(Mode::Debezium) };
    let expand = crate::encode::Expand {
        nulls: crate::encode::Nulls::Ignore,
        renaming: crate::encode::Renaming::Never,
    };
    let cloud = CloudEvents { type_prefix: String::new(), ..cloud };
    Config { cloud: Some(cloud), expand: Some(expand), ..config(json(schemas)) }
}

/// The value of a row that was committed at this time.
fn committed(
    config: Config,
    payload: Column<'_>,
    committed_ms: Option<i64>,
) -> Result<Option<String>, Rejection> {
    let (columns, mut plan) = event(payload, &[]);
    plan.attributes.as_mut().unwrap().truncate(2);
    let mut out = Outgoing::default();
    encode(&mut Encoder::new(config), &plan, &columns, |event| event.committed_ms = committed_ms, &mut out)?;
    assert_eq!(headers_of(&out), [("id".to_owned(), Some(ID.to_owned()))]);
    Ok(value_of(&out))
}

/// What Debezium 3.6.3 has published of this row, byte for byte.
#[test]
fn debeziums_converter_makes_the_envelope_that_debezium_makes() {
    const AT: Option<i64> = Some(1_795_406_895_229);
    let payload = || jsonb(r#"{"someField1": "some value 1", "someField2": 7005}"#);
    let golden = r#"{"id":"59a42efd-b015-44a9-9dde-cb36d9002425","source":"/debezium/postgresql/app","specversion":"1.0","type":"UserCreated","time":"2026-11-23T04:08:15.229Z","datacontenttype":"application/json","data":{"someField1":"some value 1","someField2":7005}}"#;
    assert_eq!(committed(debezium(false), payload(), AT).unwrap().as_deref(), Some(golden));
    let with_schema = committed(debezium(true), payload(), AT).unwrap().unwrap();
    let (head, _) = golden.split_once(r#"{"someField1""#).unwrap();
    let data = with_schema.strip_prefix(head).expect(&with_schema);
    assert!(
        data.starts_with(
            r#"{"schema":{"type":"struct","fields":[{"type":"string","optional":true,"field":"someField1"}"#
        ),
        "{data}"
    );
    let end = r#"],"optional":false,"name":"io.debezium.connector.postgresql.Data"},"payload":{"someField1":"some value 1","someField2":7005}}}"#;
    assert!(data.ends_with(end), "{data}");
    assert_eq!(committed(debezium(false), ("payload", Kind::Json, None), AT).unwrap(), None);
    for schemas in [false, true] {
        for text in [r#""hush""#, "[1]", "7"] {
            let rejection = committed(debezium(schemas), jsonb(text), AT).unwrap_err();
            assert!(rejection.detail.ends_with("and CloudEventsConverter takes a STRUCT"), "{rejection:?}");
        }
    }
    let rejection = committed(debezium(false), payload(), None).unwrap_err();
    assert!(rejection.detail.contains("which its row does not tell"), "{rejection:?}");
}

/// With data in Avro, and the event in JSON or, with a name, in Avro.
fn in_avro(record: Option<&str>) -> Config {
    let json = debezium(false);
    let cloud = json.cloud.map(|cloud| CloudEvents {
        data_schema: Some("http://r:8081/schemas/ids/${id}".to_owned()),
        record: record.map(str::to_owned),
        ..cloud
    });
    Config { cloud, value: Converter::Framed(Box::new(Framed::avro())), ..json }
}

/// Subjects and schemas, whose ids are 258 and so on.
type Asked = Vec<(String, String)>;

/// The value, and what was asked of the registry for it.
fn asking(
    config: Config,
    payload: Column<'_>,
    change: impl FnOnce(&mut Plan, &[Column<'_>]),
) -> Result<(Option<Vec<u8>>, Asked), Rejection> {
    let (columns, mut plan) = event(payload, &[("extra", Kind::Int32, Some("5"))]);
    plan.attributes.as_mut().unwrap().truncate(2);
    change(&mut plan, &columns);
    let mut encoder = Encoder::new(config);
    let (mut out, mut asked) = (Outgoing::default(), Vec::new());
    let written = |encoder: &mut Encoder, out: &mut Outgoing| {
        with_event(&plan, &columns, |event| {
            encoder.encode(
                &Event { committed_ms: Some(1_795_406_895_229), schema_version: Some(3), ..*event },
                0,
                out,
            )
        })
    };
    loop {
        match written(&mut encoder, &mut out) {
            Ok(()) => break,
            Err(NotEncoded::Rejected(rejection)) => return Err(rejection),
            Err(NotEncoded::Asks(Question { subject, what: What::Register { schema, schema_type, .. } })) => {
                assert!(out.is_empty() && out.bytes() == 0);
                let id = 258 + asked.len() as i32;
                asked.push((subject, schema.clone()));
                let references = Vec::new();
                encoder.answer(Ok(Registered { id, guid: None, schema_type, schema, references }), 0);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    let value = out.iter().next().unwrap().value.map(<[u8]>::to_vec);
    // The next one asks nothing.
    assert_eq!(written(&mut encoder, &mut out), Ok(()));
    Ok((value, asked))
}

const PAYLOAD: &str = r#"{"someField1": "some value 1", "someField2": 7005, "in": {"n": 1}}"#;
const DATA: &str = r#"{"type":"record","name":"Data","namespace":"io.debezium.connector.postgresql","fields":[{"name":"someField1","type":["null","string"],"default":null},{"name":"someField2","type":["null","int"],"default":null},{"name":"in","type":["null",{"type":"record","name":"in","namespace":"payload","fields":[{"name":"n","type":["null","int"],"default":null}],"connect.name":"payload.in"}],"default":null}],"connect.name":"io.debezium.connector.postgresql.Data"}"#;

/// What the converter of Debezium 3.6.3 has made of this struct, byte for byte, with Confluent's AvroData.
#[test]
fn data_in_avro_is_what_debezium_makes_of_it() {
    let (value, asked) = asking(in_avro(None), jsonb(PAYLOAD), |_, _| ()).unwrap();
    let golden = r#"{"id":"59a42efd-b015-44a9-9dde-cb36d9002425","source":"/debezium/postgresql/app","specversion":"1.0","type":"UserCreated","time":"2026-11-23T04:08:15.229Z","datacontenttype":"application/avro","dataschema":"http://r:8081/schemas/ids/258","data":"AAAAAQICGHNvbWUgdmFsdWUgMQK6bQICAg=="}"#;
    assert_eq!(String::from_utf8(value.unwrap()).unwrap(), golden);
    assert_eq!(asked, [(format!("{TOPIC}-value"), DATA.to_owned())]);
}

#[test]
fn an_event_in_avro_is_what_debezium_makes_of_it() {
    let config = in_avro(Some("app.the_db.CloudEvents.Envelope"));
    let (value, asked) = asking(config, jsonb(PAYLOAD), |_, _| ()).unwrap();
    let golden = "00000001034835396134326566642d623031352d343461392d396464652d636233366439303032343235302f646562657a69756d2f706f737467726573716c2f61707006312e3016557365724372656174656430323032362d31312d32335430343a30383a31352e3232395a206170706c69636174696f6e2f6176726f3a687474703a2f2f723a383038312f736368656d61732f6964732f3235383200000001020218736f6d652076616c7565203102ba6d020202";
    let hex: String = value.unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, golden);
    let schema = r#"{"type":"record","name":"Envelope","namespace":"app.the_db.CloudEvents","fields":[{"name":"id","type":"string"},{"name":"source","type":"string"},{"name":"specversion","type":"string"},{"name":"type","type":"string"},{"name":"time","type":"string"},{"name":"datacontenttype","type":"string"},{"name":"dataschema","type":"string"},{"name":"data","type":"bytes"}],"connect.name":"app.the_db.CloudEvents.Envelope"}"#;
    let of = |subject: &str, schema: &str| (format!("{TOPIC}{subject}"), schema.to_owned());
    assert_eq!(asked, [of("-data-value", DATA), of("-value", schema)]);
}

/// The same, with a column placed beside the payload: of the struct, only the name is Debezium's own.
#[test]
fn a_value_with_columns_beside_the_payload_is_data_of_the_same_name() {
    let beside = |plan: &mut Plan, columns: &[Column<'_>]| {
        let extra = Field { optional: true, ..place(plan, columns, "extra") };
        plan.envelope = Some(vec![("extra".to_owned(), extra)]);
    };
    let (value, asked) = asking(in_avro(None), jsonb(PAYLOAD), beside).unwrap();
    let value = String::from_utf8(value.unwrap()).unwrap();
    assert!(value.ends_with(r#","data":"AAAAAQICAhhzb21lIHZhbHVlIDECum0CAgICCg=="}"#), "{value}");
    let inner = DATA
        .replace(r#""Data","namespace":"io.debezium.connector.postgresql""#, r#""payload","namespace":"""#);
    let inner = inner.replace("io.debezium.connector.postgresql.Data", "payload");
    let schema = format!(
        r#"{{"type":"record","name":"Data","namespace":"io.debezium.connector.postgresql","fields":[{{"name":"payload","type":["null",{inner}],"default":null}},{{"name":"extra","type":["null","int"],"default":null}}],"connect.name":"io.debezium.connector.postgresql.Data"}}"#
    );
    assert_eq!(asked, [(format!("{TOPIC}-value"), schema)]);
    let (value, _) = asking(debezium(true), jsonb(PAYLOAD), beside).unwrap();
    let value = String::from_utf8(value.unwrap()).unwrap();
    let golden = r#","optional":true,"name":"payload","field":"payload"},{"type":"int32","optional":true,"field":"extra"}],"optional":false,"name":"io.debezium.connector.postgresql.Data"},"payload":{"payload":{"someField1":"some value 1","someField2":7005,"in":{"n":1}},"extra":5}}}"#;
    assert!(value.ends_with(golden), "{value}");
}

#[test]
fn what_is_no_struct_is_refused_and_nothing_asked() {
    for record in [None, Some("a.B")] {
        for text in [r#""hush""#, "[1]", "7", "{hush}"] {
            let rejection = asking(in_avro(record), jsonb(text), |_, _| ()).unwrap_err();
            assert!(rejection.detail.ends_with("and CloudEventsConverter takes a STRUCT"), "{rejection:?}");
            assert!(!format!("{rejection:?}").contains("hush"));
        }
        let (value, asked) = asking(in_avro(record), ("payload", Kind::Json, None), |_, _| ()).unwrap();
        assert_eq!((value, asked.len()), (None, 0));
    }
}
