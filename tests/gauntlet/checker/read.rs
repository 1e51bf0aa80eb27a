//! Reads everything there is when a run is over: the truth table, the topics as a read_committed consumer sees them, and
//! the broker's files.

use super::dump::{Delivered, Dump, Letter, Partition, PartitionLog, Truth, digest};
use super::log::{read_decisions, read_partition};
use crate::support::{Broker, DatabaseHandle, PATIENCE, Reader, Record, wait_until};
use crate::workload::rows::{MESSAGES, Row};
use crate::workload::{letters_topic, position_topic, topics};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use std::time::Duration;

/// Rows of truth fetched at once.
const ROWS: u32 = 20_000;

pub fn read(db: &DatabaseHandle, kafka: &Broker, dump: &mut Dump) {
    dump.counts_exact = db.server().major() >= 15;
    dump.truth = truth(db);
    let mut ends = ends(db, kafka);
    dump.position_log = ends.pop().expect("the position topic");
    let topics: Vec<_> = topics(db).into_iter().map(|(topic, _)| topic).collect();
    let kind = |of: &PartitionLog| topics.iter().position(|topic| *topic == of.topic).unwrap_or(0) as u32;
    let partition = |of| Partition { kind: kind(&of), of, events: Vec::new() };
    dump.partitions = ends.into_iter().map(partition).collect();
    events(kafka, &topics, &letters_topic(db), dump);
    positions(kafka, dump);
    let data = kafka.data_directory();
    let logs = dump.partitions.iter_mut().map(|partition| &mut partition.of).chain([&mut dump.position_log]);
    for of in logs {
        match read_partition(&data.join(format!("{}-{}", of.topic, of.number))) {
            Ok(log) => of.log = log,
            Err(what) => dump.unread.push(what),
        }
    }
    let ours = topics.iter().chain([&dump.position_log.topic]);
    match read_decisions(&data, |topic| ours.clone().any(|ours| ours == topic)) {
        Ok(decisions) => dump.decisions = decisions,
        Err(what) => dump.unread.push(what),
    }
}

/// The ends of every partition, the position topic's last; nothing else is known of them yet.
pub fn ends(db: &DatabaseHandle, kafka: &Broker) -> Vec<PartitionLog> {
    let [uncommitted, committed] = ["read_uncommitted", "read_committed"].map(|level| -> BaseConsumer {
        kafka.client().set("isolation.level", level).create().expect("a consumer")
    });
    let end = |consumer: &BaseConsumer, topic: &str, number| {
        wait_until("the end of a partition", PATIENCE, || {
            Some(consumer.fetch_watermarks(topic, number, Duration::from_secs(5)).ok()?.1)
        })
    };
    let events = topics(db)
        .into_iter()
        .flat_map(|(topic, partitions)| (0..partitions).map(move |n| (topic.clone(), n)));
    let all = events.chain([(position_topic(db), 0)]).map(|(topic, number)| {
        let (high, stable) = (end(&uncommitted, &topic, number), end(&committed, &topic, number));
        PartitionLog { topic, number, high, stable, ..PartitionLog::default() }
    });
    all.collect()
}

/// From the path of its libraries.
pub fn kafka_version(kafka: &Broker) -> String {
    let command = kafka.pid().and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok());
    let command = command.unwrap_or_default();
    let version = command.split('/').find_map(|part| part.strip_prefix("kafka-"));
    version.filter(|version| version.starts_with(char::is_numeric)).unwrap_or("unknown").to_owned()
}

/// Each row, and what Postgres makes of its payload, piece by piece.
fn truth(db: &DatabaseHandle) -> Vec<Truth> {
    let (port, name) = (db.server().port(), db.name().to_owned());
    let url = format!("host=127.0.0.1 port={port} user=postgres dbname={name}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("a connection");
        tokio::spawn(connection);
        let cursor = "begin; declare rows cursor for
            select id::text, xid, ordinal, aggregate, version, floor(extract(epoch from at) * 1000)::bigint,
                   substr(sha256(framed(truth)), 1, 8), octet_length(framed(truth)), bad
            from truth";
        client.batch_execute(cursor).await.expect("a cursor");
        let mut truth = Vec::new();
        loop {
            let rows = client.query(&format!("fetch {ROWS} from rows"), &[]).await.expect("rows of truth");
            if rows.is_empty() {
                return truth;
            }
            truth.extend(rows.iter().map(|row| Truth {
                id: row.get::<_, &str>(0).parse::<uuid::Uuid>().expect("a UUID").as_u128(),
                xid: row.get::<_, i64>(1) as u32,
                ordinal: row.get::<_, i32>(2) as u32,
                aggregate: row.get::<_, i32>(3) as u32,
                version: row.get::<_, i64>(4) as u64,
                at_ms: row.get(5),
                digest: u64::from_be_bytes(row.get::<_, &[u8]>(6).try_into().expect("eight bytes")),
                bytes: row.get::<_, i32>(7) as u64,
                bad: row.get::<_, Option<&str>>(8).map(|bad| Row::named(bad).expect("a bad row")),
            }));
        }
    })
}

