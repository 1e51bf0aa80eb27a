//! Publishing letters after all.
//!
//! Each Kafka transaction holds some letters' records and their marks. A run begins with the fence, and with the marks as
//! Kafka holds them after it; so does what follows any uncertainty. What a killed run had committed is therefore known
//! to the next one, and what it had not is not there.

mod batch;

use super::outbox::Outbox;
use super::plan::{self, Choice, Held, Plan};
use super::rebuild::{self, Rebuilder, Refusal};
use super::row::Stored;
use super::{Ended, Index, LOOK_PATIENCE, Progress, Source, WRITE_PATIENCE, index};
use crate::clock::unix_ms;
use crate::config::Config;
use crate::encode::{KeyHash, Outgoing};
use crate::error::{Exit, Failure};
use crate::failpoint;
use crate::kafka::admin::{Admin, Patience};
use crate::kafka::scan::{Scan, Scanned, Span};
use crate::pipeline::foresight::{ClusterTopics, Foreseen, Foresight};
use crate::publish::kafka_outlet::KafkaOutlet;
use crate::publish::letters::{Letter, Place};
use batch::Batch;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which letters.
    pub choice: Choice,
    /// All of them to this topic, whatever the route says.
    pub to_topic: Option<String>,
    /// Letters a second at most; 0: as fast as it goes.
    pub rate: u32,
    /// Nothing is written.
    pub dry: bool,
}

/// What became of one letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The letter.
    pub letter: Letter,
    /// What was, or would be, done.
    pub result: Outcomes,
}

/// The ways it can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcomes {
    /// Published, or would be, to this topic.
    Replayed(Arc<str>),
    /// It cannot be published now either.
    Refused(Refusal),
    /// It stays behind.
    Held(Held),
}

/// What came of it, by place.
pub type Report = BTreeMap<Place, Outcome>;

/// A run that goes nowhere is given up after so many beginnings.
const MOST_BEGINNINGS: u32 = 5;
/// Letters that were parked meanwhile are followed so many times; a key whose events come faster than that stays parked.
const MOST_ROUNDS: u32 = 200;

/// Replays, or says what would be. Blocks. On a failure, what is committed stays so, and is known to the next run.
pub fn run<O: Outbox>(
    config: &Config,
    source: &Source,
    options: &Options,
    outbox: O,
    patience: Patience,
    progress: &Progress,
) -> Result<Report, Failure> {
    let mut replay = Replay {
        config,
        source,
        options,
        patience,
        progress,
        rebuilder: Rebuilder::new(
            config.route.clone(),
            (config.encode.clone(), config.registry.as_ref()),
            options.to_topic.as_deref(),
            outbox,
        ),
        foresight: Foresight::new(Box::new(ClusterTopics::new(&config.kafka))).thorough(),
        topics: HashMap::new(),
        admin: super::admin(config, patience)?,
        report: Report::new(),
        tried: BTreeSet::new(),
        uncertain: Vec::new(),
        blocked: HashSet::new(),
        next: Instant::now(),
    };
    let scan = super::scan(config)?;
    let mut beginnings = 0;
    loop {
        let before = replay.report.len();
        let ended = match options.dry {
            true => replay.look(&scan),
            false => replay.live(&scan),
        };
        let failure = match ended {
            Ok(()) => return Ok(replay.report),
            Err(Ended::Failed(failure)) => return Err(replay.interrupted(failure)),
            Err(Ended::Again(failure)) => failure,
        };
        beginnings = if replay.report.len() > before { 1 } else { beginnings + 1 };
        if beginnings >= MOST_BEGINNINGS {
            return Err(replay.interrupted(failure));
        }
        tracing::warn!(what = failure.what, detail = failure.detail, "beginning anew");
        thread::sleep(Duration::from_millis(200) * beginnings);
    }
}

struct Replay<'a, O> {
    config: &'a Config,
    source: &'a Source,
    options: &'a Options,
    patience: Patience,
    progress: &'a Progress,
    rebuilder: Rebuilder<O>,
    foresight: Foresight,
    /// Whether topics are there or may be made.
    topics: HashMap<Arc<str>, bool>,
    admin: Admin,
    report: Report,
    /// Letters that are dealt with.
    tried: BTreeSet<Place>,
    /// Letters of a transaction of which nobody knows, and their topics.
    uncertain: Vec<(Place, Arc<str>)>,
    /// Keys of letters that stay behind.
    blocked: HashSet<KeyHash>,
    /// When the next letter may go.
    next: Instant,
}

/// What a round works with.
struct Round<'r> {
    index: &'r Index,
    /// None: nothing is written.
    outlet: Option<KafkaOutlet>,
    batch: Batch,
    /// A record of which is only looked at.
    scratch: Outgoing,
}

