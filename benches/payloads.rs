//! What the benches of encoding share: one outbox row with a payload of the bars, and what it is encoded with.

use std::sync::Arc;
use walpost::decode::value::Kind;
use walpost::decode::{Change, Decoder};
use walpost::encode::encoder::Encoder;
use walpost::encode::{
    self, ByRegistered, Context, Converter, DecimalFormat, Framed, HeaderConverter, Ids, Inferring,
    NotEncoded, Nulls, Outgoing, UnknownFields,
};
use walpost::registry::{Registered, SchemaType, Strategy};
use walpost::route::{Event, Field, Plan};

/// Payload of the bars: 300 bytes.
fn payload() -> String {
    let mut text = String::from(r#"{"orderId": 10248, "customer": "Zürich", "lines": ["#);
    while text.len() < 280 {
        text.push_str(r#"{"sku": "A-1", "n": 2}, "#);
    }
    text.truncate(text.trim_end_matches([' ', ',']).len());
    text + "]}"
}

/// The payload's, as somebody has registered it.
const SCHEMA: &str = r#"{"type":"record","name":"OrderCreated","fields":[{"name":"orderId","type":"long"},
    {"name":"customer","type":"string"},{"name":"note","type":["null","string"],"default":null},
    {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
        {"name":"sku","type":"string"},{"name":"n","type":"int"}]}}}]}"#;

/// The same as a JSON Schema.
const JSON_SCHEMA: &str = r#"{"type":"object","required":["orderId","lines"],"additionalProperties":false,"properties":{
    "orderId":{"type":"integer"},"customer":{"type":"string"},"note":{"type":["null","string"]},
    "lines":{"type":"array","items":{"type":"object","required":["sku"],"properties":{
        "sku":{"type":"string"},"n":{"type":"integer","minimum":0}}}}}}"#;

/// And in Protobuf.
const PROTO: &str = r#"syntax = "proto3"; message OrderCreated {
    message Line { string sku = 1; int32 n = 2; }
    int64 orderId = 1; string customer = 2; optional string note = 3; repeated Line lines = 4; }"#;

/// Value converter, the payload's kind, and how it is taken apart.
pub struct Case {
    pub name: &'static str,
    value: Converter,
    kind: Kind,
    envelope: bool,
    expand: Option<Nulls>,
}

/// All that are measured.
pub fn cases() -> Vec<Case> {
    let json = |schemas| Converter::Json {
        schemas,
        decimal: DecimalFormat::Base64,
        replace_null_with_default: true,
    };
    let framed = |language, registered: bool, subject| {
        Converter::Framed(Box::new(Framed {
            language,
            subject,
            ids: Ids::Register,
            normalize: false,
            meta: true,
            inferring: Inferring::default(),
            registered: registered
                .then(|| ByRegistered { name: "${type}".into(), unknown: UnknownFields::Refuse }),
            in_header: false,
            latest_ttl_ms: None,
        }))
    };
    let avro = |registered, subject| framed(SchemaType::Avro, registered, subject);
    let other = |language| framed(language, true, Strategy::TopicRecord);
    let rows = [
        ("string", Converter::String, Kind::Json, false, None),
        ("json", json(false), Kind::Json, false, None),
        ("json_with_schema", json(true), Kind::Json, false, None),
        ("envelope_with_schema", json(true), Kind::Json, true, None),
        ("bytes", Converter::Bytes, Kind::Bytes, false, None),
        ("expanded", json(false), Kind::Json, false, Some(Nulls::Ignore)),
        ("avro_text", avro(false, Strategy::Topic), Kind::Json, false, None),
        ("avro_envelope", avro(false, Strategy::Topic), Kind::Json, true, None),
        ("avro_expanded", avro(false, Strategy::Topic), Kind::Json, false, Some(Nulls::Ignore)),
        ("avro_registered", avro(true, Strategy::TopicRecord), Kind::Json, false, None),
        ("json_schema_registered", other(SchemaType::Json), Kind::Json, false, None),
        ("protobuf_registered", other(SchemaType::Protobuf), Kind::Json, false, None),
        ("expanded_with_schema", json(true), Kind::Json, false, Some(Nulls::Ignore)),
    ];
    let case = |(name, value, kind, envelope, expand)| Case { name, value, kind, envelope, expand };
    rows.into_iter().map(case).collect()
}

