//! A world: a Postgres and a Kafka of its own behind proxies, a load, up to two instances of one connector, and those
//! who watch. What is done to it is in `faults`; here is how it goes on afterwards.

use crate::checker::{Checker, Outcome};
use crate::progress::{Progress, Seen};
use crate::random::Random;
use crate::support::{
    Broker, BrokerOptions, Connector, ConnectorBuilder, Database, DatabaseHandle, DatabaseOptions, Proxy,
};
use crate::tally::Tally;
use crate::workload::{self, Pace, Summary, Workload};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};
use walpost::lsn::Lsn;

/// How long anything may take: longer than every timeout that is set below, on a machine that has other things to do.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// Two of three starts are with walpost's own producer, or all with the one that WALPOST_TEST_PRODUCER names.
const PRODUCERS: [&str; 3] = ["native", "native", "librdkafka"];
/// How long a Kafka transaction may be open.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(5);

pub struct World {
    pub random: Random,
    pub postgres: Database,
    pub db: Arc<DatabaseHandle>,
    pub kafka: Broker,
    /// Between the connector and the servers; everybody else goes to them directly.
    pub to_postgres: Proxy,
    pub to_kafka: Proxy,
    pub workload: Workload,
    pub progress: Progress,
    pub tally: Arc<Tally>,
    checker: Checker,
    builder: ConnectorBuilder,
    /// Processes of one configuration.
    instances: [Option<Connector>; 2],
    /// Which of them publishes, as far as is known.
    lead: usize,
    /// Which producer each was last started with.
    producers: [&'static str; 2],
    deaths: Vec<Death>,
    /// The last instance has left, and the checker watches that all is quiet.
    quiet: bool,
}

/// A kill after which nothing was published yet.
struct Death {
    class: String,
    at: Instant,
    lsn: Lsn,
    events: u64,
}

impl World {
    /// Everything runs and one connector publishes.
    pub fn new(mut random: Random, pace: Pace, tally: Arc<Tally>, options: BrokerOptions<'_>) -> World {
        let (to_kafka, producer) = (Proxy::reserve(), any_producer(&mut random));
        let postgres = Database::with(DatabaseOptions::new().setting("wal_sender_timeout", "3s"));
        let kafka = Broker::with(options.advertise_proxy(to_kafka.port()));
        to_kafka.forward_to(kafka.proxied());
        let to_postgres = Proxy::start(([127, 0, 0, 1], postgres.port()).into());
        let db = postgres.fresh_database();
        workload::create_tables(&db);
        workload::create_topics(&kafka, &db);
        let builder = configuration(&db, &kafka)
            .set("walpost.kafka.producer", producer)
            .set("database.port", to_postgres.port())
            .set("bootstrap.servers", to_kafka.bootstrap());
        // The slot must be there before the first event, and a slot waits for open transactions.
        let mut first = builder.clone().start();
        first.wait_ready();
        let db = Arc::new(db);
        let checker = Checker::new(Arc::clone(&db), kafka.clone());
        let workload = Workload::start(&db, &mut random, pace);
        let progress = Progress::of(&kafka, &workload::position_topic(&db));
        let mut world = World {
            random,
            postgres,
            db,
            kafka,
            to_postgres,
            to_kafka,
            workload,
            progress,
            tally,
            checker,
            builder,
            instances: [Some(first), None],
            lead: 0,
            producers: [producer; 2],
            deaths: Vec::new(),
            quiet: false,
        };
        world.recovered("the first events");
        world
    }

    /// One more of this class, on the time line too.
    pub fn injecting(&self, class: &str, detail: &str) {
        self.tally.injected(class);
        self.checker.fault(class, detail);
    }

    /// Where the WAL ends now; waits for a server that has just come back.
    pub fn wal(&self) -> Lsn {
        self.db.wait_for("select true");
        self.db.query_one_text("select pg_current_wal_insert_lsn()").parse().expect("an LSN")
    }

    pub fn leader(&mut self) -> &mut Connector {
        self.instances[self.lead].as_mut().expect("it was started")
    }

    pub fn is_up(&mut self, which: usize) -> bool {
        self.instances[which].as_mut().is_some_and(Connector::is_running)
    }

    /// The number of the instance that publishes, and of the other one.
    pub fn roles(&self) -> (usize, usize) {
        (self.lead, 1 - self.lead)
    }

