//! What is on its way: for each leader one Produce at most, with one batch of each partition that has records.
//!
//! Kafka takes one batch of a partition in a request and one request of a connection at a time; a second one waiting
//! there would gain nothing, and would come out of order when the first is refused. While a request is under way the
//! next batches are filled.
//!
//! Promised: a batch is written again only after the broker has answered that it did not take it: the transaction before
//! is still being ended, or replicas are missing, both of which are decided before anything is appended
//! (ReplicaManager.handleProduceAppend); or it does not lead the partition, not yet or not any more. It goes again as it
//! was, with the same sequence number, by which a leader knows what it has (KIP-98): one that lost its place while it
//! waited for replicas may have handed the batch on. A request without an answer is never written again.

use super::cluster::Cluster;
use super::compress::Compressor;
use super::produce::{Head, Writer};
use super::topics::{Slot, Topics};
use super::{batch, errors, failure};
use crate::kafka::classify::{Call, Class};
use crate::kafka::producer::Failure;
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{ApiKey, ProduceResponse};
use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

/// First and longest wait before a broker is asked again that was not ready.
const SOON: Duration = Duration::from_millis(1);
const LATER: Duration = Duration::from_millis(100);
/// What a broker may be late with the answer that replicas were.
const GRACE: Duration = Duration::from_millis(20);
/// How long a topic that was just made may be unknown to some broker.
pub(super) const TOPIC_PATIENCE: Duration = Duration::from_secs(3);
const DOING: &str = "delivering a record";
/// Bytes that a request may keep between transactions, and all batches together.
const KEPT: usize = 4 << 20;

/// Under what terms records are sent in a transaction.
pub(super) struct Terms {
    pub transactional_id: String,
    pub producer_id: i64,
    pub epoch: i16,
    /// Of Produce: from 12 on, it adds its partitions to the transaction.
    pub versions: RangeInclusive<i16>,
    pub request_timeout: Duration,
    /// Until when everything must be delivered.
    pub deadline: Instant,
}

/// One leader's share.
#[derive(Default)]
struct Leader {
    broker: i32,
    waiting: Vec<Slot>,
    waiting_bytes: usize,
    flying: Vec<Slot>,
    due: Option<Due>,
}

/// An answer that must come.
#[derive(Clone, Copy)]
struct Due {
    number: i32,
    version: i16,
    asked: Instant,
}

/// Everything that waits or is under way.
pub(super) struct Flights {
    leaders: Vec<Leader>,
    /// Batches whose leader is another one, with what was said by the one that was asked.
    astray: Vec<(Slot, Failure)>,
    compressor: Compressor,
    frame: Vec<u8>,
    /// Something was sent in this transaction.
    has_flown: bool,
}

impl Flights {
    pub(super) fn new(compressor: Compressor) -> Flights {
        let (leaders, astray) = (Vec::new(), Vec::new());
        Flights { leaders, astray, compressor, frame: Vec::new(), has_flown: false }
    }

    /// Before a transaction.
    pub(super) fn begin(&mut self) {
        self.has_flown = false;
    }

    /// Whether anything was sent in this transaction.
    pub(super) fn has_flown(&self) -> bool {
        self.has_flown
    }

    /// Whether there is nothing that was not delivered.
    pub(super) fn is_done(&self) -> bool {
        let is_done = |leader: &Leader| leader.due.is_none() && leader.waiting.is_empty();
        self.astray.is_empty() && self.leaders.iter().all(is_done)
    }

    /// Bytes that wait for this broker.
    pub(super) fn waiting_bytes(&self, broker: i32) -> usize {
        self.leaders.iter().find(|leader| leader.broker == broker).map_or(0, |leader| leader.waiting_bytes)
    }

    /// So many bytes more wait for this partition, which had none before if they are its first.
    pub(super) fn wait(&mut self, broker: i32, slot: Slot, bytes: usize, is_first: bool) {
        let leader = self.leader(broker);
        if is_first {
            leader.waiting.push(slot);
        }
        leader.waiting_bytes += bytes;
    }

