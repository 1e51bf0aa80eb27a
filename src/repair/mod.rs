//! A gap between an outbox and its topics, closed from the outbox itself.
//!
//! Enters: a configuration, while no connector runs. Leaves: a [`Plan`], and where that is wanted what it says is done:
//! exactly the rows that the topics lack are published, as the connector would have published them, and the position says
//! so in the last of those transactions. Promised: under a fence, what is missing is derived anew from what Kafka and
//! Postgres hold, so that a repair that was killed anywhere and is run again neither loses nor doubles; what the slot will
//! still send is left to it; what cannot be told is left alone and said. Rows that are gone from the outbox are not seen.
//!
//! What is missing is found by [`crate::verify`], in one snapshot. Where no slot is left, a new one is made, and the
//! snapshot is the one that it exports: every row in it is one that the slot will not send. Where there is a slot, it is
//! looked into after the snapshot was taken: a row that is not in it is one that it will not send.

pub mod coming;
pub mod found;
pub mod judge;
pub mod left;
pub mod order;
pub mod press;
pub mod rows;
pub mod survey;

use crate::clock::unix_ms;
use crate::config::Config;
use crate::error::{Exit, Failure, blocking};
use crate::failpoint;
use crate::kafka::admin::Patience;
use crate::lsn::{Lsn, LsnRange};
use crate::pipeline::decided::{self, Fenced, Stored, readable};
use crate::pipeline::facts::Facts;
use crate::pipeline::standing::Standing;
use crate::pipeline::startup::Publication;
use crate::pipeline::trouble::Trouble;
use crate::position::{Audit, Position};
use crate::postgres::copy::{self, Moment};
use crate::postgres::replication::Connection;
use crate::postgres::session::Session;
use crate::postgres::{Error, slot};
use crate::publish::publisher::Last;
use crate::verify::letters::{Aside, Letters};
use crate::verify::reach::Reach;
use crate::verify::{self, Begun, Progress, Snapshot};
use coming::Coming;
use found::Gathered;
use judge::{At, Judged, judge};
use left::Left;
use press::Press;
use rows::Rows;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use survey::{Choice, Planned, Survey};

/// Who the position says it was written by.
pub const WRITTEN_BY: &str = "walpost repair";

/// How to look.
#[derive(Clone, Debug)]
pub struct Options {
    /// Columns that say in which order rows were written.
    pub order_by: Vec<String>,
    /// The column that has the time at which a row was written, where the router has none.
    pub time_column: Option<String>,
    /// Topics to look at beside those that rows and route name.
    pub topics: Vec<String>,
    /// Where temporary files go.
    pub directory: PathBuf,
    /// How long Kafka may take to answer.
    pub patience: Patience,
}

/// That it is meant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Consent {
    /// What is left alone may be given up, if this is where it lies.
    pub accepted: Option<LsnRange>,
}

/// What is, or would be, done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How position and slot stand before it.
    pub standing: Standing,
    /// The tables, how many rows of each were looked at, and by what they are put in order.
    pub tables: Vec<(String, u64, String)>,
    /// The topics, by number, and how many events are missing of each.
    pub topics: Vec<(Arc<str>, u64)>,
    /// The first events to publish.
    pub first: Vec<Planned>,
    /// Events to publish.
    pub events: u64,
    /// Those of them that come after later ones of their key.
    pub late: u64,
    /// Events that the slot will send.
    pub coming: u64,
    /// Rows without a record that are dead letters, and need none.
    pub letters: u64,
    /// Rows that cannot be published, and are passed over by policy.
    pub skipped: u64,
    /// What is left alone.
    pub left: Left,
    /// Where the position goes; `None`: to a slot that is still to be made.
    pub end_lsn: Option<Lsn>,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was to be done.
    pub plan: Plan,
    /// The position that says so; `None`: nothing was done.
    pub position: Option<Position>,
    /// Kafka transactions it took.
    pub transactions: u64,
}

impl Plan {
    /// There is nothing to do.
    pub fn is_done(&self) -> bool {
        self.events == 0 && self.standing.is_fine()
    }

    /// Where what is left alone lies; what a move of the position would give up.
    pub fn given_up(&self) -> Option<LsnRange> {
        let from = match &self.standing {
            Standing::Fine(_) => return None,
            Standing::Ahead { stored, .. } | Standing::Gone { stored, .. } => stored.end_lsn,
            Standing::Unknown { confirmed, .. } => *confirmed,
        };
        let to = self.end_lsn.filter(|_| !matches!(self.standing, Standing::Gone { .. }));
        (self.left.events() > 0).then_some(LsnRange { from, to })
    }

