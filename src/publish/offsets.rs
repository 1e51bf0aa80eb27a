//! The position record: its topic, and the chain that all of them make.
//!
//! The topic has one partition and is compacted: the last record of a connector's key is its position. Each record
//! numbers itself and names the end of the one before it, so that a record which does not belong is noticed.

use super::Config;
use crate::kafka::admin::{self, Admin, TopicCreation};
use crate::kafka::tail::{self, Entry};
use crate::kafka::{self, ErrorKind};
use crate::mutant::{self, Mutant};
use crate::position::Position;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the topic is made with. Small segments and a low ratio keep it short, and a start quick.
const SETTINGS: &[(&str, &str)] = &[
    ("cleanup.policy", "compact"),
    ("segment.bytes", "16777216"),
    ("segment.ms", "3600000"),
    ("min.cleanable.dirty.ratio", "0.1"),
];

/// The stored position could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Kafka did not let it be read, or not all of it.
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    /// The records do not make a chain: somebody else has written to this key, or Kafka has lost some.
    #[error("the positions in topic {topic} do not follow one another: {what}")]
    Broken {
        /// The position topic.
        topic: String,
        /// Which record, and why it does not follow.
        what: String,
    },
}

/// Makes the position topic if it is missing, and refuses one that would lose positions or split them up.
pub fn ensure_topic(
    admin: &Admin,
    config: &Config,
    creation: Option<&TopicCreation>,
) -> Result<(), kafka::Error> {
    let topic = config.position_topic.as_str();
    let unfit = |what: String| kafka::Error { kind: ErrorKind::Topic, message: what };
    let Some(facts) = admin.topic(topic)? else {
        return admin.create_topic(topic, &as_created(creation));
    };
    if facts.partitions != 1 {
        return Err(unfit(format!(
            "position topic {topic} has {} partitions and must have one; name another topic, or remove it while it \
             holds no position: kafka-topics.sh --bootstrap-server HOST:9092 --delete --topic {topic}",
            facts.partitions
        )));
    }
    let settings = match admin.describe_topic(topic) {
        Ok(settings) => settings,
        Err(error) if error.kind == ErrorKind::Denied => {
            tracing::warn!(topic, %error, "not allowed to see whether the position topic is compacted");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    if let Some(policy) = admin::cleaned_by(&settings, "delete") {
        return Err(unfit(format!(
            "position topic {topic} has cleanup.policy={policy}, which deletes positions in time; mend it with \
             kafka-configs.sh --bootstrap-server HOST:9092 --alter --entity-type topics --entity-name {topic} \
             --add-config cleanup.policy=compact"
        )));
    }
    Ok(())
}

/// The connector's position, if it has one. `settings` are those of consumers, by librdkafka's names. Only under a fresh
/// fence is the answer final. Blocks, `timeout` at most.
pub fn read(
    settings: &BTreeMap<String, String>,
    config: &Config,
    timeout: Duration,
) -> Result<Option<Position>, Error> {
    let topic = config.position_topic.as_str();
    last(topic, |each| tail::read(settings, topic, config.position_key.as_bytes(), timeout, each))
}

/// The position at the end of the chain that `read` goes through, record by record. A read that did not come to an end
/// is an error, never "no position".
pub fn last(
    topic: &str,
    read: impl FnOnce(&mut dyn FnMut(Entry<'_>)) -> Result<(), kafka::Error>,
) -> Result<Option<Position>, Error> {
    let mut chain = Chain::default();
    match read(&mut |entry| chain.follow(entry)) {
        Ok(()) => {}
        Err(error) if error.kind == ErrorKind::Transient && mutant::is_on(Mutant::TimeoutIsNothing) => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    }
    match chain.broken {
        Some(what) => Err(Error::Broken { topic: topic.to_owned(), what }),
        None => Ok(chain.last),
    }
}

/// How the topic is made: like the others, but for what a position needs.
fn as_created(creation: Option<&TopicCreation>) -> TopicCreation {
    let mut settings: BTreeMap<_, _> = SETTINGS.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let mut replication_factor = -1;
    if let Some(creation) = creation {
        replication_factor = creation.replication_factor;
        let of_safety = ["min.insync.replicas", "unclean.leader.election.enable"];
        let kept = creation.settings.iter().filter(|(name, _)| of_safety.contains(&name.as_str()));
        settings.extend(kept.map(|(name, value)| (name.clone(), value.clone())));
    }
    TopicCreation { partitions: 1, replication_factor, settings }
}

/// The records seen so far. Compaction takes earlier ones away, so the first seen may be any.
#[derive(Debug, Default)]
struct Chain {
    last: Option<Position>,
    broken: Option<String>,
}

impl Chain {
    fn follow(&mut self, entry: Entry<'_>) {
        // A tombstone is somebody's decision to forget, whatever came before.
        let Some(value) = entry.value else {
            *self = Chain::default();
            return;
        };
        if self.broken.is_some() {
            return;
        }
        let followed = serde_json::from_slice::<Position>(value)
            .map_err(|error| format!("it is not a position: {error}"))
            .and_then(|next| follows(self.last.as_ref(), &next).map(|()| next));
        match followed {
            Ok(next) => self.last = Some(next),
            Err(what) => self.broken = Some(format!("the record at offset {}: {what}", entry.offset)),
        }
    }
}

/// Whether a record may stand after `last`; the error says why not.
pub fn follows(last: Option<&Position>, next: &Position) -> Result<(), String> {
    let Some(last) = last else { return Ok(()) };
    // A start that crashed before there was a slot marks its creation once more.
    if last.creating && next.creating {
        return Ok(());
    }
    if next.seq <= last.seq {
        return Err(format!("its number {} comes after {}", next.seq, last.seq));
    }
    if next.seq == last.seq + 1 && next.prev_lsn != last.end_lsn {
        return Err(format!("it follows {} and names {} as its predecessor", last.end_lsn, next.prev_lsn));
    }
    // A failover can lose what was published already; the new timeline then goes on from before it.
    if next.end_lsn < last.end_lsn && next.timeline <= last.timeline {
        return Err(format!("it falls back from {} to {}", last.end_lsn, next.end_lsn));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lsn::Lsn;

    fn position(seq: u64, prev: u64, end: u64) -> Position {
        let mark = Position::creating(7, 1, "run");
        Position { seq, prev_lsn: Lsn::new(prev), end_lsn: Lsn::new(end), creating: false, ..mark }
    }

    fn chain(records: &[Option<Position>]) -> Result<Option<Position>, String> {
        let mut chain = Chain::default();
        for (offset, record) in records.iter().enumerate() {
            let value = record.as_ref().map(|position| serde_json::to_vec(position).unwrap());
            chain.follow(Entry { offset: offset as i64, value: value.as_deref() });
        }
        chain.broken.map_or(Ok(chain.last), Err)
    }

    #[test]
    fn the_last_record_of_a_chain_is_the_position() {
        let mark = Position::creating(7, 1, "run");
        let first = Position::first(&mark, Lsn::new(10));
        let records = [Some(mark), Some(first.clone()), Some(position(2, 10, 20)), Some(position(3, 20, 20))];
        assert_eq!(chain(&records), Ok(Some(position(3, 20, 20))));
        assert_eq!(chain(&[]), Ok(None));
    }

    #[test]
    fn compaction_may_have_taken_records_between() {
        assert_eq!(
            chain(&[Some(position(5, 1, 20)), Some(position(9, 30, 40))]),
            Ok(Some(position(9, 30, 40)))
        );
    }

    #[test]
    fn a_record_that_does_not_follow_breaks_the_chain_and_is_named() {
        for (last, next, what) in [
            (position(5, 1, 20), position(5, 20, 30), "number 5 comes after 5"),
            (position(5, 1, 20), position(4, 20, 30), "number 4 comes after 5"),
            (position(5, 1, 20), position(6, 19, 30), "names 0/13"),
            (position(5, 1, 20), position(8, 10, 19), "falls back"),
        ] {
            let error = chain(&[Some(last), Some(next), Some(position(99, 0, 99))]).unwrap_err();
            assert!(error.contains("offset 1") && error.contains(what), "{error}");
        }
    }

    #[test]
    fn only_a_newer_timeline_may_fall_back() {
        let switched = Position { timeline: 2, ..position(6, 20, 15) };
        assert_eq!(chain(&[Some(position(5, 1, 20)), Some(switched.clone())]), Ok(Some(switched)));
    }

    #[test]
    fn a_creation_may_be_marked_again() {
        let mark = Position::creating(7, 1, "run");
        let again = Position::creating(7, 1, "another");
        assert_eq!(chain(&[Some(mark), Some(again.clone())]), Ok(Some(again)));
    }

    #[test]
    fn a_tombstone_ends_a_chain_even_a_broken_one_and_another_may_begin() {
        assert_eq!(chain(&[Some(position(5, 1, 20)), None]), Ok(None));
        let records = [Some(position(5, 1, 20)), Some(position(5, 1, 20)), None, Some(position(1, 0, 3))];
        assert_eq!(chain(&records), Ok(Some(position(1, 0, 3))));
    }

    #[test]
    fn what_is_not_a_position_breaks_the_chain() {
        let mut chain = Chain::default();
        chain.follow(Entry { offset: 4, value: Some(b"{}") });
        assert!(chain.broken.unwrap().contains("offset 4"));
    }

    #[test]
    fn the_topic_is_made_with_one_compacted_partition_and_the_safety_of_the_others() {
        let mut creation =
            TopicCreation { partitions: 12, replication_factor: 3, ..TopicCreation::default() };
        creation.settings.insert("min.insync.replicas".into(), "2".into());
        creation.settings.insert("cleanup.policy".into(), "delete".into());
        let made = as_created(Some(&creation));
        assert_eq!((made.partitions, made.replication_factor), (1, 3));
        assert_eq!(made.settings["cleanup.policy"], "compact");
        assert_eq!(made.settings["min.insync.replicas"], "2");
        assert_eq!(as_created(None).replication_factor, -1);
    }
}
