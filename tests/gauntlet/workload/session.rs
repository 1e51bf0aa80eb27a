//! A writer: transactions of many kinds, one after the other, whatever becomes of its server.
//!
//! Every event takes the next version of its aggregate under that row's lock: the versions of an aggregate's events are
//! the order of their commits.

use super::rows::{self, Row};
use super::{Orders, Pace, locked};
use crate::random::Random;
use crate::support::DatabaseHandle;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_postgres::{Client, Error};

const AGGREGATES: u64 = 120;

/// Of how many transactions one is too large for a batch. A hundred, as first wished, would let large ones be nine of
/// ten events on a machine of two cores; the faults that need one ask for it.
const LARGE_ONE_IN: u64 = 1_000;

/// Of how many transactions in a hundred one event is bad: of some eight, as most have.
const BAD_PERCENT: u64 = 8;

/// So many of the bad ones are small.
const SMALL_BAD: u64 = 11;

pub(crate) struct Session {
    db: Arc<DatabaseHandle>,
    orders: Arc<Orders>,
    number: u64,
    random: Random,
    pause_ms: u64,
    large_rows: u64,
    megabytes: bool,
    /// Where COPY passes rows through.
    file: String,
    tx: u64,
    /// Of the last event in this transaction.
    ordinal: u64,
    /// Of this transaction, not counting what was rolled back to a savepoint.
    events: u64,
    kinds: Vec<&'static str>,
    /// Acknowledged, but not known to be durable yet: (tx, events).
    lazy: Vec<(u64, u64)>,
}

/// How a transaction is ended.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Rollback,
    Commit,
    /// Acknowledged before it is durable.
    Lazily,
    InTwoPhases,
}

impl Session {
    pub(crate) fn new(
        db: &Arc<DatabaseHandle>,
        orders: &Arc<Orders>,
        number: u64,
        random: Random,
        pace: &Pace,
    ) -> Session {
        let file = db.server().data_directory().join(format!("{}-copied-by-{number}", db.name()));
        Session {
            file: file.to_str().expect("a path").to_owned(),
            db: db.clone(),
            orders: orders.clone(),
            number,
            random,
            pause_ms: pace.pause_ms,
            large_rows: pace.large_rows,
            megabytes: pace.megabyte_payloads,
            tx: 0,
            ordinal: 0,
            events: 0,
            kinds: Vec::new(),
            lazy: Vec::new(),
        }
    }

    pub(crate) async fn run(mut self) {
        loop {
            let Some(client) = self.connect().await else { return };
            while !client.is_closed() {
                if self.orders.stopped() {
                    // A synchronous commit makes durable what was committed before it.
                    let _ = self.transaction(&client, End::Commit).await;
                    return;
                }
                let end = self.end();
                if let Err(error) = self.transaction(&client, end).await {
                    self.failed(&client, &error).await;
                }
                // The pace of the load; nothing waits for it.
                tokio::time::sleep(Duration::from_millis(self.random.below(self.pause_ms + 1))).await;
            }
            self.orders.count("session lost");
            let lost = self.lazy.drain(..).map(|(tx, _)| (self.number, tx));
            locked(&self.orders.doubtful).extend(lost);
        }
    }