    fn require_accepted(&self, slot: &str, consent: &Consent) -> Result<(), Failure> {
        let given_up = self.given_up();
        if given_up == consent.accepted {
            return Ok(());
        }
        let untouched = format!("the position of slot {slot:?} was not touched");
        Err(match (given_up, consent.accepted) {
            (Some(range), accepted) => Failure::new(
                Exit::NotConfirmed,
                match accepted {
                    Some(accepted) => format!("{untouched}: --accept-loss names {accepted}, not {range}"),
                    None => format!("{untouched}: {} events cannot be repaired", self.left.events()),
                },
                format!("the position would go past them: {}. Nothing was published", self.left_text()),
                format!(
                    "--order-by may tell an order. To give them up for good: --accept-loss {range} --confirm {slot}"
                ),
            ),
            (None, _) => Failure::new(
                Exit::NotConfirmed,
                format!("{untouched}: --accept-loss is given, and nothing is given up"),
                "every missing event can be published",
                "leave --accept-loss out",
            ),
        })
    }

    /// What is left alone, by why.
    pub fn left_text(&self) -> String {
        let counts = self.left.counts.iter().map(|(why, count)| format!("{count} {why}"));
        counts.collect::<Vec<_>>().join(", ")
    }

    fn audit(&self, end_lsn: Lsn, published: u64) -> Audit {
        let from = self.standing.stored().map_or(end_lsn, |stored| stored.end_lsn);
        let given_up = self.given_up().map_or(0, |_| self.left.events());
        let (at_ms, by, to) = (unix_ms(), WRITTEN_BY.to_owned(), Some(end_lsn));
        Audit { at_ms, by, from, to, published, given_up: Some(given_up), ids: None }
    }
}

/// Finds out what is missing, and with consent publishes it. `lead` holds the leader's lock, and nobody has the slot.
pub async fn run(
    config: &Config,
    lead: &Session,
    options: &Options,
    consent: Option<Consent>,
    progress: Arc<Progress>,
) -> Result<Outcome, Failure> {
    let mut scene = Scene::look(config, lead, options, consent.is_some()).await?;
    let look = verify::Options {
        order_by: options.order_by.clone(),
        time_column: options.time_column.clone(),
        topics: options.topics.clone(),
        directory: options.directory.clone(),
        ..verify::Options::default()
    };
    let compared = verify::Options { order_by: Vec::new(), ..look.clone() };
    let begun = Begun::new(config, &compared).await?;
    let (asked, is_final) = (config.clone(), scene.fenced.is_some());
    let letters = Arc::new(blocking(move || Letters::read(&asked, is_final)).await?);
    let (moment, coming, at) = scene.snapshot(config, lead, &begun.session, &letters).await?;
    let wanted = if matches!(at, At::Evidence(_)) { coming.ids() } else { Default::default() };
    let policies = config.policies.clone();
    let aside = Arc::new(Aside { letters: Arc::clone(&letters), policies, tables: begun.tables() });
    let gathered = Arc::new(Gathered::new(wanted));
    // Whether a row is still to come is judged here.
    let reach = Reach { position: None, slot: None };
    let told = (Arc::clone(&gathered) as Arc<dyn verify::Sink>, progress);
    let by_rule = Arc::clone(&aside);
    let (sides, snapshot) = begun.read(config, &compared, (moment, reach), by_rule, told).await?;
    let report = sides.compare(&compared).await?;
    let names = report.topics.iter().map(|topic| Arc::clone(&topic.name));
    let numbers: HashMap<Arc<str>, u32> = names.zip(0..).collect();
    let judged = judge(gathered.take(), &coming, &numbers, at);
    let mut rows = Rows::new(config, &snapshot, &look, moment.commit_times, letters, numbers).await?;
    let (plan, choice) = survey(&scene, &report, (&judged, &aside), &mut rows, &snapshot).await?;
    let Some((consent, fenced)) = consent.zip(scene.fenced.take()) else {
        return Ok(Outcome { plan, position: None, transactions: 0 });
    };
    if plan.is_done() {
        return Ok(Outcome { plan, position: None, transactions: 0 });
    }
    plan.require_accepted(&config.source.slot, &consent)?;
    let mut press = Press::new(fenced, &judged, &choice, config.publish.limits);
    rows.read(&snapshot.session, &mut press).await?;
    let end_lsn = plan.end_lsn.unwrap_or(moment.lsn);
    let audit = plan.audit(end_lsn, press.events());
    let (mut next, is_new) =
        plan.standing.next(end_lsn, &scene.facts.server, scene.facts.fingerprint(), audit);
    next.events += press.events();
    // What it had not come to yet is published.
    next.snapshot = next.snapshot.filter(|snapshot| !snapshot.is_pending());
    let last = if is_new { Last::Anew(&next) } else { Last::Position(&next) };
    tokio::task::block_in_place(|| press.publish(last))?;
    let transactions = press.transactions;
    Ok(Outcome { plan, position: Some(next), transactions })
}

