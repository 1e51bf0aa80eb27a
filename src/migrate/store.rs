//! Where the old connector's offset is kept: Connect's offsets topic, or the file of Debezium Server.
//!
//! A record's key is `["<connector>",{"server":"<topic.prefix>"}]`, its value the offset. Connect looks offsets up by the very
//! bytes of the key: what is written back has those that were found.

use super::java_map;
use super::offset::Offset;
use crate::encode::Outgoing;
use crate::error::{Exit, Failure};
use crate::kafka::scan::Scan;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long somebody else's open transaction in the offsets topic is waited for: as long as Kafka lets one be open.
const OPEN_PATIENCE: Duration = Duration::from_secs(70);

/// The place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// A Connect worker's `offset.storage.topic`, or the connector's own.
    Topic(String),
    /// A file of Kafka's `FileOffsetBackingStore`.
    File(PathBuf),
}

/// Whose offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The connector's name; `None`: any, if there is but one.
    pub name: Option<String>,
    /// `topic.prefix`.
    pub server: String,
}

/// The partition and the value of a key's last record.
type Newest = (Option<i32>, Option<Vec<u8>>);

/// One that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The key's bytes.
    pub key: Vec<u8>,
    /// Where in the topic it lies.
    pub partition: Option<i32>,
    /// The offset; `None`: a tombstone.
    pub offset: Option<Offset>,
}

impl Store {
    /// The owner's offset; `None` when there never was one. Blocks.
    pub fn read(&self, kafka: &BTreeMap<String, String>, owner: &Owner) -> Result<Option<Kept>, Failure> {
        let mut found: BTreeMap<Vec<u8>, Newest> = BTreeMap::new();
        match self {
            Store::Topic(topic) => read_topic(kafka, topic, owner, &mut found)?,
            Store::File(path) => {
                let entries = read_file(path)?.into_iter().filter(|(key, _)| owner.has(key));
                found.extend(entries.map(|(key, value)| (key, (None, value))));
            }
        }
        let mut found = found.into_iter();
        let Some((key, (partition, value))) = found.next() else { return Ok(None) };
        if let Some((other, _)) = found.next() {
            let [one, other] = [&key, &other].map(|key| String::from_utf8_lossy(key).into_owned());
            return Err(Failure::new(
                Exit::Usage,
                format!("{self} has more than one offset of {:?}", owner.server),
                format!("{one} and {other}"),
                "say whose it is: --connector NAME",
            ));
        }
        let offset = value.as_deref().map(Offset::parse).transpose().map_err(|what| {
            let key = String::from_utf8_lossy(&key).into_owned();
            Failure::new(
                Exit::PositionMissing,
                format!("the offset of {key} in {self} cannot be read"),
                what,
                "",
            )
        })?;
        Ok(Some(Kept { key, partition, offset }))
    }
}

impl std::fmt::Display for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Store::Topic(topic) => write!(f, "topic {topic}"),
            Store::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

impl Owner {
    /// The key as Connect's JsonConverter writes it.
    pub fn key(&self, name: &str) -> Vec<u8> {
        json!([name, { "server": self.server }]).to_string().into_bytes()
    }

    /// Whether the key is this owner's.
    fn has(&self, key: &[u8]) -> bool {
        let Ok(Value::Array(parts)) = serde_json::from_slice(key) else { return false };
        let [Value::String(name), partition] = parts.as_slice() else { return false };
        let is_server = partition.get("server").and_then(Value::as_str) == Some(&self.server);
        is_server && self.name.as_ref().is_none_or(|wanted| wanted == name)
    }
}

/// Every record of the owner up to the high watermark, the last one of each key.
fn read_topic(
    kafka: &BTreeMap<String, String>,
    topic: &str,
    owner: &Owner,
    found: &mut BTreeMap<Vec<u8>, Newest>,
) -> Result<(), Failure> {
    let reading =
        |error: crate::kafka::Error| Failure::from_kafka(&error, "reading the old connector's offsets");
    let scan = Scan::connect(kafka).map_err(reading)?;
    let spans = scan.spans(topic, OPEN_PATIENCE).map_err(reading)?;
    if spans.is_empty() {
        return Err(Failure::new(
            Exit::NotFound,
            format!("there is no topic {topic}"),
            "the old connector's offset should be there",
            "name the worker's offset.storage.topic (or the connector's offsets.storage.topic): --offsets-topic",
        ));
    }
    if let Some(open) = spans.iter().find(|span| span.is_open) {
        return Err(Failure::new(
            Exit::Kafka,
            format!(
                "a transaction is open in topic {topic}, partition {}, from offset {}",
                open.partition, open.end
            ),
            "it may be the old connector's, which then still runs, or the last one of a worker that was killed; what it \
             brings cannot be seen before it ends",
            "see that the old connector is stopped; kafka-transactions.sh list tells whose it is, and Kafka ends it after its \
             transaction.timeout.ms",
        ));
    }
    let mut elsewhere = None;
    scan.read(topic, &spans, |record| {
        let Some(key) = record.key().filter(|key| owner.has(key)) else { return Ok(()) };
        let kept = (Some(record.partition()), record.value().map(<[u8]>::to_vec));
        let before = found.insert(key.to_vec(), kept);
        if before.is_some_and(|(partition, _)| partition != Some(record.partition())) {
            elsewhere = Some(record.partition());
        }
        Ok::<(), crate::kafka::Error>(())
    })
    .map_err(reading)?;
    match elsewhere {
        None => Ok(()),
        Some(partition) => Err(Failure::new(
            Exit::PositionMissing,
            format!("the old connector's offset is in two partitions of topic {topic}"),
            format!(
                "one of them is {partition}: the topic was given more partitions. Which is the newer cannot be told"
            ),
            "start the old connector once more and look which one it writes to; then delete the other: kafka-delete-records.sh",
        )),
    }
}

