//! The same rows and properties through walpost: decode, route, encode.

use crate::capture::Capture;
use crate::golden::{Run, text};
use serde_json::{Map, Value, json};
use std::path::Path;
use walpost::config::{self, Config};
use walpost::decode::{Change, Decoder};
use walpost::encode::change::{At, Order};
use walpost::encode::transactions::Boundary;
use walpost::encode::{Encoder, NotEncoded, Outgoing, RecordRef};
use walpost::lsn::Lsn;
use walpost::registry::{Refused, Registered, What};
use walpost::rejection::Rejection;
use walpost::route::{Routed, Router, TableFacts};

/// Our clock while a run is encoded.
pub const NOW: i64 = 1_795_406_662_569;

/// What became of one row.
#[derive(Clone, Debug)]
pub enum Outcome {
    Record(Record),
    /// The rejection's reason and detail.
    Rejected(String),
}

/// A record as it would be handed to Kafka's producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub topic: String,
    pub partition: Option<i32>,
    pub timestamp: i64,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

/// Reads the run's properties as a user would write them; the error is every problem.
pub fn configure(run: &Run, strict: bool, directory: &Path) -> Result<Config, String> {
    let mut properties = run.connector().clone();
    if run.router().is_some() {
        properties.extend(outbox());
    }
    for (key, value) in run.router().into_iter().flatten() {
        properties.insert(format!("transforms.outbox.{key}"), value.clone());
    }
    for place in ["key.converter", "value.converter", "header.converter"] {
        if run.converter_class(place) == "AvroConverter" {
            properties.insert(format!("{place}.schema.registry.url"), "http://127.0.0.1:8081".into());
        }
        for (key, value) in run.converter(place) {
            let key = if key == "class" { place.to_owned() } else { format!("{place}.{key}") };
            properties.insert(key, value.clone());
        }
    }
    load(properties, strict, directory)
}

/// The properties of an event router.
pub fn outbox() -> [(String, Value); 2] {
    let class = "io.debezium.transforms.outbox.EventRouter";
    [("transforms".into(), "outbox".into()), ("transforms.outbox.type".into(), class.into())]
}

/// Reads properties that differ from those that all connectors here have.
pub fn load(given: Map<String, Value>, strict: bool, directory: &Path) -> Result<Config, String> {
    let mut properties = Map::new();
    let base = json!({
        "name": "golden",
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "plugin.name": "pgoutput",
        "snapshot.mode": "no_data",
        "topic.prefix": "app",
        "database.hostname": "127.0.0.1",
        "database.user": "postgres",
        "database.dbname": "postgres",
        "bootstrap.servers": "127.0.0.1:9092",
    });
    properties.extend(base.as_object().expect("an object").clone());
    properties.insert("debezium.compat".into(), if strict { "strict" } else { "default" }.into());
    properties.extend(given);
    let path = directory.join("connector.json");
    std::fs::write(&path, Value::Object(properties).to_string()).expect("a file");
    let loaded = config::load(&path, None, &|_| None).map_err(|problems| problems.to_string())?;
    Ok(loaded.config)
}

/// Every row's outcome, in order, but for rows that are passed over; and what is told of transactions.
pub fn outcomes(run: &Run, config: Config, capture: &Capture) -> Vec<Outcome> {
    let mut encode = config.encode;
    if let (Some(context), Some(run_id)) = (&mut encode.context, run_id(run)) {
        context.run_id = run_id;
    }
    let (mut decoder, mut router) = (Decoder::new(), Router::new(config.route));
    let (mut encoder, mut outgoing) = (Encoder::new(encode), Outgoing::default());
    let (mut outcomes, mut place) = (Vec::new(), Place::default());
    let rows = capture.messages.iter().filter(|(_, message)| message.first() == Some(&b'I')).count();
    for (lsn, message) in &capture.messages {
        let change = decoder.decode(message).expect("a message");
        if let Change::Relation(relation) = &change {
            router.learn(relation, &capture.facts);
        }
        outgoing.clear(0);
        let rejection = match &change {
            Change::Begin { .. } | Change::Commit { .. } if router.transactions().is_some() => {
                let boundary = place.boundary(&change, *lsn, &router);
                boundary.and_then(|(boundary, counts)| {
                    let boundary = Boundary { counts: counts.as_deref(), ..boundary };
                    asking(run, &mut encoder, |encoder| encoder.boundary(&boundary, &mut outgoing))
                })
            }
            _ => {
                if matches!(change, Change::Insert { .. }) {
                    place.row += 1;
                }
                let marker = run.is_snapshot().then_some(match place.row {
                    1 => "first",
                    row if row == rows => "last",
                    _ => "true",
                });
                let at = place.at(*lsn, marker, router.transactions().is_some());
                match router.route(&change) {
                    Routed::Skipped(_) => continue,
                    Routed::Rejected(rejection) => Some(rejection),
                    Routed::Event(event) => {
                        asking(run, &mut encoder, |encoder| encoder.encode(&event, NOW, &mut outgoing))
                    }
                    Routed::Change(changed) => {
                        asking(run, &mut encoder, |encoder| encoder.change(&changed, &at, &mut outgoing))
                    }
                    Routed::Truncated(_) => None,
                }
            }
        };
        match rejection {
            Some(rejection) => outcomes.push(Outcome::of(&rejection)),
            None => outcomes.extend(outgoing.iter().map(|record| Outcome::Record(Record::of(&record)))),
        }
    }
    outcomes
}