fn events(kafka: &Broker, topics: &[String], letters: &str, dump: &mut Dump) {
    let mut reader = kafka.reader(&topics.iter().map(String::as_str).collect::<Vec<_>>());
    reader.visit(|record| {
        let at = dump.partitions.iter_mut().find(|partition| is_of(&partition.of, &record));
        let partition = at.expect("the partitions that were made");
        partition.of.read += 1;
        partition.events.push(if record.topic == letters { letter(&record) } else { delivered(&record) });
    });
    dump.partitions.iter_mut().for_each(|partition| came_to(&mut partition.of, &reader));
}

fn positions(kafka: &Broker, dump: &mut Dump) {
    let mut reader = kafka.reader(&[&dump.position_log.topic]);
    let (positions, unread, log) = (&mut dump.positions, &mut dump.unread, &mut dump.position_log);
    reader.visit(|record| {
        log.read += 1;
        match serde_json::from_slice(record.value.as_deref().unwrap_or_default()) {
            Ok(position) => positions.push((record.offset, position)),
            Err(error) => unread.push(format!("position at offset {}: {error}", record.offset)),
        }
    });
    came_to(log, &reader);
}

fn came_to(of: &mut PartitionLog, reader: &Reader) {
    of.read_to = reader.reached(&of.topic, of.number).unwrap_or(0);
}

fn is_of(of: &PartitionLog, record: &Record) -> bool {
    of.number == record.partition && of.topic == record.topic
}

fn delivered(record: &Record) -> Delivered {
    let id = record.header("id").unwrap_or_default();
    let uuid = id.parse::<uuid::Uuid>().ok().filter(|uuid| uuid.to_string() == id);
    Delivered {
        offset: record.offset,
        id: uuid.map_or(0, |uuid| uuid.as_u128()),
        key: key(record),
        at_ms: record.timestamp_ms,
        digest: digest(record.value.as_deref().unwrap_or_default()),
        headers_right: uuid.is_some() && record.headers.len() == 1,
        letter: None,
    }
}

/// A dead letter as its event. What was not sent in its value is in its header `row`, or the letter says how large it is;
/// a message's value is all of the message.
fn letter(record: &Record) -> Delivered {
    let told = |name: &str| record.header(&format!("outbox.dlt.{name}")).unwrap_or_default();
    let (id, payload_is) = (told("event.id").parse::<uuid::Uuid>().ok(), told("payload"));
    let content = match payload_is {
        "row" => content(told("row")),
        _ if told("message.prefix") == MESSAGES => record.value.as_deref().and_then(payload),
        _ => record.value.clone(),
    };
    let bytes = content.as_ref().map(|content| content.len() as u64);
    Delivered {
        offset: record.offset,
        id: id.map_or(0, |uuid| uuid.as_u128()),
        key: key(record),
        at_ms: record.timestamp_ms,
        digest: digest(content.as_deref().unwrap_or_default()),
        headers_right: id.is_some(),
        letter: Some(Letter {
            reason: told("reason").to_owned(),
            payload_is: payload_is.to_owned(),
            has_key: record.key.is_some(),
            has_payload: content.is_some(),
            bytes: bytes.or_else(|| told("payload.bytes").parse().ok()),
        }),
    }
}

/// The column `content` of a row in a header.
fn content(row: &str) -> Option<Vec<u8>> {
    let row: serde_json::Value = serde_json::from_str(row).ok()?;
    let hex = row["content"].as_str()?.strip_prefix("\\x")?.as_bytes();
    hex.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// The member `payload` of a message.
fn payload(message: &[u8]) -> Option<Vec<u8>> {
    let message: serde_json::Value = serde_json::from_slice(message).ok()?;
    Some(message["payload"].as_str()?.as_bytes().to_vec())
}

/// If it is a plain decimal number.
fn key(record: &Record) -> Option<u32> {
    let key = std::str::from_utf8(record.key.as_deref()?).ok()?;
    key.parse().ok().filter(|number: &u32| number.to_string() == key)
}
