//! Small worlds in which a connector must stop: what it needs was taken from it, while it ran or while it was stopped.
//!
//! It ends with the code of its case, says in three parts what happened, and from then on publishes and confirms nothing.
//! And one from which it must recover: death between the making of its slot and the position that says so.

use crate::random::Random;
use crate::run::{PATIENCE, base, hold, tail};
use crate::support::{Broker, Connector, Database, DatabaseHandle, DatabaseOptions, wait_until};
use crate::tally::Tally;
use crate::workload::position_topic;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitStatus;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long a connector may not know what was taken from it.
const NOTICED: Duration = Duration::from_secs(20);

/// A case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// What was taken, and whether the connector ran meanwhile.
    Taken(What, Meanwhile),
    /// Killed when the slot is there and its position is not.
    SlotMade,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    SlotDropped,
    SlotCreatedAgain,
    SlotAdvanced,
    SlotLost,
    PublicationDropped,
    PublicationCreatedAgain,
    PublicationNarrowed,
    OutboxCreatedAgain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meanwhile {
    Running,
    Stopped,
}

impl Stop {
    pub fn all() -> Vec<Stop> {
        use What::*;
        let all = [
            SlotDropped,
            SlotCreatedAgain,
            SlotAdvanced,
            SlotLost,
            PublicationDropped,
            PublicationCreatedAgain,
            PublicationNarrowed,
            OutboxCreatedAgain,
        ];
        let both =
            |what| [Meanwhile::Running, Meanwhile::Stopped].map(|meanwhile| Stop::Taken(what, meanwhile));
        all.into_iter().flat_map(both).chain([Stop::SlotMade]).collect()
    }

    /// The name under which it is counted.
    pub fn class(&self) -> String {
        let (what, meanwhile) = match self {
            Stop::SlotMade => return "kill at after_slot_create".into(),
            Stop::Taken(what, meanwhile) => (what, meanwhile),
        };
        let what = match what {
            What::SlotDropped => "slot dropped",
            What::SlotCreatedAgain => "slot dropped and created",
            What::SlotAdvanced => "slot advanced",
            What::SlotLost => "slot invalidated",
            What::PublicationDropped => "publication dropped",
            What::PublicationCreatedAgain => "publication dropped and created",
            What::PublicationNarrowed => "publication narrowed",
            What::OutboxCreatedAgain => "outbox created again",
        };
        let meanwhile = match meanwhile {
            Meanwhile::Running => "running",
            Meanwhile::Stopped => "stopped",
        };
        format!("{what} ({meanwhile})")
    }
}

impl What {
    /// The exit code of its case.
    fn code(self) -> i32 {
        match self {
            What::SlotCreatedAgain | What::SlotAdvanced => 20,
            What::SlotDropped => 25,
            What::SlotLost => 26,
            What::PublicationDropped
            | What::PublicationCreatedAgain
            | What::PublicationNarrowed
            | What::OutboxCreatedAgain => 29,
        }
    }

    /// A connector that runs must not see the half of it.
    fn wants_stillness(self) -> bool {
        matches!(self, What::SlotCreatedAgain | What::SlotAdvanced | What::SlotLost)
    }

    fn server(self) -> &'static Database {
        static SMALL: OnceLock<Database> = OnceLock::new();
        let small = || Database::with(DatabaseOptions::new().setting("max_slot_wal_keep_size", "1MB"));
        if self == What::SlotLost { SMALL.get_or_init(small) } else { Database::shared() }
    }
}

/// One after the other.
pub fn walk(stops: Vec<Stop>, mut random: Random, tally: &Tally) {
    let (began, number) = (Instant::now(), stops.len());
    for (done, stop) in stops.into_iter().enumerate() {
        let class = stop.class();
        crate::say(&format!("{:>8}: {done}/{number}, {} s: {class}", "stops", began.elapsed().as_secs()));
        let happened = catch_unwind(AssertUnwindSafe(|| {
            tally.injected(&class);
            let took = match stop {
                Stop::Taken(what, meanwhile) => Some(taken(what, meanwhile)),
                Stop::SlotMade => {
                    slot_made(&mut random);
                    None
                }
            };
            tally.fired(&class);
            took.into_iter().for_each(|took| tally.recovered(&class, took));
        }));
        if let Err(panic) = happened {
            tally.failed(format!("{class}: {}", crate::words(&*panic)));
        }
    }
}