    /// Until there is a session, and nothing that an earlier one had prepared; none when it is time to stop and the server
    /// stays away.
    async fn connect(&mut self) -> Option<Client> {
        for attempt in 0.. {
            if attempt > 600 && self.orders.stopped() {
                return None;
            }
            if let Ok(client) = self.db.try_connect().await
                && self.finish_prepared(&client).await.is_ok()
            {
                return Some(client);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }

    /// Their rows are locked until somebody ends them.
    async fn finish_prepared(&mut self, client: &Client) -> Result<(), Error> {
        client.batch_execute("set statement_timeout = '60s'").await?;
        let ours = format!(
            "select gid from pg_prepared_xacts where database = current_database() and gid like '{} %'",
            self.gid_of()
        );
        for row in client.query(&ours, &[]).await? {
            let gid: &str = row.get(0);
            let how = if self.random.percent(50) { "commit" } else { "rollback" };
            client.batch_execute(&format!("{how} prepared '{gid}'")).await?;
            self.orders.count("prepared, ended by a later session");
        }
        Ok(())
    }

    fn gid_of(&self) -> String {
        format!("{} writer {}", self.db.name(), self.number)
    }

    async fn failed(&mut self, client: &Client, error: &Error) {
        if client.is_closed() || error.is_closed() {
            return;
        }
        self.orders.count("refused by Postgres and rolled back");
        let _ = client.batch_execute("rollback").await;
        let _ = self.finish_prepared(client).await;
    }

    fn end(&mut self) -> End {
        match self.random.below(100) {
            0..10 => End::Rollback,
            10..30 => End::Lazily,
            30..32 => End::InTwoPhases,
            _ => End::Commit,
        }
    }

    /// What is wanted is committed, and wanted still if it was not.
    async fn transaction(&mut self, client: &Client, end: End) -> Result<(), Error> {
        let orders = self.orders.clone();
        let wanted = [&orders.large, &orders.refused].map(|wanted| Orders::takes(wanted).then_some(wanted));
        let [large, refused] = wanted.map(|wanted| wanted.is_some());
        if !large && !refused {
            let large = self.random.below(LARGE_ONE_IN) == 0;
            return self.events_of_one(client, large, false, end).await;
        }
        let done = self.events_of_one(client, large, refused, End::Commit).await;
        if done.is_err() {
            for wanted in wanted.into_iter().flatten() {
                wanted.fetch_add(1, Ordering::Relaxed);
            }
        }
        done
    }

    async fn events_of_one(
        &mut self,
        client: &Client,
        large: bool,
        refused: bool,
        end: End,
    ) -> Result<(), Error> {
        self.tx += 1;
        (self.ordinal, self.events) = (0, 0);
        self.kinds.clear();
        client.batch_execute("begin").await?;
        // Always in the same order, or two writers would wait for each other.
        let mut aggregates: Vec<_> =
            (0..1 + self.random.below(5)).map(|_| self.random.below(AGGREGATES)).collect();
        aggregates.sort_unstable();
        for aggregate in &aggregates {
            let events = 1 + self.random.below(4);
            self.insert(client, *aggregate, events, &rows::GOOD).await?;
        }
        self.bad(client, &aggregates, refused).await?;
        self.extras(client, &aggregates, large).await?;
        self.end_with(client, end).await
    }

    /// One event in a hundred is bad, between good ones of its key.
    async fn bad(&mut self, client: &Client, aggregates: &[u64], refused: bool) -> Result<(), Error> {
        if !refused && !self.random.percent(BAD_PERCENT) {
            return Ok(());
        }
        self.kinds.push("with a bad event");
        let row =
            if refused { &rows::UNFORESEEN } else { Row::draw(&mut self.random, self.db.server().major()) };
        let aggregate = aggregates[self.random.below(aggregates.len() as u64) as usize];
        self.insert(client, aggregate, 1, row).await?;
        self.insert(client, aggregate, 1, &rows::GOOD).await
    }

    /// What makes some transactions special.
    async fn extras(&mut self, client: &Client, aggregates: &[u64], large: bool) -> Result<(), Error> {
        if large {
            self.kinds.push("large");
            for aggregate in aggregates {
                let rows = self.large_rows / aggregates.len() as u64 + 1;
                self.insert(client, *aggregate, rows, &rows::GOOD).await?;
                // Small ones: dead letters of many large ones are another matter.
                let small = &rows::BAD[self.random.below(SMALL_BAD) as usize];
                self.insert(client, *aggregate, rows / 100, small).await?;
            }
        }
        let again = aggregates[self.random.below(aggregates.len() as u64) as usize];
        if self.megabytes && self.random.percent(1) {
            self.kinds.push("a megabyte");
            self.insert(client, again, 1, &rows::A_MEGABYTE).await?;
        }
        if self.random.percent(10) {
            self.kinds.push("savepoint");
            client.batch_execute("savepoint here").await?;
            self.insert(client, again, 3, &rows::GOOD).await?;
            client.batch_execute("rollback to here").await?;
            self.events -= 3;
            self.insert(client, again, 1, &rows::GOOD).await?;
        }
        if self.random.percent(5) {
            self.kinds.push("copy");
            self.copy(client, again, 20).await?;
        }
        if self.random.percent(5) {
            self.kinds.push("deleted at once");
            let ours = format!("writer = {} and tx = {}", self.number, self.tx);
            let delete = format!("delete from outbox where id in (select id from truth where {ours})");
            client.batch_execute(&delete).await?;
        }
        Ok(())
    }

    async fn end_with(&mut self, client: &Client, end: End) -> Result<(), Error> {
        let kind = match end {
            End::Rollback => {
                self.orders.count("rolled back");
                return client.batch_execute("rollback").await;
            }
            End::Commit => "committed",
            End::Lazily => "committed lazily",
            End::InTwoPhases => "prepared",
        };
        self.kinds.push(kind);
        let mut last = format!(
            "insert into done select {}, {}, pg_current_xact_id()::text::bigint, array['{}']",
            self.number,
            self.tx,
            self.kinds.join("','")
        );
        match end {
            End::Lazily => last += "; set local synchronous_commit = off",
            End::InTwoPhases => {
                let _ = write!(last, "; prepare transaction '{} {}'", self.gid_of(), self.tx);
            }
            _ => {}
        }
        client.batch_execute(&last).await?;
        let commit = match end {
            End::InTwoPhases if self.random.percent(20) => {
                self.orders.count("prepared and rolled back");
                return client
                    .batch_execute(&format!("rollback prepared '{} {}'", self.gid_of(), self.tx))
                    .await;
            }
            End::InTwoPhases => format!("commit prepared '{} {}'", self.gid_of(), self.tx),
            _ => "commit".to_owned(),
        };
        if let Err(error) = client.batch_execute(&commit).await {
            locked(&self.orders.unknown).push((self.number, self.tx));
            return Err(error);
        }
        self.lazy.push((self.tx, self.events));
        if end != End::Lazily {
            let durable: u64 = self.lazy.drain(..).map(|(_, events)| events).sum();
            self.orders.committed.fetch_add(durable, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Events of one aggregate by one statement.
    async fn insert(&mut self, client: &Client, aggregate: u64, events: u64, row: &Row) -> Result<(), Error> {
        let truth = self.truth(client, aggregate, events, row).await?;
        let both = format!("with twin as ({truth} returning truth as t) {}", row.statement());
        client.batch_execute(&both).await
    }

    /// The same by COPY: all its rows have one LSN.
    async fn copy(&mut self, client: &Client, aggregate: u64, events: u64) -> Result<(), Error> {
        let (first, file) = (self.ordinal, self.file.clone());
        let truth = self.truth(client, aggregate, events, &rows::GOOD).await?;
        let (place, values) = (rows::GOOD.place(), rows::GOOD.values());
        let these = format!("writer = {} and tx = {} and ordinal > {first}", self.number, self.tx);
        let copy = format!(
            "{truth};
             copy ({values} from (select truth as t from truth where {these} order by ordinal) rows) to '{file}';
             copy {place} from '{file}'"
        );
        client.batch_execute(&copy).await
    }

    /// The statement that writes the truth about the aggregate's next versions, which are ours from here on. The events'
    /// own times are some minutes ago, so that no clock on the way can be taken for them.
    async fn truth(
        &mut self,
        client: &Client,
        aggregate: u64,
        events: u64,
        row: &Row,
    ) -> Result<String, Error> {
        let took = format!(
            "update aggregate set version = version + {events} where id = {aggregate} returning version"
        );
        let version: i64 = client.query_one(&took, &[]).await?.get(0);
        let (before, ordinal) = (version as u64 - events, self.ordinal);
        let bad = row.bad.map_or("null".to_owned(), |bad| format!("'{bad}'"));
        let frame = row.frame.literal();
        self.ordinal += events;
        self.events += events;
        Ok(format!(
            "insert into truth select gen_random_uuid(), {}, {}, {ordinal} + n, {aggregate}, {before} + n,
             pg_current_xact_id()::text::bigint, {}, clock_timestamp() - random() * interval '50 minutes', {bad}, {frame}
             from generate_series(1, {events}) n",
            self.number, self.tx, row.kilobytes
        ))
    }
}
