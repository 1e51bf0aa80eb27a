//! Transactions of this connector that Kafka forgot to end, found before anything is written behind them.
//!
//! When a partition has no leader at all while a transaction is ended, a coordinator of Kafka 4.0 to 4.3 takes it for
//! deleted and writes no marker there (KAFKA-20734). The next marker that the same producer gets there ends the old
//! transaction too, and as it ends its own: what was aborted becomes visible, or what was committed does not. A fence
//! returns once everything of its transactional id has ended. So what is open after it, under the number that the coordinator
//! knows the id by, was forgotten. Where the fence heard how it ends, it is ended so here; where not, nothing may be written
//! to that partition before an administrator has ended it.
//!
//! Each topic is looked into once after a fence, before its first record; that of the positions before it is read, with the
//! partitions that the coordinator named. Not seen here: a transaction that is forgotten
//! later in the session; the next one mostly commits, as it did, and ends it rightly.

use super::{Class, OutletError};
use crate::kafka::wire::{Decided, Inquiry, OpenTransaction};
use crate::kafka::{Error, ErrorKind};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long partitions may be without a leader, and brokers without an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// First and longest wait before they are asked again.
const SOON: Duration = Duration::from_millis(10);
const LATER: Duration = Duration::from_millis(500);

/// Whom to ask, and about which transactional id.
pub struct LeftOpen {
    settings: BTreeMap<String, String>,
    transactional_id: String,
    decided: Option<Decided>,
}

impl LeftOpen {
    /// Asks with the producer's settings, by librdkafka's names. Connects when there is something to ask. `decided` is
    /// what the fence heard.
    pub fn new(
        settings: &BTreeMap<String, String>,
        transactional_id: impl Into<String>,
        decided: Option<&Decided>,
    ) -> LeftOpen {
        let transactional_id = transactional_id.into();
        LeftOpen { settings: settings.clone(), transactional_id, decided: decided.cloned() }
    }

    /// Looks into all partitions of these topics. The error is of `Class::LeftOpen` when one is found whose end is not
    /// known, or may not be written. Brokers that cannot be asked, or that may not tell this client, are passed over with
    /// a word in the log.
    pub fn look(&self, topics: &[(Arc<str>, i32)]) -> Result<(), OutletError> {
        let partitions: Vec<(&str, i32)> = topics
            .iter()
            .flat_map(|(topic, count)| (0..*count).map(move |number| (&**topic, number)))
            .collect();
        self.look_into(&partitions, false)
    }

    /// Looks into the partition of positions, and into those to which an end had still to be told.
    pub fn look_back(&self, position_topic: &str) -> Result<(), OutletError> {
        let named = self.decided.iter().flat_map(|decided| &decided.partitions);
        let named = named.map(|(topic, partition)| (topic.as_str(), *partition));
        let mut partitions: Vec<_> = named.chain([(position_topic, 0)]).collect();
        partitions.sort_unstable();
        partitions.dedup();
        self.look_into(&partitions, true)
    }

    /// `of_last`: the last transaction has written to all of these.
    fn look_into(&self, partitions: &[(&str, i32)], of_last: bool) -> Result<(), OutletError> {
        let deadline = Instant::now() + PATIENCE;
        let mut inquiry = match Inquiry::new(&self.settings) {
            Ok(inquiry) => inquiry,
            Err(error) => {
                tracing::info!(%error, "topics are not searched for transactions that Kafka forgot to end");
                return Ok(());
            }
        };
        let is_one = |left: &(&str, i32), right: &(&str, i32)| left.0 == right.0;
        let mut topics = partitions.chunk_by(is_one);
        let found = match self.find(&mut inquiry, partitions, deadline) {
            // One topic that this client may not read hides what is in the others.
            Err(error) if error.kind == ErrorKind::Denied && topics.clone().count() > 1 => {
                return topics.try_for_each(|topic| self.look_into(topic, of_last));
            }
            found => found.and_then(|open| self.end(&mut inquiry, open, of_last, deadline)),
        };
        match found {
            Ok(found) => {
                found.first().map_or(Ok(()), |first| Err(self.left_open(first, found.len(), of_last)))
            }
            Err(error) if error.kind == ErrorKind::Transient => {
                let message = format!("looking for transactions that Kafka forgot to end: {error}");
                Err(OutletError { class: Class::Retriable, message, topic: None, record: None })
            }
            Err(error) => {
                tracing::info!(
                    topic = partitions.first().map(|(topic, _)| *topic),
                    partitions = partitions.len(),
                    %error,
                    "not searched for transactions that Kafka forgot to end; it takes Read on the topics, and Describe on \
                     the transactional id"
                );
                Ok(())
            }
        }
    }