/// A connector that has published three events.
struct Small {
    db: DatabaseHandle,
    kafka: &'static Broker,
    connector: Connector,
}

/// What a stop must not change.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    /// Keys of the events, in order.
    events: Vec<String>,
    positions: usize,
    confirmed: Option<String>,
}

/// Does it; how long the connector took to stop.
fn taken(what: What, meanwhile: Meanwhile) -> Duration {
    let mut small = Small::new(what.server());
    let still = meanwhile == Meanwhile::Running && what.wants_stillness();
    match meanwhile {
        Meanwhile::Stopped => small.leave(),
        Meanwhile::Running if still => small.connector.sigstop(),
        Meanwhile::Running => {}
    }
    // Whoever leaves may write one more.
    let (before, mut stored) = (small.traces(), small.stored());
    small.take(what);
    if still {
        // A position that was under way when it was halted has arrived by now.
        stored = small.stored();
    }
    let (after, began) = (small.traces(), Instant::now());
    match meanwhile {
        Meanwhile::Stopped => small.connector.start_again(),
        Meanwhile::Running if still => small.connector.sigcont(),
        Meanwhile::Running => {}
    }
    let (exit, log) = small.ended();
    let took = began.elapsed();
    assert_eq!(exit.code(), Some(what.code()), "{}", tail(&log));
    for part in ["\"what\":", "\"detail\":", "\"hint\":"] {
        assert!(log.contains(part), "{part} is not in\n{}", tail(&log));
    }
    if what.code() == 20 {
        let slot = after.confirmed.as_deref().expect("a slot");
        assert!(log.contains(&stored) && log.contains(slot), "{stored} and {slot} in\n{}", tail(&log));
    }
    let at_the_end = small.traces();
    // Whoever stands still, or was stopped, has no time in which it may not know yet.
    if meanwhile == Meanwhile::Stopped || still {
        assert_eq!(at_the_end, after, "it stopped with {}, and yet", what.code());
    }
    let unknown = ["lost", "after"];
    let events = &at_the_end.events;
    assert!(events.starts_with(&before.events), "{before:?}, {at_the_end:?}");
    assert!(
        events[before.events.len()..].iter().all(|key| unknown.contains(&key.as_str())),
        "{at_the_end:?}"
    );
    // Nothing lingers: a word under way to either server has arrived by now.
    hold(Duration::from_millis(100));
    assert_eq!(small.traces(), at_the_end, "after its end");
    took
}

impl Small {
    fn new(server: &'static Database) -> Small {
        let (db, kafka) = (server.fresh_database(), Broker::shared());
        db.create_outbox();
        db.execute("create table other (id int primary key)");
        kafka.create_topic(&db.topic("order"), 1, &[]);
        let mut connector = base(&db, kafka).start();
        connector.wait_ready();
        for n in 1..=3 {
            db.insert("order", &n.to_string(), "published", "{}");
        }
        let mut small = Small { db, kafka, connector };
        small.kafka.wait_records(&[&small.db.topic("order")], 3, PATIENCE);
        wait_until("the slot stands at the last position", PATIENCE, || {
            assert!(small.connector.is_running(), "{}", small.connector.log());
            (small.confirmed().as_deref() == Some(&small.stored())).then_some(())
        });
        small
    }

    fn leave(&mut self) {
        self.connector.sigterm();
        let (exit, log) = self.connector.wait_exit(PATIENCE);
        assert_eq!(exit.code(), Some(0), "{}", tail(&log));
    }

    fn ended(&mut self) -> (ExitStatus, String) {
        let began = Instant::now();
        while self.connector.is_running() {
            assert!(began.elapsed() < NOTICED, "it does not stop:\n{}", tail(&self.connector.log()));
            hold(Duration::from_millis(5));
        }
        self.connector.wait_exit(PATIENCE)
    }

    fn confirmed(&self) -> Option<String> {
        self.db.server().slot_confirmed(self.db.name())
    }

    /// End of the last position.
    fn stored(&self) -> String {
        let records = self.kafka.records(&[&position_topic(&self.db)]);
        let last = records.last().expect("a position").value_text().to_owned();
        let last: walpost::position::Position = serde_json::from_str(&last).expect("a position");
        last.end_lsn.to_string()
    }