    /// The other one leads now.
    pub fn swap(&mut self) {
        self.lead = 1 - self.lead;
    }

    pub fn instance(&mut self, which: usize) -> &mut Connector {
        self.instances[which].as_mut().expect("it was started")
    }

    /// Starts a process; waits for nothing.
    pub fn start(&mut self, which: usize) {
        self.start_with(which, |builder| builder);
    }

    /// The same, otherwise configured this time.
    pub fn start_with(&mut self, which: usize, change: impl FnOnce(ConnectorBuilder) -> ConnectorBuilder) {
        let producer = any_producer(&mut self.random);
        self.start_by(which, producer, change);
    }

    fn start_by(
        &mut self,
        which: usize,
        producer: &'static str,
        change: impl FnOnce(ConnectorBuilder) -> ConnectorBuilder,
    ) {
        if std::mem::take(&mut self.quiet) {
            self.checker.resumed();
        }
        self.producers[which] = producer;
        let builder = change(self.builder.clone().set("walpost.kafka.producer", producer));
        match &mut self.instances[which] {
            Some(connector) => connector.start_again_with(|_| builder),
            none => *none = Some(builder.start()),
        }
    }

    /// One instance runs, and has published since it was started.
    pub fn up(&mut self) {
        let (lead, other) = self.roles();
        if self.is_up(other) {
            self.instance(other).sigterm();
            let (exit, _) = self.wait_exit(other);
            self.checker.one_stopped(exit.code(), 0);
        }
        if !self.is_up(lead) {
            self.start(lead);
        }
        self.recovered("the connector publishes");
    }

    /// The same, with this producer.
    pub fn up_by(&mut self, producer: &'static str) {
        self.up();
        let lead = self.lead;
        if self.producers[lead] != producer {
            self.leave();
            self.start_by(lead, producer, |builder| builder);
            self.recovered("the connector publishes with the other producer");
        }
    }

    /// The only instance is asked to leave, and leaves with 0 and in silence.
    pub fn leave(&mut self) {
        let lead = self.lead;
        self.leader().sigterm();
        let (exit, log) = self.wait_exit(lead);
        self.checker.stopped(exit.code(), 0);
        self.quiet = true;
        assert_eq!(exit.code(), Some(0), "{}", tail(&log));
    }

    /// One publishes, and a second one waits for its end.
    pub fn up_with_standby(&mut self) {
        let (lead, other) = self.roles();
        if !self.is_up(lead) {
            if self.is_up(other) {
                self.instance(other).kill9();
            }
            self.start(lead);
        }
        self.recovered("the connector publishes");
        if !self.is_up(other) {
            self.start(other);
        }
        self.instance(other).wait_log("standing by");
    }

    /// kill -9 for whatever runs.
    pub fn down(&mut self, class: &str) {
        for which in [0, 1] {
            if self.is_up(which) {
                self.tally.injected(class);
                self.checker.fault(class, "");
                self.instance(which).kill9();
                self.tally.fired(class);
                self.died(class);
            }
        }
    }

    /// An instance has just been killed.
    pub fn died(&mut self, class: &str) {
        let death = Death {
            class: class.to_owned(),
            at: Instant::now(),
            lsn: self.wal(),
            events: self.progress.events(),
        };
        self.deaths.push(death);
    }

    /// Whether something was published since it died.
    pub fn settle_deaths(&mut self) {
        let Some(seen) = self.progress.newest() else { return };
        let is_over = |death: &Death| seen.end_lsn > death.lsn && seen.events > death.events;
        for death in self.deaths.extract_if(.., |death| is_over(death)) {
            self.tally.recovered(&death.class, seen.at.saturating_duration_since(death.at));
        }
    }

    /// Deaths since something was published.
    pub fn deaths(&self) -> usize {
        self.deaths.len()
    }

    /// Until an event that is committed from now on is published; how long that took.
    pub fn recovered(&mut self, what: &str) -> Duration {
        let (began, lsn) = (Instant::now(), self.wal());
        self.fresh(what, lsn, |_| true).at.saturating_duration_since(began)
    }

    /// The same for an event committed after `lsn`, and an instance that fits.
    pub fn fresh(&mut self, what: &str, lsn: Lsn, whose: impl Fn(&str) -> bool) -> Seen {
        let before = self.progress.events();
        self.wait(what, |world| {
            let newest = world.progress.newest();
            newest.filter(|seen| seen.end_lsn > lsn && seen.events > before && whose(&seen.instance))
        })
    }

