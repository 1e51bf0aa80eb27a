//! Whether a case came out as Debezium has it.

use super::debezium::{Done, PARTITIONS, Theirs};
use crate::differences;
use crate::ours::{self, NOW, Outcome};
use crate::support::Record;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One row that is not as Debezium has it, for people.
#[derive(Debug)]
pub struct Wrong {
    pub strict: bool,
    pub what: String,
}

/// What came of a comparison.
#[derive(Default)]
pub struct Judged {
    pub rows: usize,
    /// What differs on purpose: each reason, and how often.
    pub deliberate: Vec<&'static str>,
    pub wrong: Vec<Wrong>,
}

/// One row, as both have it.
pub struct Met<'m> {
    pub done: &'m Done,
    pub lsn: u64,
    pub theirs: &'m Theirs,
    /// The problems of a configuration that was refused, or what became of the row; `None` where it is passed over.
    pub ours: Result<Option<&'m Outcome>, &'m str>,
}

impl Met<'_> {
    pub fn router(&self) -> &BTreeMap<String, String> {
        &self.done.case.router
    }

    /// Debezium has no record, and something was thrown.
    pub fn died(&self) -> bool {
        matches!(self.theirs, Theirs::Error(_))
    }

    /// With this in it.
    pub fn threw(&self, text: &str) -> bool {
        matches!(self.theirs, Theirs::Error(error) if error.contains(text))
    }

    /// What walpost publishes.
    pub fn record(&self) -> Option<&ours::Record> {
        match self.ours {
            Ok(Some(Outcome::Record(record))) => Some(record),
            _ => None,
        }
    }

    /// What it says of the row that it refuses; empty where it does not.
    pub fn refusal(&self) -> &str {
        match self.ours {
            Ok(Some(Outcome::Rejected(why))) => why,
            _ => "",
        }
    }

    /// The type of the column that a property of the router names; empty without one.
    pub fn column(&self, property: &str) -> &'static str {
        self.column_or(property, "")
    }

    /// The same; without the property it is the one of this name.
    pub fn column_or(&self, property: &str, name: &str) -> &'static str {
        let name = self.router().get(property).map_or(name, String::as_str);
        let column = self.done.case.columns.iter().find(|column| column.name == name);
        column.map_or("", |column| column.sql)
    }

    /// What Debezium publishes.
    pub fn their_record(&self) -> Option<&Record> {
        match self.theirs {
            Theirs::Record(record) => Some(record),
            _ => None,
        }
    }

    /// A row before it has failed.
    pub fn follows_an_error(&self) -> bool {
        self.done.theirs.range(..self.lsn).any(|(_, theirs)| matches!(theirs, Theirs::Error(_)))
    }
}

/// Compares, as things are by default and with `debezium.compat=strict`.
pub fn judge(done: &Done, directory: &Path) -> Judged {
    let mut judged = Judged::default();
    for strict in [false, true] {
        judge_one(done, strict, directory, &mut judged);
    }
    judged
}

fn judge_one(done: &Done, strict: bool, directory: &Path, judged: &mut Judged) {
    let mut properties = done.case.properties(&done.setting);
    properties.extend(ours::outbox());
    let config = ours::load(properties, strict, directory);
    let ours = config.map(|config| {
        let messages = done.written.messages.iter().map(|(_, message)| message.as_slice());
        ours::of_outbox(config, run_id(done), messages, &done.written.facts)
    });
    for (at, (lsn, message)) in done.written.messages.iter().enumerate() {
        let Some(theirs) = done.theirs.get(lsn).filter(|_| matches!(message[0], b'I' | b'U' | b'D')) else {
            continue;
        };
        let ours = ours.as_ref().map(|ours| ours[at].as_ref()).map_err(String::as_str);
        let met = Met { done, lsn: *lsn, theirs, ours };
        judged.rows += 1;
        if let Err(what) = compare(&met) {
            match differences::of_generated(&met, strict) {
                Some(reason) => judged.deliberate.push(reason),
                None => judged.wrong.push(Wrong { strict, what }),
            }
        }
    }
}

fn compare(met: &Met<'_>) -> Result<(), String> {
    match (met.theirs, met.ours) {
        (Theirs::Nothing, Err(_) | Ok(None)) => Ok(()),
        (Theirs::Error(_), Err(_) | Ok(Some(Outcome::Rejected(_)))) => Ok(()),
        (Theirs::Record(theirs), Ok(Some(Outcome::Record(ours)))) => same(theirs, ours),
        (theirs, ours) => Err(format!("Debezium {}\nwalpost  {}", their_text(theirs), our_text(ours))),
    }
}

