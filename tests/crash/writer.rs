//! Four sessions that write events, and beside each event, in the same transaction, the truth about it.
//!
//! Every event takes the next version of its aggregate under that row's lock: the versions of an aggregate's events are
//! the order of their commits. Transactions of many kinds: rolled back, in part or in whole, by COPY, deleted at once,
//! and now and then one that is too large for a batch.

use crate::random::Random;
use crate::support::{DatabaseHandle, wait_until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_postgres::{Client, Error};

const SESSIONS: u64 = 4;
const AGGREGATES: u64 = 40;
const LARGE: u64 = 3_000;

/// Aggregate types: even aggregates and odd ones.
pub const TYPES: [&str; 2] = ["even", "odd"];

/// The outbox, and beside it what only the checker reads.
pub fn create_tables(db: &DatabaseHandle) {
    db.create_outbox();
    db.execute(&format!(
        "create table aggregate (id int primary key, version bigint not null);
         insert into aggregate select n, 0 from generate_series(0, {}) n;
         create table truth (id uuid primary key, session int not null, tx bigint not null, ordinal bigint not null,
                             aggregate int not null, version bigint not null);
         create index on truth (session, tx)",
        AGGREGATES - 1
    ));
}

/// The running sessions.
pub struct Writers {
    threads: Vec<JoinHandle<()>>,
    orders: Arc<Orders>,
}

#[derive(Default)]
struct Orders {
    stop: AtomicBool,
    /// Large transactions that are wanted and not yet taken up.
    large: AtomicU64,
}

impl Writers {
    pub fn start(db: &Arc<DatabaseHandle>, random: &mut Random) -> Writers {
        let orders = Arc::new(Orders::default());
        let threads = (0..SESSIONS)
            .map(|number| {
                let (db, orders, random) = (Arc::clone(db), Arc::clone(&orders), Random::new(random.next()));
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                    runtime.expect("a runtime").block_on(async {
                        let client = db.connect().await;
                        let file = db.server().data_directory().join(format!("copied-by-{number}"));
                        let file = file.to_str().expect("a path").to_owned();
                        Session { client, number, random, file, tx: 0, ordinal: 0 }.run(&orders).await;
                    });
                })
            })
            .collect();
        Writers { threads, orders }
    }

    /// So many transactions that are too large for a batch, soon.
    pub fn want_large(&self, number: u64) {
        self.orders.large.fetch_max(number, Ordering::Relaxed);
    }

    /// Each session ends after the transaction it is in.
    pub fn stop(&mut self) {
        self.orders.stop.store(true, Ordering::Relaxed);
        wait_until("the writers end", crate::PATIENCE, || {
            self.threads.iter().all(JoinHandle::is_finished).then_some(())
        });
        for thread in self.threads.drain(..) {
            thread.join().expect("a writer");
        }
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.orders.stop.store(true, Ordering::Relaxed);
    }
}

struct Session {
    client: Client,
    number: u64,
    random: Random,
    /// Where COPY passes rows through.
    file: String,
    tx: u64,
    /// Of the last event in this transaction.
    ordinal: u64,
}

impl Session {
    async fn run(mut self, orders: &Orders) {
        while !orders.stop.load(Ordering::Relaxed) {
            let wanted = |left: u64| left.checked_sub(1);
            let large = orders.large.fetch_update(Ordering::Relaxed, Ordering::Relaxed, wanted).is_ok();
            self.transaction(large).await.expect("a transaction");
            // The pace of the load; nothing waits for it.
            tokio::time::sleep(Duration::from_millis(self.random.below(30))).await;
        }
    }

    async fn transaction(&mut self, large: bool) -> Result<(), Error> {
        self.tx += 1;
        self.ordinal = 0;
        // Always in the same order, or two sessions would wait for each other.
        let mut aggregates: Vec<_> =
            (0..1 + self.random.below(5)).map(|_| self.random.below(AGGREGATES)).collect();
        aggregates.sort();
        self.client.batch_execute("begin").await?;
        for aggregate in &aggregates {
            let events = 1 + self.random.below(4);
            self.insert(*aggregate, events).await?;
        }
        if large || self.random.below(400) == 0 {
            for aggregate in &aggregates {
                self.insert(*aggregate, LARGE / aggregates.len() as u64 + 1).await?;
            }
        }
        let again = aggregates[self.random.below(aggregates.len() as u64) as usize];
        if self.random.percent(10) {
            self.client.batch_execute("savepoint here").await?;
            self.insert(again, 3).await?;
            self.client.batch_execute("rollback to here").await?;
            self.insert(again, 1).await?;
        }
        if self.random.percent(5) {
            self.copy(again, 20).await?;
        }
        if self.random.percent(5) {
            let ours = format!("session = {} and tx = {}", self.number, self.tx);
            let delete = format!("delete from outbox where id in (select id from truth where {ours})");
            self.client.batch_execute(&delete).await?;
        }
        if self.random.percent(10) {
            return self.client.batch_execute("rollback").await;
        }
        self.client.batch_execute("commit").await
    }

    /// Events of one aggregate by one statement.
    async fn insert(&mut self, aggregate: u64, events: u64) -> Result<(), Error> {
        let truth = self.truth(aggregate, events).await?;
        self.client
            .batch_execute(&format!(
                "with truth as ({truth} returning *) insert into outbox {} from truth order by ordinal",
                columns()
            ))
            .await
    }

    /// The same by COPY: all its rows have one LSN.
    async fn copy(&mut self, aggregate: u64, events: u64) -> Result<(), Error> {
        let (first, file) = (self.ordinal, self.file.clone());
        let truth = self.truth(aggregate, events).await?;
        let these = format!("session = {} and tx = {} and ordinal > {first}", self.number, self.tx);
        self.client
            .batch_execute(&format!(
                "{truth}; copy ({} from truth where {these} order by ordinal) to '{file}'; copy outbox from '{file}'",
                columns()
            ))
            .await
    }

    /// The statement that writes the truth about the aggregate's next versions, which are ours from here on.
    async fn truth(&mut self, aggregate: u64, events: u64) -> Result<String, Error> {
        let took = format!(
            "update aggregate set version = version + {events} where id = {aggregate} returning version"
        );
        let version: i64 = self.client.query_one(&took, &[]).await?.get(0);
        let (before, ordinal) = (version as u64 - events, self.ordinal);
        self.ordinal += events;
        Ok(format!(
            "insert into truth select gen_random_uuid(), {}, {}, {ordinal} + n, {aggregate}, {before} + n
             from generate_series(1, {events}) n",
            self.number, self.tx
        ))
    }
}

/// The outbox row of a row of truth.
fn columns() -> String {
    let [even, odd] = TYPES;
    format!(
        "select id, case aggregate % 2 when 0 then '{even}' else '{odd}' end, aggregate::text, 'changed',
         jsonb_build_object('session', session, 'tx', tx, 'ordinal', ordinal, 'version', version)"
    )
}