/// What there is.
struct Scene {
    fenced: Option<Fenced>,
    connection: Connection,
    facts: Facts,
    standing: Standing,
}

impl Scene {
    /// Position, then facts, in the order of a start; with consent under a fence.
    async fn look(
        config: &Config,
        lead: &Session,
        options: &Options,
        is_meant: bool,
    ) -> Result<Scene, Failure> {
        let (asked, patience) = (config.clone(), options.patience);
        let (fenced, stored): (Option<Fenced>, Stored) = blocking(move || {
            if is_meant {
                let fenced = decided::take_over(&asked, patience)?;
                let stored = fenced.stored.clone();
                return Ok((Some(fenced), stored));
            }
            Ok((None, readable(decided::look(&asked, patience))?))
        })
        .await?;
        let connecting = |error: Error| Failure::from_postgres(&error, "opening a replication connection");
        let mut connection = Connection::connect(&config.postgres).await.map_err(connecting)?;
        let facts = Facts::ask(config, lead, &mut connection).await.map_err(Trouble::into_failure)?;
        let decision = facts.decide(config, stored.as_ref().ok().and_then(Option::as_ref));
        let standing = Standing::of(decision, &stored, facts.slot.as_ref())?;
        if !matches!(facts.publication, Publication::Exists(_)) {
            return Err(no_publication(config));
        }
        if let Standing::Fine(Position { snapshot: Some(snapshot), .. }) = &standing
            && snapshot.is_pending()
        {
            return Err(in_a_snapshot(snapshot.rows));
        }
        Ok(Scene { fenced, connection, facts, standing })
    }

    /// Takes the snapshot in `session`, looks into the slot, and says where the position goes.
    async fn snapshot(
        &mut self,
        config: &Config,
        lead: &Session,
        session: &Session,
        letters: &Letters,
    ) -> Result<(Moment, Coming, At), Failure> {
        let taking = |error: Error| Failure::from_postgres(&error, "taking a snapshot");
        let is_new = matches!(self.standing, Standing::Gone { .. });
        if is_new && self.fenced.is_some() {
            let slot = self.make_slot(config, lead).await?;
            let moment = copy::begin_at(session, &slot.snapshot).await.map_err(taking)?;
            return Ok((moment, Coming::default(), At::Known(slot.lsn)));
        }
        let moment = copy::begin(session).await.map_err(taking)?;
        let (after, at) = match &self.standing {
            Standing::Gone { .. } => return Ok((moment, Coming::default(), At::NewSlot)),
            Standing::Fine(stored) => (Some(stored), At::Known(stored.end_lsn)),
            Standing::Ahead { confirmed, .. } => (None, At::Known(*confirmed)),
            Standing::Unknown { confirmed, .. } => (None, At::Evidence(*confirmed)),
        };
        Ok((moment, Coming::look(config, moment.lsn, after, letters).await?, at))
    }

    /// In the place of one that is of no use.
    async fn make_slot(
        &mut self,
        config: &Config,
        lead: &Session,
    ) -> Result<crate::postgres::replication::Exported, Failure> {
        let name = &config.source.slot;
        if matches!(self.standing, Standing::Gone { is_lost: true, .. }) {
            slot::drop_slot(lead, name)
                .await
                .map_err(|error| Failure::from_postgres(&error, "dropping the invalidated slot"))?;
        }
        let made = self
            .connection
            .create_slot(name, false, config.slot_failover)
            .await
            .map_err(|error| Failure::from_postgres(&error, "creating the slot"))?;
        failpoint::hit("after_slot_create");
        Ok(made)
    }
}