impl<O: Outbox> Replay<'_, O> {
    /// What would be done.
    fn look(&mut self, scan: &Scan) -> Result<(), Ended> {
        let index = Index::read(scan, &self.source.topic, LOOK_PATIENCE)?;
        if index.is_missing() {
            return Err(Ended::Failed(index::missing(&self.source.topic)));
        }
        let plan = self.plan(&index);
        self.round(scan, &index, plan, None).map(drop)
    }

    /// From the fence to the last letter.
    fn live(&mut self, scan: &Scan) -> Result<(), Ended> {
        let fenced = super::fence(self.config, self.patience);
        let mut outlet =
            fenced.map_err(|error| Ended::of_kafka(&error, "fencing earlier replays (init_transactions)"))?;
        // Not before: the last transaction of a killed run may be among what was hidden.
        let mut index = Index::read(scan, &self.source.topic, WRITE_PATIENCE)?;
        failpoint::hit("after_position_read");
        for _ in 0..MOST_ROUNDS {
            self.check(&index)?;
            self.settle_uncertain(&index);
            let plan = self.plan(&index);
            if plan.chosen.is_empty() {
                return Ok(());
            }
            outlet = match self.round(scan, &index, plan, Some(outlet))? {
                Some(outlet) => outlet,
                None => return Ok(()),
            };
            index.read_on(scan, WRITE_PATIENCE)?;
        }
        Ok(())
    }

    fn check(&self, index: &Index) -> Result<(), Ended> {
        let topic = &self.source.topic;
        if index.is_missing() {
            return Err(Ended::Failed(index::missing(topic)));
        }
        if index.is_open() {
            return Err(Ended::Failed(Failure::new(
                Exit::Kafka,
                format!("a transaction in topic {topic} stays open"),
                "marks that come after its beginning cannot be read, and without them a letter might be published twice",
                "it ends when its connector is started again, or after transaction.timeout.ms; kafka-transactions.sh \
                 find-hanging tells whether it is one that Kafka forgot to end",
            )));
        }
        Ok(())
    }

    /// Letters of an unanswered commit were published if their marks are there.
    fn settle_uncertain(&mut self, index: &Index) {
        for (place, topic) in std::mem::take(&mut self.uncertain) {
            if index.state(place).replays < self.options.choice.attempt {
                self.tried.remove(&place);
            } else if let Some(letter) = index.letter(place) {
                self.done(letter.clone(), Outcomes::Replayed(topic));
            }
        }
    }

    /// What is left to do, with what stays behind told.
    fn plan(&mut self, index: &Index) -> Plan {
        let replayed = self.report.values().filter(|outcome| matches!(outcome.result, Outcomes::Replayed(_)));
        let limit = self.options.choice.limit.saturating_sub(replayed.count());
        let choice = Choice { limit, ..self.options.choice.clone() };
        let plan = plan::plan(index, &self.source.slot, &choice, &self.tried);
        for (place, held) in &plan.held {
            if let Some(letter) = index.letter(*place) {
                self.report.insert(*place, Outcome { letter: letter.clone(), result: Outcomes::Held(*held) });
            }
        }
        self.blocked.clone_from(&plan.blocked);
        let known = self.tried.len() + plan.chosen.len() + plan.held.len();
        self.progress.chosen.store(known as u64, Ordering::Relaxed);
        plan
    }

    /// Replays what was planned; gives the outlet back.
    fn round(
        &mut self,
        scan: &Scan,
        index: &Index,
        plan: Plan,
        outlet: Option<KafkaOutlet>,
    ) -> Result<Option<KafkaOutlet>, Ended> {
        let mut round = Round { index, outlet, batch: Batch::default(), scratch: Outgoing::default() };
        let mut chosen = plan.chosen.as_slice();
        while let Some(first) = chosen.first() {
            let partition = first.partition;
            let here = chosen.partition_point(|place| place.partition == partition);
            let (of_partition, rest) = chosen.split_at(here);
            let end = of_partition.last().map_or(first.offset, |last| last.offset) + 1;
            let span = Span { partition, first: first.offset, end, is_open: false };
            let wanted: BTreeSet<i64> = of_partition.iter().map(|place| place.offset).collect();
            scan.read(&self.source.topic, &[span], |record| match wanted.contains(&record.offset()) {
                true => self.letter(&mut round, record),
                false => Ok(()),
            })?;
            chosen = rest;
        }
        self.flush(&mut round)?;
        Ok(round.outlet)
    }

    /// Takes one letter up.
    fn letter(&mut self, round: &mut Round<'_>, record: &Scanned<'_>) -> Result<(), Ended> {
        let place = Place { partition: record.partition(), offset: record.offset() };
        let Some(letter) = round.index.letter(place).cloned() else { return Ok(()) };
        if self.is_blocked(&letter) {
            self.stays(letter, Outcomes::Held(Held::Behind));
            return Ok(());
        }
        self.wait_turn(round);
        let stored = Stored::of(record.key(), record.value(), record.headers());
        let replays = round.index.state(place).replays;
        let attempts = (letter.attempts + replays + 1, unix_ms());
        round.scratch.clear(0);
        let built = self.rebuilder.record(&letter, &stored, attempts, &mut round.scratch);
        let refused = match built.map_err(Ended::Failed)? {
            Ok(()) => self.refused(&round.scratch)?,
            Err(refusal) => Some(refusal),
        };
        if let Some(refusal) = refused {
            self.stays(letter, Outcomes::Refused(refusal));
            return Ok(());
        }
        let Some(made) = round.scratch.last() else { return Ok(()) };
        if round.outlet.is_none() {
            let topic = Arc::clone(made.topic);
            self.done(letter, Outcomes::Replayed(topic));
            return Ok(());
        }
        self.tried.insert(place);
        round.batch.add(&made, letter, stored.key, &self.source.topic, attempts);
        if round.batch.is_full(self.options.rate, self.config.publish.limits.bytes) {
            self.flush(round)?;
        }
        Ok(())
    }

    fn is_blocked(&self, letter: &Letter) -> bool {
        let is_behind = letter.key_hash.is_some_and(|hash| self.blocked.contains(&hash));
        is_behind && !self.options.choice.out_of_order
    }

    /// What Kafka would refuse, as far as that can be told.
    fn refused(&mut self, made: &Outgoing) -> Result<Option<Refusal>, Ended> {
        let Some(record) = made.last() else { return Ok(None) };
        let positions = &self.config.publish.position_topic;
        if let Some(refusal) = rebuild::is_forbidden(&record, &self.source.topic, positions) {
            return Ok(Some(refusal));
        }
        if !self.has_topic(record.topic)? {
            return Ok(Some(Refusal {
                reason: "topic_missing",
                detail: format!("topic {} does not exist, and topics are not created", record.topic),
                hint: "create it, or set topic.creation.enable=true, or name another: --to-topic TOPIC"
                    .to_owned(),
            }));
        }
        let foreseen = self.foresight.refuses(&record);
        Ok(foreseen.map(|Foreseen { reason, detail, hint }| Refusal { reason: reason.name(), detail, hint }))
    }

    fn has_topic(&mut self, topic: &Arc<str>) -> Result<bool, Ended> {
        if self.config.kafka.topic_creation.is_some() {
            return Ok(true);
        }
        if let Some(known) = self.topics.get(topic) {
            return Ok(*known);
        }
        let is_there = self.admin.topic(topic)?.is_some();
        self.topics.insert(Arc::clone(topic), is_there);
        Ok(is_there)
    }

    /// No faster than was asked for.
    fn wait_turn(&mut self, round: &Round<'_>) {
        if self.options.rate == 0 || round.outlet.is_none() {
            return;
        }
        let now = Instant::now();
        thread::sleep(self.next.saturating_duration_since(now));
        // A pause is not made up for.
        self.next = self.next.max(now) + Duration::from_secs(1) / self.options.rate;
    }

    fn stays(&mut self, letter: Letter, result: Outcomes) {
        self.blocked.extend(letter.key_hash);
        self.progress.stayed.fetch_add(1, Ordering::Relaxed);
        self.done(letter, result);
    }

    fn done(&mut self, letter: Letter, result: Outcomes) {
        self.tried.insert(letter.place);
        self.progress.done.fetch_add(1, Ordering::Relaxed);
        self.report.insert(letter.place, Outcome { letter, result });
    }

    /// A run that came to an early end says what it had done.
    fn interrupted(&self, failure: Failure) -> Failure {
        let replayed = self.report.values().filter(|outcome| matches!(outcome.result, Outcomes::Replayed(_)));
        let before = match replayed.count() {
            0 => "nothing is known to have been published".to_owned(),
            count => format!("{count} letters were published before, and are marked"),
        };
        let detail = if failure.detail.is_empty() { before } else { format!("{}; {before}", failure.detail) };
        let hint = match failure.hint.as_str() {
            "" => "run it again: what was published is known".to_owned(),
            hint => format!("{hint}. Then run it again: what was published is known"),
        };
        if self.options.dry { failure } else { Failure { detail, hint, ..failure } }
    }
}
