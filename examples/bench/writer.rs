//! The application: writes events into the outbox at a steady rate, each with its number and the time.

use crate::backlog::pad;
use crate::cells::REFERENCE;
use crate::support::DatabaseHandle;
use std::time::{Duration, Instant};
use tokio_postgres::Statement;

/// One session writes one transaction after the other; more than so many a second would take the machine's time from
/// what is measured, so a higher rate has more rows in each.
const TRANSACTIONS_MOST: u64 = 5000;
/// What number, time and JSON take of a payload.
const FRAME: u64 = 48;
/// After the run's clock began: whoever reads is there by then.
pub const LEAD: Duration = Duration::from_secs(1);

/// Rows of one transaction at this rate.
pub fn rows_per_transaction(rate: u64) -> u64 {
    rate.div_ceil(TRANSACTIONS_MOST)
}

/// Writes events from number 0 on, so many a second, as long as it should; how many it wrote. A transaction that is
/// late is written at once, and its rows say when.
pub fn write_steadily(db: &DatabaseHandle, epoch: Instant, rate: u64, goes_on: impl Fn(u64) -> bool) -> u64 {
    let rows = rows_per_transaction(rate);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = db.connect().await;
        let statement = statement(&client, rows).await;
        let mut n = 0;
        while goes_on(n) {
            let due = Duration::from_secs_f64(n as f64 / rate as f64) + LEAD;
            tokio::time::sleep_until((epoch + due).into()).await;
            let at = epoch.elapsed().as_secs_f64();
            client.execute(&statement, &[&(n as i64), &at]).await.expect("rows");
            n += rows;
        }
        n
    })
}

/// One event, now: when that was.
pub fn write_one(db: &DatabaseHandle, epoch: Instant, n: u64) -> f64 {
    let at = epoch.elapsed().as_secs_f64();
    db.execute(&sql(1).replace("$1", &n.to_string()).replace("$2", &at.to_string()));
    at
}

async fn statement(client: &tokio_postgres::Client, rows: u64) -> Statement {
    client.prepare(&sql(rows)).await.expect("a statement")
}

/// Events from number $1 on, all of the time $2.
fn sql(rows: u64) -> String {
    let values = |n: &str| {
        let pad = pad(n, REFERENCE.payload.saturating_sub(FRAME));
        format!(
            "gen_random_uuid(), 'order', (({n}) % 1000)::text, 'OrderPlaced',
             jsonb_build_object('n', {n}, 'at', $2::float8, 'pad', {pad})"
        )
    };
    let into = "insert into outbox (id, aggregatetype, aggregateid, type, payload)";
    match rows {
        1 => format!("{into} values ({})", values("$1::bigint")),
        _ => format!("{into} select {} from generate_series(0, {}) i", values("($1::bigint + i)"), rows - 1),
    }
}