/// What becomes of each message of an outbox table's stream; `None` of one that is passed over.
pub fn of_outbox<'m>(
    config: Config,
    run_id: Option<String>,
    messages: impl Iterator<Item = &'m [u8]>,
    facts: &TableFacts,
) -> Vec<Option<Outcome>> {
    let mut encode = config.encode;
    if let (Some(context), Some(run_id)) = (&mut encode.context, run_id) {
        context.run_id = run_id;
    }
    let (mut decoder, mut router) = (Decoder::new(), Router::new(config.route));
    let (mut encoder, mut outgoing) = (Encoder::new(encode), Outgoing::default());
    let outcome = |message| {
        let change = decoder.decode(message).expect("a message");
        if let Change::Relation(relation) = &change {
            router.learn(relation, facts);
        }
        outgoing.clear(0);
        let encoded = match router.route(&change) {
            Routed::Skipped(_) => return None,
            Routed::Rejected(rejection) => Err(NotEncoded::Rejected(rejection)),
            Routed::Event(event) => encoder.encode(&event, NOW, &mut outgoing),
            Routed::Change(_) | Routed::Truncated(_) => panic!("an outbox has events alone"),
        };
        Some(match encoded {
            Ok(()) => Outcome::Record(Record::of(&outgoing.iter().next().expect("a record"))),
            Err(NotEncoded::Rejected(rejection)) => Outcome::of(&rejection),
            Err(NotEncoded::Asks(question)) => panic!("there is no registry: {question:?}"),
        })
    };
    messages.map(outcome).collect()
}

/// Where the stream is.
#[derive(Default)]
struct Place {
    xid: u32,
    commit_us: i64,
    row: usize,
}

impl Place {
    fn at(&self, lsn: Lsn, snapshot: Option<&'static str>, has_order: bool) -> At<'static> {
        let row = self.row as u64;
        At {
            lsn,
            xid: Some(self.xid),
            commit_us: self.commit_us,
            // Debezium's runs came one after the other; only a snapshot's has no commit before it.
            committed: snapshot.is_none().then_some(Lsn::new(1)),
            snapshot,
            origin: None,
            order: has_order.then_some(Order { total: row, in_table: row }),
            now_ns: NOW * 1_000_000,
        }
    }

    /// What is told of a transaction that begins or ends here; of one that ends, how many events it had.
    fn boundary<'r>(
        &mut self,
        change: &Change<'_>,
        lsn: Lsn,
        router: &'r Router,
    ) -> Option<(Boundary<'r>, Option<Counts>)> {
        let counts = match change {
            Change::Begin { commit_us, xid, .. } => {
                (self.xid, self.commit_us, self.row) = (*xid, *commit_us, 0);
                None
            }
            _ => Some(vec![("public.outbox".to_owned(), self.row as u64)]),
        };
        let topic = router.transactions()?;
        let Place { xid, commit_us, .. } = *self;
        Some((Boundary { topic, xid, lsn, commit_us, counts: None, now_ms: NOW }, counts))
    }
}

/// Events of each table.
type Counts = Vec<(String, u64)>;

/// Asks the registry that Debezium had, which knows the run's schemas and no other text.
fn asking(
    run: &Run,
    encoder: &mut Encoder,
    mut write: impl FnMut(&mut Encoder) -> Result<(), NotEncoded>,
) -> Option<Rejection> {
    loop {
        let question = match write(encoder) {
            Ok(()) => return None,
            Err(NotEncoded::Rejected(rejection)) => return Some(rejection),
            Err(NotEncoded::Asks(question)) => question,
        };
        let What::Register { schema, schema_type, .. } = &question.what else { panic!("{question:?}") };
        assert!(["-key", "-value"].iter().any(|part| question.subject == format!("outbox.event.User{part}")));
        let known = run.schemas().into_iter().find(|(text, _)| text == schema);
        let answer = match known {
            Some((_, id)) => Ok(Registered {
                id,
                guid: None,
                schema_type: *schema_type,
                schema: schema.clone(),
                references: Vec::new(),
            }),
            None => Err(Refused { what: format!("Debezium has registered no {schema}"), hint: "" }),
        };
        encoder.answer(answer, NOW);
    }
}

/// A heartbeat with the run's converters.
pub fn heartbeat(config: Config, now_ms: i64) -> Result<Record, String> {
    let (topic, prefix) = (config.heartbeat_topic.into(), config.topic_prefix);
    let (mut encoder, mut outgoing) = (Encoder::new(config.encode), Outgoing::default());
    encoder.heartbeat(&topic, &prefix, now_ms, &mut outgoing).map_err(|why| format!("{why:?}"))?;
    Ok(Record::of(&outgoing.iter().next().expect("a record")))
}

impl Outcome {
    fn of(rejection: &Rejection) -> Outcome {
        Outcome::Rejected(format!("{}: {}", rejection.reason.name(), rejection.detail))
    }
}

impl Record {
    fn of(record: &RecordRef<'_>) -> Record {
        let headers = record.headers().map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)));
        Record {
            topic: record.topic.to_string(),
            partition: record.partition,
            timestamp: record.timestamp_ms,
            headers: headers.collect(),
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
        }
    }
}

/// The run id that Debezium had: ours must be the same to be told apart from nothing else.
fn run_id(run: &Run) -> Option<String> {
    let headers = run.expected.iter().find_map(|expected| expected.outcome["headers"].as_array())?;
    let header = headers.iter().find(|header| header[0] == "__debezium.context.runId")?;
    uuid_in(text(&header[1]))
}

/// A UUID, wherever the header's converter puts it.
pub fn uuid_in(value: &str) -> Option<String> {
    let at = (0..value.len().saturating_sub(35)).find(|at| is_uuid(&value[*at..*at + 36]))?;
    Some(value[at..at + 36].to_owned())
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}
