//! What else goes on in a database: a table that changes all the time, a transaction that stays open, and somebody who
//! alters the outbox table under everyone's hands.

use super::Orders;
use crate::random::Random;
use crate::support::DatabaseHandle;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// None changes what an event is. Each gives up rather than let the writers wait in a row behind it.
const CHANGES: [(&str, &str); 8] = [
    ("column added", "alter table outbox add column if not exists extra text"),
    ("column dropped", "alter table outbox drop column if exists extra"),
    ("index made", "create index if not exists outbox_at on outbox (at)"),
    ("index dropped", "drop index if exists outbox_at"),
    ("outbox analyzed", "analyze outbox"),
    ("outbox vacuumed", "vacuum outbox"),
    ("another table truncated", "truncate unrelated, busy"),
    ("another table altered", "alter table unrelated alter n type int"),
];

pub(crate) struct Neighbours {
    db: Arc<DatabaseHandle>,
    orders: Arc<Orders>,
    random: Random,
    client: Option<Client>,
}

impl Neighbours {
    pub(crate) fn new(db: &Arc<DatabaseHandle>, orders: &Arc<Orders>, random: Random) -> Neighbours {
        Neighbours { db: db.clone(), orders: orders.clone(), random, client: None }
    }

    /// Writes to an unpublished table.
    pub(crate) async fn be_busy(mut self, pause_ms: u64) {
        let rows = "insert into busy (text) select repeat('busy ', 40) from generate_series(1, 100)";
        while !self.orders.stopped() {
            self.says(rows).await;
            self.rest(pause_ms).await;
        }
    }

    /// Has a transaction open and does nothing in it; a slot's WAL is kept from there on.
    pub(crate) async fn hold(mut self, most_ms: u64) {
        while !self.orders.stopped() {
            if self.says("begin; insert into held default values").await {
                let moment = Instant::now() + Duration::from_millis(self.random.below(most_ms + 1));
                while Instant::now() < moment && !self.orders.stopped() {
                    self.rest(50).await;
                }
                // On another session there would be nothing to commit.
                let kept = self.client.as_ref().is_some_and(|client| !client.is_closed());
                if kept && self.says("commit").await {
                    self.orders.count("transaction held open");
                }
            }
            self.rest(500).await;
        }
    }

    /// Alters the outbox table and others.
    pub(crate) async fn alter(mut self, pause_ms: u64) {
        while !self.orders.stopped() {
            let (what, change) = CHANGES[self.random.below(CHANGES.len() as u64) as usize];
            if self.says("set lock_timeout = '200ms'").await {
                let done = self.says(change).await;
                self.orders.count(if done { what } else { "change given up" });
            }
            self.rest(pause_ms).await;
        }
    }

    /// Whether it was done; a lost session is opened anew for the next time.
    async fn says(&mut self, sql: &str) -> bool {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.client = self.db.try_connect().await.ok();
        }
        match &self.client {
            Some(client) => client.batch_execute(sql).await.is_ok(),
            None => false,
        }
    }

    async fn rest(&mut self, most_ms: u64) {
        tokio::time::sleep(Duration::from_millis(1 + self.random.below(most_ms))).await;
    }
}