    /// Asks again and again; no instance may end by itself meanwhile.
    pub fn wait<T>(&mut self, what: &str, mut ask: impl FnMut(&mut World) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            self.settle_deaths();
            if let Some(answer) = ask(self) {
                return answer;
            }
            for which in [0, 1] {
                self.has_not_ended(which, what);
            }
            if began.elapsed() > PATIENCE {
                panic!("{what}: not after {PATIENCE:?}\n{}", self.logs());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn has_not_ended(&mut self, which: usize, what: &str) {
        if let Some(connector) = &mut self.instances[which]
            && let Some(exit) = connector.has_ended()
        {
            panic!("{what}: instance {which} ended with {exit}\n{}", self.logs());
        }
    }

    /// Until it ends by itself.
    pub fn wait_exit(&mut self, which: usize) -> (ExitStatus, String) {
        let began = Instant::now();
        loop {
            self.settle_deaths();
            if !self.is_up(which) {
                return self.instance(which).wait_exit(PATIENCE);
            }
            if began.elapsed() > PATIENCE {
                panic!("instance {which} does not end\n{}", self.logs());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// How many sessions the leader's process has begun.
    pub fn sessions(&mut self) -> usize {
        self.leader().log().matches("\"decision\"").count()
    }

    /// After something went wrong: everything runs, everything is healed, and one instance publishes.
    pub fn begin_anew(&mut self) {
        self.to_postgres.heal();
        self.to_kafka.heal();
        match self.kafka.pid() {
            Some(_) => self.kafka.resume(),
            None => self.kafka.start_again(),
        }
        if self.postgres.pid().is_none() {
            self.postgres.start_again();
        }
        self.instances.iter_mut().flatten().for_each(Connector::kill9);
        self.deaths.clear();
        self.up();
    }

    pub fn whole_logs(&self) -> Vec<String> {
        self.instances.iter().flatten().map(Connector::log).collect()
    }

    /// The last lines of the logs.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for (number, connector) in self.instances.iter().enumerate() {
            let Some(connector) = connector else { continue };
            text += &format!("--- instance {number}, lead {}:\n{}\n", self.lead, tail(&connector.log()));
        }
        text
    }

    /// Writers end, the connector publishes the rest and leaves, and everything is looked at.
    pub fn end(mut self) -> (Summary, Outcome) {
        self.to_postgres.heal();
        self.to_kafka.heal();
        self.up();
        let summary = self.workload.stop();
        if let Err(what) = self.checker.wait_delivered(PATIENCE) {
            self.tally.failed(format!("{what}\n{}", self.logs()));
        }
        self.leave();
        let World { checker, .. } = self;
        (summary, checker.check())
    }
}

fn any_producer(random: &mut Random) -> &'static str {
    let wanted = std::env::var("WALPOST_TEST_PRODUCER").ok();
    let named = PRODUCERS.into_iter().find(|producer| wanted.as_deref() == Some(*producer));
    named.unwrap_or_else(|| PRODUCERS[random.below(PRODUCERS.len() as u64) as usize])
}

/// For the load.
fn configuration(db: &DatabaseHandle, kafka: &Broker) -> ConnectorBuilder {
    workload::configured(base(db, kafka), db)
}

/// Small batches, so that transactions are split; short timeouts, so that there is time for many faults.
pub fn base(db: &DatabaseHandle, kafka: &Broker) -> ConnectorBuilder {
    Connector::new(db, kafka)
        .set("topic.creation.default.partitions", 1)
        .set("topic.creation.default.replication.factor", 1)
        .set("retriable.restart.connector.wait.ms", 500)
        .set("producer.override.transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis())
        .set("walpost.batch.max.events", 500)
        .set("walpost.idle.position.interval.ms", 200)
        .set("walpost.source.silence.timeout.ms", 3_000)
        .set("walpost.database.connect.timeout.ms", 3_000)
}

/// Sleeps for a length that was drawn. A fault's length is part of the fault; nothing waits by it.
pub fn hold(length: Duration) {
    std::thread::sleep(length);
}

/// The last lines of a log, and not all of each.
pub fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().map(|line| line.chars().take(400).collect::<String>()).collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