    fn traces(&self) -> Traces {
        let events = self.kafka.records(&[&self.db.topic("order")]);
        Traces {
            events: events.iter().map(|record| record.key_text().to_owned()).collect(),
            positions: self.kafka.records(&[&position_topic(&self.db)]).len(),
            confirmed: self.confirmed(),
        }
    }

    fn execute(&self, sql: &str) {
        self.db.execute(&sql.replace("SLOT", self.db.name()));
    }

    /// Takes what the case is about, and writes an event that is lost by it.
    fn take(&self, what: What) {
        let lose = |key: &str| self.db.insert("order", key, "t", "{}");
        match what {
            What::SlotDropped => {
                self.drop_slot();
                lose("lost");
            }
            What::SlotCreatedAgain => {
                self.drop_slot();
                lose("lost");
                self.execute("select pg_create_logical_replication_slot('SLOT', 'pgoutput')");
            }
            // What a walsender had sent before it ended would be published, and not be lost.
            What::SlotAdvanced => {
                self.end_walsender();
                lose("lost");
                self.execute("select pg_replication_slot_advance('SLOT', pg_current_wal_lsn())");
            }
            What::SlotLost => {
                self.end_walsender();
                lose("lost");
                for _ in 0..4 {
                    self.execute("create table t (); drop table t; select pg_switch_wal()");
                }
                self.execute("checkpoint");
                let lost = "select wal_status = 'lost' from pg_replication_slots where slot_name = 'SLOT'";
                self.db.wait_for(&lost.replace("SLOT", self.db.name()));
            }
            What::PublicationDropped => {
                self.execute("drop publication walpost");
                lose("lost");
            }
            What::PublicationCreatedAgain => {
                self.execute("drop publication walpost");
                lose("lost");
                self.execute("create publication walpost for table outbox");
                lose("after");
            }
            What::PublicationNarrowed => {
                self.execute("alter publication walpost set table other");
                lose("lost");
            }
            What::OutboxCreatedAgain => {
                self.execute("drop table outbox");
                self.db.create_outbox();
                lose("lost");
                self.execute("alter publication walpost add table outbox");
                lose("after");
            }
        }
    }

    fn end_walsender(&self) {
        let gone = "select not active from pg_replication_slots where slot_name = 'SLOT'
                    and (pg_terminate_backend(active_pid) or true)";
        self.db.wait_for(&gone.replace("SLOT", self.db.name()));
    }

    /// Its walsender ends first, and must not be back before it is dropped.
    fn drop_slot(&self) {
        self.execute(
            "do $$ begin for attempt in 1..1000 loop begin
               perform pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'SLOT' and active;
               perform pg_drop_replication_slot('SLOT');
               return;
             exception when object_in_use then perform pg_sleep(0.005);
             end; end loop; raise 'it is still in use'; end $$",
        );
    }
}

/// Dies when the slot is there and its position is not; then maybe again on the way to repair that. Loses nothing that was
/// committed since the slot exists.
fn slot_made(random: &mut Random) {
    let (db, kafka) = (Database::shared().fresh_database(), Broker::shared());
    db.create_outbox();
    let topic = db.topic("order");
    kafka.create_topic(&topic, 1, &[]);
    let repair = ["after_fence:1", "after_position_read:1", "before_commit:1"];
    let mut deaths = vec!["after_slot_create:1"];
    deaths.extend(&repair[..random.below(4) as usize]);
    let mut connector: Option<Connector> = None;
    for (number, armed) in deaths.iter().enumerate() {
        let builder = base(&db, kafka).env("WALPOST_FAILPOINT", armed);
        match &mut connector {
            Some(connector) => connector.start_again_with(|_| builder),
            none => *none = Some(builder.start()),
        }
        let (exit, log) = connector.as_mut().expect("just started").wait_exit(PATIENCE);
        let name = armed.split(':').next().expect("a name");
        assert!(
            exit.code().is_none() && log.contains(&format!("failpoint {name}")),
            "{exit}: {}",
            tail(&log)
        );
        db.insert("order", &number.to_string(), "t", "{}");
    }
    connector.as_mut().expect("started").start_again_with(|builder| builder.without_env("WALPOST_FAILPOINT"));
    let records = kafka.wait_records(&[&topic], deaths.len(), PATIENCE);
    let keys: Vec<_> = records.iter().map(|record| record.key_text().to_owned()).collect();
    let expected: Vec<_> = (0..deaths.len()).map(|number| number.to_string()).collect();
    assert_eq!(keys, expected, "{deaths:?}");
}