/// What is not the same, part by part.
pub fn same(theirs: &Record, ours: &ours::Record) -> Result<(), String> {
    let mut wrong = String::new();
    let mut expect = |what: &str, theirs: String, ours: String| {
        if theirs != ours {
            let _ = write!(wrong, "{what}\n    Debezium {theirs}\n    walpost  {ours}\n");
        }
    };
    let part = |bytes: Option<&[u8]>| bytes.map_or("null".to_owned(), crate::shown);
    let headers = |headers: &[(String, Option<Vec<u8>>)]| {
        let one = |(name, value): &(String, Option<Vec<u8>>)| format!("{name}={}", part(value.as_deref()));
        headers.iter().map(one).collect::<Vec<_>>().join("\n             ")
    };
    expect("topic", theirs.topic.clone(), ours.topic.clone());
    expect("headers", headers(&theirs.headers), headers(&ours.headers));
    expect("key", part(theirs.key.as_deref()), part(ours.key.as_deref()));
    expect("value", part(theirs.value.as_deref()), part(ours.value.as_deref()));
    let partition = match (ours.partition, &ours.key) {
        (Some(partition), _) => partition,
        (None, Some(key)) => (murmur2(key) & 0x7fff_ffff) as i32 % PARTITIONS,
        (None, None) => theirs.partition, // any
    };
    expect("partition", theirs.partition.to_string(), partition.to_string());
    if !(ours.timestamp == NOW && is_now(theirs.timestamp_ms)) {
        expect("timestamp", theirs.timestamp_ms.to_string(), ours.timestamp.to_string());
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// A clock's time while the test runs.
fn is_now(timestamp_ms: i64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let then = Duration::from_millis(timestamp_ms.try_into().unwrap_or_default());
    then <= now && now - then < Duration::from_secs(3600)
}

/// The run's id, which is another one in every run of Debezium.
fn run_id(done: &Done) -> Option<String> {
    done.theirs.values().find_map(|theirs| {
        let Theirs::Record(record) = theirs else { return None };
        ours::uuid_in(record.header("__debezium.context.runId")?)
    })
}

fn their_text(theirs: &Theirs) -> String {
    match theirs {
        Theirs::Record(record) => format!(
            "published to {}: key {:?}, value {:?}",
            record.topic,
            record.key.as_deref().map(crate::shown),
            record.value.as_deref().map(crate::shown)
        ),
        Theirs::Error(error) => format!("failed: {}", error.chars().take(600).collect::<String>()),
        Theirs::Nothing => "passed over it".to_owned(),
    }
}

fn our_text(ours: Result<Option<&Outcome>, &str>) -> String {
    match ours {
        Ok(Some(Outcome::Record(record))) => format!(
            "published to {}: key {:?}, value {:?}",
            record.topic,
            record.key.as_deref().map(crate::shown),
            record.value.as_deref().map(crate::shown)
        ),
        Ok(Some(Outcome::Rejected(why))) => format!("refused the row: {why}"),
        Ok(None) => "passed over it".to_owned(),
        Err(problems) => format!("refused the configuration: {problems}"),
    }
}

/// `org.apache.kafka.common.utils.Utils.murmur2`.
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut h = 0x9747_b28c ^ bytes.len() as u32;
    let mut fours = bytes.chunks_exact(4);
    for four in &mut fours {
        let mut k = u32::from_le_bytes(four.try_into().expect("four bytes")).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        h = h.wrapping_mul(M) ^ k;
    }
    let rest = fours.remainder();
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |last, byte| last << 8 | u32::from(*byte));
        h = (h ^ last).wrapping_mul(M);
    }
    h = (h ^ (h >> 13)).wrapping_mul(M);
    h ^ (h >> 15)
}

#[test]
fn keys_are_hashed_as_kafka_does() {
    // As org.apache.kafka.common.utils.Utils.murmur2 gives them.
    let known: [(&[u8], i32); 4] = [
        (b"10711fa5", -452_740_149),
        (b"", 275_646_681),
        (b"null", -75_681_477),
        (b"\x00\xff", -190_448_095),
    ];
    for (key, hash) in known {
        assert_eq!(murmur2(key) as i32, hash);
    }
}