    fn leader(&mut self, broker: i32) -> &mut Leader {
        let at = self.leaders.iter().position(|leader| leader.broker == broker).unwrap_or_else(|| {
            self.leaders.push(Leader { broker, ..Leader::default() });
            self.leaders.len() - 1
        });
        &mut self.leaders[at]
    }

    /// Every partition for which something waits, in order; of one broker, or of all.
    pub(super) fn waiting(&self, broker: Option<i32>) -> Vec<Slot> {
        let leaders =
            self.leaders.iter().filter(|leader| broker.is_none_or(|broker| leader.broker == broker));
        let mut slots: Vec<Slot> = leaders.flat_map(|leader| &leader.waiting).copied().collect();
        slots.sort_unstable();
        slots
    }

    /// Sends what waits for this broker, after what was sent before has been answered.
    pub(super) fn launch(
        &mut self,
        broker: i32,
        terms: &Terms,
        cluster: &mut Cluster,
        topics: &mut Topics,
    ) -> Result<(), Failure> {
        let Some(at) = self.leaders.iter().position(|leader| leader.broker == broker) else { return Ok(()) };
        self.land_at(at, terms, cluster, topics)?;
        // A partition may have got another leader while a batch of it waited for this one, or is on its way to the other.
        let is_flying = |slot: &Slot| !topics.at(*slot).flying.is_empty();
        if !self.astray.is_empty() || self.leaders[at].waiting.iter().any(is_flying) {
            self.land(terms, cluster, topics)?;
        }
        let leader = &mut self.leaders[at];
        if leader.waiting.is_empty() {
            return Ok(());
        }
        leader.waiting.sort_unstable();
        std::mem::swap(&mut leader.waiting, &mut leader.flying);
        leader.waiting_bytes = 0;
        for slot in &leader.flying {
            let partition = topics.at_mut(*slot);
            debug_assert!(partition.flying.is_empty(), "one batch of a partition is under way at most");
            std::mem::swap(&mut partition.filling, &mut partition.flying);
        }
        self.write(at, terms, cluster, topics)
    }

    /// Sends everything that waits, to all leaders at once, and waits until everything is answered.
    pub(super) fn settle(
        &mut self,
        terms: &Terms,
        cluster: &mut Cluster,
        topics: &mut Topics,
    ) -> Result<(), Failure> {
        for at in 0..self.leaders.len() {
            self.launch(self.leaders[at].broker, terms, cluster, topics)?;
        }
        self.land(terms, cluster, topics)?;
        // Whoever accounts for memory takes it to be free once the transaction is over.
        if self.frame.capacity() > KEPT {
            self.frame = Vec::new();
        }
        Ok(())
    }

    /// Waits until everything that was sent is taken, by whoever leads the partition by then.
    pub(super) fn land(
        &mut self,
        terms: &Terms,
        cluster: &mut Cluster,
        topics: &mut Topics,
    ) -> Result<(), Failure> {
        let mut pause = SOON;
        let patience = terms.deadline.min(Instant::now() + TOPIC_PATIENCE);
        loop {
            (0..self.leaders.len()).try_for_each(|at| self.land_at(at, terms, cluster, topics))?;
            if self.astray.is_empty() {
                return Ok(());
            }
            let next = Instant::now() + pause;
            let is_late = |failed: &Failure| match failed.class {
                Class::Topic => next >= patience,
                _ => next >= terms.deadline,
            };
            if let Some(at) = self.astray.iter().position(|(_, failed)| is_late(failed)) {
                return Err(self.astray.swap_remove(at).1);
            }
            thread::sleep(pause);
            pause = (2 * pause).min(LATER);
            self.redirect(terms, cluster, topics)?;
        }
    }