fn read_file(path: &Path) -> Result<Vec<java_map::Entry>, Failure> {
    let unreadable = |what: String| {
        let file = path.display();
        Failure::new(
            Exit::NotFound,
            format!("the old connector's offset file {file} cannot be read: {what}"),
            "",
            "name the file that debezium.source.offset.storage.file.filename names: --offsets-file",
        )
    };
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    java_map::parse(&bytes).map_err(unreadable)
}

/// Writes the offset into the file: beside it first, so that it is there whole or not at all.
pub fn write_file(path: &Path, key: &[u8], offset: &Offset) -> Result<(), Failure> {
    let mut entries = if path.exists() { read_file(path)? } else { Vec::new() };
    let value = Some(offset.json().to_string().into_bytes());
    match entries.iter_mut().find(|(other, _)| other == key) {
        Some((_, kept)) => *kept = value,
        None => entries.push((key.to_vec(), value)),
    }
    let beside = path.with_extension("walpost-new");
    let written = std::fs::File::create(&beside).and_then(|mut file| {
        file.write_all(&java_map::write(&entries))?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&beside, path)).map_err(|error| {
        let hint = "check who may write there; nothing else was changed";
        Failure::new(Exit::Failure, format!("writing {}: {error}", path.display()), "", hint)
    })
}

/// The offset as a record of the topic.
pub fn record(topic: &str, kept: &Kept, offset: &Offset, now_ms: i64) -> Outgoing {
    let mut outgoing = Outgoing::default();
    let mut draft = outgoing.draft();
    let key = outgoing.key(&mut draft, |bytes| {
        bytes.extend(&kept.key);
        Ok::<bool, std::convert::Infallible>(true)
    });
    let value = outgoing.value(&mut draft, |bytes| {
        bytes.extend(offset.json().to_string().into_bytes());
        Ok::<bool, std::convert::Infallible>(true)
    });
    let (Ok(()), Ok(())) = (key, value);
    outgoing.finish(draft, &Arc::from(topic), kept.partition, now_ms);
    outgoing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lsn::Lsn;

    fn owner(name: Option<&str>) -> Owner {
        Owner { name: name.map(str::to_owned), server: "app".into() }
    }

    fn at(lsn: u64) -> Offset {
        Offset { lsn: Some(Lsn::new(lsn)), lsn_commit: Some(Lsn::new(lsn)), ..Offset::default() }
    }

    #[test]
    fn a_key_is_the_owners_by_connector_and_server() {
        let key = owner(None).key("shop");
        assert_eq!(key, br#"["shop",{"server":"app"}]"#);
        assert!(owner(Some("shop")).has(&key) && owner(None).has(&key));
        for other in [r#"["other",{"server":"app"}]"#, r#"["shop",{"server":"x"}]"#, r#"["shop"]"#, "x", ""] {
            assert!(!owner(Some("shop")).has(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_file_keeps_what_is_not_ours() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("offsets.dat");
        let other = (b"[\"kafka\",{\"server\":\"else\"}]".to_vec(), Some(b"{}".to_vec()));
        std::fs::write(&path, java_map::write(std::slice::from_ref(&other))).unwrap();
        let (store, kafka) = (Store::File(path.clone()), BTreeMap::new());
        assert_eq!(store.read(&kafka, &owner(None)), Ok(None));
        let key = owner(None).key("kafka");
        for lsn in [7, 9] {
            write_file(&path, &key, &at(lsn)).unwrap();
            let kept = store.read(&kafka, &owner(None)).unwrap().unwrap();
            assert_eq!(kept, Kept { key: key.clone(), partition: None, offset: Some(at(lsn)) });
        }
        let entries = java_map::parse(&std::fs::read(&path).unwrap()).unwrap();
        assert!(entries.len() == 2 && entries.contains(&other), "{entries:?}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn two_connectors_with_one_server_must_be_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("offsets.dat");
        for name in ["one", "two"] {
            write_file(&path, &owner(None).key(name), &at(7)).unwrap();
        }
        let (store, kafka) = (Store::File(path), BTreeMap::new());
        let failure = store.read(&kafka, &owner(None)).unwrap_err();
        assert!(failure.detail.contains("\"two\"") && failure.hint.contains("--connector"), "{failure}");
        assert!(store.read(&kafka, &owner(Some("two"))).unwrap().is_some());
        let missing = Store::File("/nowhere".into()).read(&kafka, &owner(None)).unwrap_err();
        assert!(missing.exit == Exit::NotFound && missing.hint.contains("--offsets-file"), "{missing}");
    }

    #[test]
    fn an_offset_goes_back_to_where_it_was_found() {
        let kept = Kept { key: b"k".to_vec(), partition: Some(3), offset: None };
        let outgoing = record("offsets", &kept, &at(7), 1);
        let record = outgoing.iter().next().unwrap();
        assert_eq!((&**record.topic, record.partition, record.key), ("offsets", Some(3), Some(&b"k"[..])));
        assert_eq!(record.value, Some(&br#"{"lsn_commit":7,"lsn":7}"#[..]));
    }
}