    /// Open transactions of this id, which has been fenced.
    fn find(
        &self,
        inquiry: &mut Inquiry,
        partitions: &[(&str, i32)],
        deadline: Instant,
    ) -> Result<Vec<OpenTransaction>, Error> {
        let mut open = patiently(deadline, |left| inquiry.open_transactions(partitions, left))?;
        if !open.is_empty() {
            // Mostly somebody else's.
            let id = &self.transactional_id;
            let facts = patiently(deadline, |left| inquiry.describe_transaction(id, left))?;
            open.retain(|open| facts.as_ref().is_some_and(|facts| facts.producer_id == open.producer_id));
        }
        Ok(open)
    }

    /// Ends those of which it is known how they end. Leaves: the others.
    fn end(
        &self,
        inquiry: &mut Inquiry,
        mut open: Vec<OpenTransaction>,
        of_last: bool,
        deadline: Instant,
    ) -> Result<Vec<OpenTransaction>, Error> {
        let Some(decided) = &self.decided else { return Ok(open) };
        let known = |open: &mut OpenTransaction| self.is_known(open, of_last);
        for forgotten in open.extract_if(.., known).collect::<Vec<_>>() {
            let OpenTransaction { topic, partition, start_offset, .. } = &forgotten;
            match patiently(deadline, |left| inquiry.end(&forgotten, decided, left)) {
                Ok(()) => tracing::warn!(
                    topic,
                    partition,
                    start_offset,
                    commits = decided.commits,
                    "ended a transaction of this connector that Kafka forgot to end, as its coordinator had decided"
                ),
                Err(error) if error.kind == ErrorKind::Transient => return Err(error),
                Err(error) => {
                    tracing::warn!(
                        topic,
                        partition,
                        start_offset,
                        commits = decided.commits,
                        %error,
                        "a transaction of this connector that Kafka forgot to end may not be ended from here; it takes \
                         Alter on the cluster"
                    );
                    open.push(forgotten);
                }
            }
        }
        Ok(open)
    }

    /// Whether it is the last transaction. An abort may be one of version 1, whose epoch others before it had, too: it is
    /// believed only of partitions that the last transaction has written to.
    fn is_known(&self, open: &OpenTransaction, of_last: bool) -> bool {
        let is_named = |decided: &Decided| {
            let mut named = decided.partitions.iter();
            named.any(|(topic, partition)| (topic, *partition) == (&open.topic, open.partition))
        };
        let of = |decided: &Decided| decided.is_of(open) && (decided.commits || of_last || is_named(decided));
        self.decided.as_ref().is_some_and(of)
    }

    fn left_open(&self, first: &OpenTransaction, count: usize, of_last: bool) -> OutletError {
        let OpenTransaction { topic, partition, start_offset, .. } = first;
        let others = if count > 1 { format!(", and {} more", count - 1) } else { String::new() };
        let known = self.decided.as_ref().filter(|_| self.is_known(first, of_last));
        let outcome = known.map_or("over", |decided| if decided.commits { "committed" } else { "aborted" });
        let message = format!(
            "a transaction of this connector is open in {topic}-{partition} from offset {start_offset}{others}, and Kafka \
             holds it to be {outcome}"
        );
        OutletError { class: Class::LeftOpen, message, topic: Some(topic.clone()), record: None }
    }
}

/// Asks again what may pass.
fn patiently<T>(deadline: Instant, mut ask: impl FnMut(Duration) -> Result<T, Error>) -> Result<T, Error> {
    let mut pause = SOON;
    loop {
        match ask(deadline.saturating_duration_since(Instant::now())) {
            Err(error) if error.kind == ErrorKind::Transient && Instant::now() + pause < deadline => {}
            answered => return answered,
        }
        thread::park_timeout(pause);
        pause = (2 * pause).min(LATER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abort_is_believed_only_where_the_last_transaction_has_written() {
        let open = |partition| {
            let topic = "t".to_owned();
            OpenTransaction {
                topic,
                partition,
                producer_id: 7,
                epoch: 2,
                coordinator_epoch: 0,
                start_offset: 5,
            }
        };
        for (commits, epoch, known) in
            [(true, 3, [true, true, true]), (false, 3, [true, false, true]), (true, 4, [false, false, false])]
        {
            let decided = Decided { producer_id: 7, epoch, commits, partitions: vec![("t".to_owned(), 0)] };
            let left_open = LeftOpen::new(&BTreeMap::new(), "id", Some(&decided));
            let found = [(0, false), (1, false), (1, true)];
            assert_eq!(
                found.map(|(partition, of_last)| left_open.is_known(&open(partition), of_last)),
                known
            );
        }
        let nothing = LeftOpen::new(&BTreeMap::new(), "id", None);
        assert!(!nothing.is_known(&open(0), true));
    }
}