    /// Looks up who leads the partitions of batches that went astray, and sends them there. Nothing else is under way.
    fn redirect(&mut self, terms: &Terms, cluster: &mut Cluster, topics: &mut Topics) -> Result<(), Failure> {
        let mut names: Vec<&str> =
            self.astray.iter().map(|(slot, _)| &*topics.topic(slot.topic).name).collect();
        names.sort_unstable();
        names.dedup();
        let mut facts = cluster.describe(&names, answer_by(terms, Instant::now()))?;
        facts.retain(|facts| facts.code == errors::NONE);
        facts.iter().for_each(|facts| topics.learn(facts, None));
        for (slot, failed) in std::mem::take(&mut self.astray) {
            let name = &*topics.topic(slot.topic).name;
            match facts.iter().any(|facts| facts.name == name) && topics.at(slot).leader >= 0 {
                true => self.leader(topics.at(slot).leader).flying.push(slot),
                false => self.astray.push((slot, failed)),
            }
        }
        for at in 0..self.leaders.len() {
            if !self.leaders[at].flying.is_empty() {
                self.leaders[at].flying.sort_unstable();
                self.write(at, terms, cluster, topics)?;
            }
        }
        Ok(())
    }

    /// Takes the answers that are due off their connections, whatever they say.
    pub(super) fn drain(&mut self, terms: &Terms, cluster: &mut Cluster) -> Result<(), Failure> {
        for leader in &mut self.leaders {
            if let Some(due) = leader.due.take() {
                cluster.open(leader.broker)?.receive(due.number, due.asked + terms.request_timeout)?;
            }
        }
        Ok(())
    }

    fn write(
        &mut self,
        at: usize,
        terms: &Terms,
        cluster: &mut Cluster,
        topics: &Topics,
    ) -> Result<(), Failure> {
        let leader = &mut self.leaders[at];
        let connection = cluster.ready(leader.broker, terms.deadline)?;
        connection.unmute();
        let version = connection.version(ApiKey::Produce, terms.versions.clone())?;
        let number = connection.number();
        let head = Head {
            version,
            number,
            client_id: connection.client_id(),
            transactional_id: &terms.transactional_id,
            timeout_ms: terms.request_timeout.as_millis() as i32,
        };
        let of_a_topic = || leader.flying.chunk_by(|left, right| left.topic == right.topic);
        let mut writer = Writer::new(&mut self.frame, &head, of_a_topic().count());
        for slots in of_a_topic() {
            writer.topic(&topics.topic(slots[0].topic).name, slots.len());
            for slot in slots {
                let partition = topics.at(*slot);
                let stamp = batch::Stamp {
                    producer_id: terms.producer_id,
                    epoch: terms.epoch,
                    sequence: partition.sequence,
                };
                let compressor = &mut self.compressor;
                writer.partition(slot.partition as i32, |out| partition.flying.write(stamp, compressor, out));
            }
            writer.end();
        }
        writer.finish();
        // Due from now on, whether or not all of it leaves.
        leader.due = Some(Due { number, version, asked: Instant::now() });
        self.has_flown = true;
        connection.write(&self.frame, answer_by(terms, Instant::now()))
    }

    fn land_at(
        &mut self,
        at: usize,
        terms: &Terms,
        cluster: &mut Cluster,
        topics: &mut Topics,
    ) -> Result<(), Failure> {
        let mut pause = SOON;
        while let Some(due) = self.leaders[at].due {
            let connection = cluster.open(self.leaders[at].broker)?;
            let answer = connection.receive(due.number, answer_by(terms, due.asked))?;
            let answer: ProduceResponse = connection.decode(due.version, answer)?;
            connection.heed(answer.throttle_time_ms);
            self.leaders[at].due = None;
            let not_ready = self.hear(at, &answer, topics)?;
            if self.leaders[at].flying.is_empty() {
                break;
            }
            if Instant::now() + pause >= terms.deadline {
                return Err(errors::refused(Call::Delivery, DOING, not_ready));
            }
            thread::sleep(pause);
            pause = (2 * pause).min(LATER);
            self.write(at, terms, cluster, topics)?;
        }
        Ok(())
    }

