//! Logical decoding messages that nothing decodes: the real Debezium and walpost on one database, and what each publishes.
//!
//! Key, value and headers must be equal byte for byte, but for what the connector's clock says; and so must be what is told of
//! transactions, in which Debezium names each message's collection by the identity of an object.

use crate::support::{
    Broker, ConnectOptions, ConnectWorker, Connector, ConnectorBuilder, Database, DatabaseHandle, PATIENCE,
    Record, for_connect,
};
use serde_json::{Value, json};

/// Properties beside those that all have.
type Way = &'static [(&'static str, &'static str)];

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
const DELEGATE: &str = "value.converter.delegate.converter.type";

/// Without an event router; behind one; where the decoder's predicate leaves messages alone; and each notation of bytes.
const WAYS: [Way; 4] = [
    &[
        ("transforms", ""),
        ("key.converter", JSON),
        ("value.converter", JSON),
        ("provide.transaction.metadata", "true"),
        ("extended.headers.enabled", "true"),
    ],
    &[
        ("value.converter", JSON),
        ("value.converter.schemas.enable", "false"),
        ("provide.transaction.metadata", "true"),
        ("binary.handling.mode", "hex"),
    ],
    &[
        ("transforms", "decode,outbox"),
        (
            "transforms.decode.type",
            "io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent",
        ),
        ("transforms.decode.predicate", "rows"),
        ("predicates", "rows"),
        ("predicates.rows.type", "org.apache.kafka.connect.transforms.predicates.TopicNameMatches"),
        ("predicates.rows.pattern", ".*\\.public\\..*"),
        ("binary.handling.mode", "base64-url-safe"),
    ],
    &[
        ("key.converter", JSON),
        ("key.converter.schemas.enable", "false"),
        ("value.converter", "io.debezium.converters.BinaryDataConverter"),
        (DELEGATE, JSON),
        ("value.converter.delegate.converter.type.schemas.enable", "true"),
        ("value.converter.delegate.converter.type.replace.null.with.default", "false"),
        ("binary.handling.mode", "base64"),
    ],
];

/// One call each: a transaction, or several statements of one.
const WRITTEN: [&str; 8] = [
    "insert into outbox values (default, 'order', 'k', 't', '{}')",
    "select pg_logical_emit_message(false, 'audit', 'of no transaction')",
    "begin; select pg_logical_emit_message(true, 'audit', 'in one');
     insert into outbox values (default, 'order', 'k', 't', '{}');
     select pg_logical_emit_message(true, 'audit', '\\x00ff80fbef'::bytea);
     select pg_logical_emit_message(true, 'excluded', 'not meant');
     select pg_logical_emit_message(true, 'Ünï \"quoted\" {x}', '');
     select pg_logical_emit_message(false, 'audit', 'inside, and not of it'); commit",
    "select pg_logical_emit_message(false, 'excluded', 'not meant')",
    "begin; insert into outbox values (default, 'order', 'k', 't', '{}');
     select pg_logical_emit_message(true, 'audit', '{\"a\":1}'); commit",
    "begin; select pg_logical_emit_message(true, 'audit', 'rolled back');
     select pg_logical_emit_message(false, 'audit', 'and yet there'); rollback",
    "select pg_logical_emit_message(true, 'audit', repeat('long ', 20000))",
    "insert into outbox values (default, 'order', 'k', 't', '{}')",
];
/// Messages among them that are published.
const MESSAGES: usize = 8;
/// Transactions with anything in them.
const TRANSACTIONS: usize = 5;

#[test]
fn messages_that_nothing_decodes_are_told_as_the_real_debezium_tells_them() {
    let broker = Broker::start();
    let worker = ConnectWorker::start(&broker, ConnectOptions::new());
    for way in WAYS {
        compare(way, &broker, &worker);
    }
}