/// The first time through the rows.
async fn survey(
    scene: &Scene,
    report: &verify::Report,
    (judged, aside): (&Judged, &Aside),
    rows: &mut Rows,
    snapshot: &Snapshot,
) -> Result<(Plan, Choice), Failure> {
    let mut survey = Survey::new(judged, aside);
    rows.read(&snapshot.session, &mut survey).await?;
    let choice = survey.choose();
    let rules = rows.rules().into_iter().zip(&report.tables);
    let topics = report.topics.iter().zip(0..);
    let plan = Plan {
        standing: scene.standing.clone(),
        tables: rules.map(|((name, rule), (_, rows))| (name, *rows, rule.words())).collect(),
        topics: topics
            .map(|(topic, number)| {
                (Arc::clone(&topic.name), choice.topics.get(&number).copied().unwrap_or_default())
            })
            .collect(),
        first: choice.first.clone(),
        events: choice.topics.values().sum(),
        late: choice.late,
        coming: judged.coming.len() as u64,
        letters: judged.letters,
        skipped: choice.skipped,
        left: choice.left.clone(),
        end_lsn: judged.end_lsn,
    };
    Ok((plan, choice))
}

/// The next start goes on with it.
fn in_a_snapshot(rows: u64) -> Failure {
    Failure::new(
        Exit::Failure,
        "the rows that were there before the slot are not all published yet",
        format!("{rows} of them are; nothing is missing until the rest is. Nothing was done"),
        "start walpost run, and let its snapshot end; then ask again",
    )
}

fn no_publication(config: &Config) -> Failure {
    Failure::new(
        Exit::Publication,
        format!("publication {:?} does not exist", config.source.publication),
        "without it no slot sends anything of the outbox. Nothing was done",
        "make it first, with walpost publication create; then ask again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use left::{LeftEvent, Why};

    fn plan(standing: Standing, left: u64, end: Option<u64>) -> Plan {
        let mut all = Left::default();
        if left > 0 {
            all.add(LeftEvent { why: Why::Order, id: None, key: None, topic: None, events: left });
        }
        Plan {
            standing,
            tables: Vec::new(),
            topics: Vec::new(),
            first: Vec::new(),
            events: 1,
            late: 0,
            coming: 0,
            letters: 0,
            skipped: 0,
            left: all,
            end_lsn: end.map(Lsn::new),
        }
    }

    fn position(end: u64) -> Position {
        Position::first(&Position::creating(7, 1, "run"), Lsn::new(end))
    }

    fn refusal(plan: &Plan, accepted: Option<&str>) -> Option<String> {
        let consent = Consent { accepted: accepted.map(|range| range.parse().unwrap()) };
        plan.require_accepted("s", &consent).err().map(|failure| failure.to_string())
    }

    #[test]
    fn what_is_left_alone_is_given_up_only_where_its_range_is_named() {
        let ahead = Standing::Ahead { stored: position(0x10), confirmed: Lsn::new(0x20) };
        let some = plan(ahead.clone(), 3, Some(0x20));
        let refused = refusal(&some, None).unwrap();
        for says in ["3 events cannot be repaired", "3 order_unknown", "--accept-loss 0/10..0/20 --confirm s"]
        {
            assert!(refused.contains(says), "{refused}");
        }
        assert!(refusal(&some, Some("0/10..")).unwrap().contains("not 0/10..0/20"));
        assert_eq!(refusal(&some, Some("0/10..0/20")), None);
        assert_eq!(some.audit(Lsn::new(0x20), 5).given_up, Some(3));
        let none = plan(ahead, 0, Some(0x20));
        assert_eq!(refusal(&none, None), None);
        assert!(refusal(&none, Some("0/10..0/20")).unwrap().contains("nothing is given up"));
        assert_eq!(none.audit(Lsn::new(0x20), 5).given_up, Some(0));
    }

    #[test]
    fn a_slot_that_is_made_anew_has_no_end_that_could_be_named_before() {
        let gone = Standing::Gone { stored: position(0x10), is_lost: false };
        for end in [None, Some(0x30)] {
            assert_eq!(plan(gone.clone(), 1, end).given_up(), Some("0/10..".parse().unwrap()));
        }
        let fine = plan(Standing::Fine(position(0x10)), 1, Some(0x10));
        assert_eq!((fine.given_up(), refusal(&fine, None)), (None, None));
        assert!(!fine.is_done() && Plan { events: 0, ..fine }.is_done());
    }
}
