//! The partitions that records go to: their leaders, their sequence numbers, and what waits for them.

use super::batch::Batch;
use super::cluster::TopicFacts;
use std::collections::HashMap;

/// A topic and its partitions.
pub(super) struct Topic {
    pub name: Box<str>,
    /// Bytes of a batch that it takes at most, as far as is known.
    pub limit: usize,
    pub partitions: Vec<Partition>,
}

/// One partition.
#[derive(Default)]
pub(super) struct Partition {
    /// The broker that takes its records; negative when there is none.
    pub leader: i32,
    /// Of its next batch, in this epoch of the producer.
    pub sequence: i32,
    /// The coordinator knows that it is in the transaction.
    pub is_added: bool,
    /// Records that wait to be sent.
    pub filling: Batch,
    /// Records that were sent and are not answered.
    pub flying: Batch,
}

impl Partition {
    fn is_busy(&self) -> bool {
        !self.filling.is_empty() || !self.flying.is_empty()
    }
}

/// A partition among those known here; in order, those of a topic are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    pub topic: usize,
    pub partition: usize,
}

/// All topics that were met so far.
#[derive(Default)]
pub(super) struct Topics {
    topics: Vec<Topic>,
    by_name: HashMap<Box<str>, usize>,
    last: usize,
    partitions: usize,
}

impl Topics {
    /// The topic, if it was met before. Neighbouring records mostly share it.
    pub(super) fn find(&mut self, name: &str) -> Option<usize> {
        if self.topics.get(self.last).is_some_and(|topic| &*topic.name == name) {
            return Some(self.last);
        }
        self.last = self.by_name.get(name).copied()?;
        Some(self.last)
    }

    /// The same, without remembering it.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(super) fn topic(&self, topic: usize) -> &Topic {
        &self.topics[topic]
    }

    pub(super) fn at(&self, slot: Slot) -> &Partition {
        &self.topics[slot.topic].partitions[slot.partition]
    }

    pub(super) fn at_mut(&mut self, slot: Slot) -> &mut Partition {
        &mut self.topics[slot.topic].partitions[slot.partition]
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.topics.iter().map(|topic| &*topic.name).collect()
    }

    /// `topic-partition`, for people.
    pub(super) fn name(&self, slot: Slot) -> String {
        format!("{}-{}", self.topics[slot.topic].name, slot.partition)
    }

    /// Takes in what a broker says of a topic. A partition for which something waits is not forgotten.
    pub(super) fn learn(&mut self, facts: &TopicFacts, limit: Option<usize>) {
        let at = self.by_name.get(facts.name.as_str()).copied().unwrap_or_else(|| {
            let name: Box<str> = facts.name.as_str().into();
            self.topics.push(Topic { name: name.clone(), limit: usize::MAX, partitions: Vec::new() });
            self.by_name.insert(name, self.topics.len() - 1);
            self.topics.len() - 1
        });
        let topic = &mut self.topics[at];
        topic.limit = limit.unwrap_or(topic.limit);
        let busy = topic.partitions.iter().rposition(Partition::is_busy).map_or(0, |last| last + 1);
        topic.partitions.resize_with(facts.leaders.len().max(busy), Partition::default);
        for (at, partition) in topic.partitions.iter_mut().enumerate() {
            partition.leader = facts.leaders.get(at).copied().unwrap_or(-1);
        }
        self.partitions = self.topics.iter().map(|topic| topic.partitions.len()).sum();
    }

    /// A new epoch: every partition's numbers begin again.
    pub(super) fn begin_epoch(&mut self) {
        self.each(|partition| partition.sequence = 0);
    }

    /// A new transaction: the coordinator knows of none of them.
    pub(super) fn begin_transaction(&mut self) {
        self.each(|partition| partition.is_added = false);
    }

    /// Bytes that a batch may keep between transactions, so that all of them together take no more than `budget`.
    pub(super) fn keep(&self, budget: usize) -> usize {
        budget / (2 * self.partitions.max(1))
    }

    fn each(&mut self, change: impl Fn(&mut Partition)) {
        self.topics.iter_mut().flat_map(|topic| &mut topic.partitions).for_each(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(name: &str, leaders: &[i32]) -> TopicFacts {
        TopicFacts { name: name.to_owned(), code: 0, leaders: leaders.to_vec() }
    }

    #[test]
    fn topics_are_found_again_and_keep_their_numbers_when_leaders_and_partitions_change() {
        let mut topics = Topics::default();
        assert_eq!(topics.find("a"), None);
        topics.learn(&facts("a", &[1, 2]), Some(100));
        topics.learn(&facts("b", &[1]), None);
        let slot = Slot { topic: topics.find("a").expect("a"), partition: 1 };
        topics.at_mut(slot).sequence = 7;
        assert_eq!(topics.find("b"), Some(1));
        topics.learn(&facts("a", &[3, 3, 3]), None);
        assert_eq!((topics.at(slot).sequence, topics.at(slot).leader, topics.topic(0).limit), (7, 3, 100));
        assert_eq!(topics.topic(0).partitions.len(), 3);
        assert_eq!((topics.names(), topics.name(slot)), (vec!["a", "b"], "a-1".to_owned()));
        topics.begin_epoch();
        assert_eq!(topics.at(slot).sequence, 0);
        assert_eq!(topics.keep(8_000), 1_000);
    }
}