/// The row's columns: name, kind, text.
fn columns(payload_kind: Kind) -> Vec<(&'static str, Kind, String)> {
    let payload = match payload_kind {
        Kind::Bytes => payload().bytes().fold("\\x".to_owned(), |hex, byte| hex + &format!("{byte:02x}")),
        _ => payload(),
    };
    vec![
        ("id", Kind::Uuid, "59a42efd-b015-44a9-9dde-cb36d9002425".to_owned()),
        ("aggregatetype", Kind::String, "order".to_owned()),
        ("aggregateid", Kind::String, "10711fa5".to_owned()),
        ("type", Kind::String, "OrderCreated".to_owned()),
        ("payload", payload_kind, payload),
    ]
}

fn messages(columns: &[(&str, Kind, String)]) -> [Vec<u8>; 2] {
    let count = (columns.len() as u16).to_be_bytes();
    let mut relation = b"R\0\0\0\x01public\0outbox\0d".to_vec();
    let mut insert = b"I\0\0\0\x01N".to_vec();
    relation.extend(count);
    insert.extend(count);
    for (name, _, text) in columns {
        relation.push(0);
        relation.extend(name.bytes());
        relation.extend([0, 0, 0, 0, 25, 255, 255, 255, 255]);
        insert.push(b't');
        insert.extend((text.len() as u32).to_be_bytes());
        insert.extend(text.bytes());
    }
    [relation, insert]
}

fn plan(columns: &[(&str, Kind, String)], envelope: bool) -> Plan {
    let field = |index: usize| {
        let (name, kind, _) = &columns[index];
        let (name, kind) = ((*name).to_owned(), kind.clone());
        Field { index, name, kind, optional: index == 4, default: None, strict: false }
    };
    Plan {
        generation: 1,
        oid: 1,
        table: "public.outbox".to_owned(),
        schema_stem: "app.public.outbox".to_owned(),
        id: field(0),
        key: field(2),
        payload: field(4),
        route_by: field(1),
        timestamp: None,
        schema_version: None,
        headers: vec![(Arc::from("eventType"), field(3))],
        envelope: envelope.then(|| vec![("eventType".to_owned(), field(3))]),
        partition: None,
        trace: None,
        event_type: Some(field(3)),
        attributes: None,
        old_key: Vec::new(),
    }
}

impl Case {
    /// Hands the event to `measure`, and an encoder that knows its schemas.
    pub fn run(self, measure: impl FnOnce(&mut Encoder, &Event<'_>, &mut Outgoing)) {
        let columns = columns(self.kind);
        let plan = plan(&columns, self.envelope);
        let [relation, insert] = messages(&columns);
        let mut decoder = Decoder::new();
        decoder.decode(&relation).expect("a relation");
        let Ok(Change::Insert { new, .. }) = decoder.decode(&insert) else { panic!("not an insert") };
        let topic = Arc::from("outbox.event.order");
        let event = Event {
            plan: &plan,
            row: new,
            route: "order",
            topic: &topic,
            partition: None,
            timestamp_ms: None,
            schema_version: None,
            old: None,
            committed_ms: None,
            tombstone: false,
        };
        let (schema_type, schema) = schema(&self.value);
        let mut encoder = Encoder::new(encode::Config {
            key: Converter::String,
            value: self.value,
            header: HeaderConverter::Simple,
            verify: None,
            cloud: None,
            context: Some(Context { logical_name: "app".into(), run_id: "a-run".into() }),
            expand: self.expand.map(Into::into),
            messages: None,
            strict: false,
            max_record_bytes: 1 << 20,
        });
        let mut out = Outgoing::default();
        while let Err(NotEncoded::Asks(_)) = encoder.encode(&event, 0, &mut out) {
            let schema = schema.to_owned();
            encoder
                .answer(Ok(Registered { id: 1, guid: None, schema_type, schema, references: Vec::new() }), 0);
        }
        measure(&mut encoder, &event, &mut out);
    }
}

/// What the registry answers.
fn schema(value: &Converter) -> (SchemaType, &'static str) {
    match value {
        Converter::Framed(framed) if framed.language == SchemaType::Json => (framed.language, JSON_SCHEMA),
        Converter::Framed(framed) if framed.language == SchemaType::Protobuf => (framed.language, PROTO),
        _ => (SchemaType::Avro, SCHEMA),
    }
}