    /// Takes in an answer; what may be sent there again stays, and the code that says so is returned. The gravest of
    /// several refusals is the error.
    fn hear(&mut self, at: usize, answer: &ProduceResponse, topics: &mut Topics) -> Result<i16, Failure> {
        let keep = topics.keep(KEPT);
        let leader = &mut self.leaders[at];
        let mut answered = 0;
        let (mut again, mut not_ready) = (Vec::new(), errors::NONE);
        let mut worst: Option<Failure> = None;
        for topic in &answer.responses {
            let known = topics.position(&topic.name);
            for said in &topic.partition_responses {
                let slot = known.map(|topic| Slot { topic, partition: said.index as usize });
                let Some(slot) = slot.filter(|slot| leader.flying.binary_search(slot).is_ok()) else {
                    let what =
                        format!("an answer for {}-{}, to which nothing was sent", &**topic.name, said.index);
                    return Err(failure(Class::Indefinite, what));
                };
                answered += 1;
                match said.error_code {
                    errors::NONE => {
                        let partition = topics.at_mut(slot);
                        partition.sequence = batch::advance(partition.sequence, partition.flying.count());
                        partition.is_added = true;
                        partition.flying.clear(keep);
                    }
                    code @ (errors::CONCURRENT_TRANSACTIONS | errors::NOT_ENOUGH_REPLICAS) => {
                        again.push(slot);
                        not_ready = code;
                    }
                    errors::UNKNOWN_TOPIC_OR_PARTITION | errors::NOT_LEADER => {
                        self.astray.push((slot, undelivered(slot, said, topics)));
                    }
                    _ => {
                        let refused = undelivered(slot, said, topics);
                        if worst.as_ref().is_none_or(|worst| gravity(&refused) > gravity(worst)) {
                            worst = Some(refused);
                        }
                    }
                }
            }
        }
        if answered != leader.flying.len() {
            return Err(failure(Class::Indefinite, format!("{DOING}: an answer leaves a partition out")));
        }
        again.sort_unstable();
        leader.flying = again;
        worst.map_or(Ok(not_ready), Err)
    }
}

/// Until when what was asked then must be answered: a broker that waits for replicas in vain says so a little later.
fn answer_by(terms: &Terms, asked: Instant) -> Instant {
    (asked + terms.request_timeout + GRACE).min(terms.deadline)
}

/// A batch that a broker has refused, or of which it does not know what will become.
fn undelivered(slot: Slot, said: &PartitionProduceResponse, topics: &Topics) -> Failure {
    let batch = &topics.at(slot).flying;
    let mut refused =
        errors::refused(Call::Delivery, &format!("{DOING} to {}", topics.name(slot)), said.error_code);
    refused.topic = Some(topics.topic(slot.topic).name.to_string());
    let one = match (said.record_errors.as_slice(), batch.count()) {
        ([one], _) => usize::try_from(one.batch_index).ok(),
        (_, 1) => Some(0),
        _ => None,
    };
    refused.record = one.and_then(|one| batch.number(one));
    if refused.record.is_none() && matches!(refused.class, Class::RecordRefused(_)) {
        refused.message += &format!("; one of {} records that failed together", batch.count());
    }
    refused
}

/// What is told of several failures: what ends a producer, what a person must do, what nobody knows, and then the rest.
fn gravity(failure: &Failure) -> u8 {
    match failure.class {
        Class::Fenced => 5,
        Class::Denied | Class::Fatal => 4,
        Class::Indefinite => 3,
        Class::Topic | Class::RecordRefused(_) => 2,
        Class::Abortable | Class::Retriable | Class::LeftOpen => 1,
    }
}