fn compare(way: Way, broker: &Broker, worker: &ConnectWorker) {
    let db = Database::shared().fresh_database();
    db.create_outbox();
    db.execute("create publication walpost for table outbox");
    let mut builder = Connector::new(&db, broker)
        .set("publication.autocreate.mode", "disabled")
        .set("message.prefix.exclude.list", "excluded")
        .set("topic.creation.default.partitions", 1)
        .set("topic.creation.default.replication.factor", 1);
    for (name, value) in way {
        builder = builder.set(name, value);
    }
    if builder.get("transforms").is_empty() {
        let of_router = ["transforms", "transforms.outbox.type", "transforms.outbox.route.topic.replacement"];
        builder = of_router.iter().fold(builder, |builder, name| builder.unset(name));
    }
    let prefix = |whose: &str| format!("{}-{whose}", db.name());
    let mut ours = builder.clone().set("topic.prefix", prefix("walpost")).start();
    ours.wait_ready();
    start_theirs(&builder.set("topic.prefix", prefix("the-others")), &db, worker);
    WRITTEN.iter().for_each(|statements| db.execute(statements));

    let of = |whose: &str, topic: &str, count| {
        let records = broker.wait_records(&[&format!("{}.{topic}", prefix(whose))], count, PATIENCE);
        let told = |record: &Record| told(record, &prefix(whose));
        records.iter().map(told).collect::<Vec<_>>()
    };
    let equal = |topic: &str, count: usize, alike: fn(&String) -> String| {
        let [theirs, ours] = ["the-others", "walpost"].map(|whose| of(whose, topic, count));
        assert_eq!(ours.len(), theirs.len(), "{way:?}: {topic}");
        for (theirs, ours) in theirs.iter().zip(&ours) {
            assert_eq!(alike(ours), alike(theirs), "{way:?}: {topic}");
        }
        println!("{topic}: {} records alike, the first of them {}", ours.len(), ours[0]);
    };
    equal("message", MESSAGES, String::clone);
    if way.iter().any(|(name, _)| *name == "provide.transaction.metadata") {
        equal("transaction", 2 * TRANSACTIONS, |told| summed(told));
    }
    worker.delete(db.name());
    db.wait_for(&format!(
        "select not active from pg_replication_slots where slot_name = '{}_theirs'",
        db.name()
    ));
}

fn start_theirs(builder: &ConnectorBuilder, db: &DatabaseHandle, worker: &ConnectWorker) {
    let slot = format!("{}_theirs", db.name());
    worker.put(db.name(), &for_connect(&builder.clone().set("slot.name", &slot)));
    worker.wait_running(db.name());
    db.wait_for(&format!("select active from pg_replication_slots where slot_name = '{slot}'"));
}

/// A record for people, without whose it is and what the clock said.
fn told(record: &Record, prefix: &str) -> String {
    let text = |bytes: Option<&[u8]>| bytes.map_or("null".to_owned(), crate::shown);
    let mut value = text(record.value.as_deref());
    for before in ["\"op\":\"m\",\"ts_ms\":", "op=m,ts_ms="] {
        if let Some(at) = value.find(before) {
            let from = at + before.len();
            let digits = value[from..].bytes().take_while(u8::is_ascii_digit).count();
            value.replace_range(from..from + digits, "…");
        }
    }
    let headers: Vec<_> = record.headers.iter().map(|(name, value)| (name, text(value.as_deref()))).collect();
    format!("{} {value} {headers:?}", text(record.key.as_deref())).replace(prefix, "PREFIX")
}

/// The end of a transaction with all its messages as one collection.
fn summed(told: &str) -> String {
    const IDENTITY: &str = "LogicalDecodingMessageId@";
    let Some((begin, end)) = told.find("\"data_collections\":[").zip(told.rfind(']')) else {
        return told.to_owned();
    };
    let begin = begin + "\"data_collections\":".len();
    let end = told[begin..end].find(']').map_or(end, |at| begin + at);
    let collections: Vec<Value> = serde_json::from_str(&told[begin..=end]).expect("a list");
    let mut counts = std::collections::BTreeMap::new();
    for collection in &collections {
        let name = collection["data_collection"].as_str().expect("a name");
        let name = if name.contains(IDENTITY) { "LOGICAL_DECODING_MESSAGE" } else { name };
        *counts.entry(name).or_insert(0) += collection["event_count"].as_i64().expect("a number");
    }
    format!("{}{}{}", &told[..begin], json!(counts), &told[end + 1..])
}
