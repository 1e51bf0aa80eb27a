//! What is only to be seen while it happens: where the slot stands, twenty times a second, and what the witness is told.
//!
//! The witness is a slot of our own on a table that has one row for each transaction: Postgres tells it, and not the
//! connector, in which order the transactions were committed and where each ends. It is asked by SQL and not by a
//! walsender, so that no fault that ends walsenders or waits for them has to do with it, and all the time, so that it keeps
//! no WAL for long. After a crash of the server it tells some of it again.

use super::dump::{Commit, Dump, Sample, Slot};
use super::locked;
use crate::support::DatabaseHandle;
use crate::workload::witness_slot;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio_postgres::{Client, Error, SimpleQueryMessage};
use walpost::lsn::Lsn;

const BETWEEN_SAMPLES: Duration = Duration::from_millis(50);
/// A server that is halted does not answer.
const SAMPLE_WITHIN: Duration = Duration::from_secs(2);
/// The witness reads a lot of WAL before it answers.
const WITNESS_WITHIN: Duration = Duration::from_secs(60);
/// The witness reads again from the oldest transaction that is open; it rests ten times as long as that took.
const WITNESS_RESTS: Duration = Duration::from_secs(1);
/// From 1970 to 2000, where Postgres's time begins.
const POSTGRES_EPOCH_MS: i64 = 946_684_800_000;

pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

pub struct Watch {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    db: Arc<DatabaseHandle>,
    stop: AtomicBool,
    samples: Mutex<Vec<Sample>>,
    witness: Mutex<Witness>,
}

#[derive(Default)]
struct Witness {
    /// By end.
    commits: BTreeMap<Lsn, Commit>,
    session: Option<Client>,
}

impl Watch {
    pub fn start(db: &Arc<DatabaseHandle>) -> Watch {
        let (stop, samples, witness) = (AtomicBool::default(), Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { db: db.clone(), stop, samples, witness });
        let (sampling, asking) = (shared.clone(), shared.clone());
        let threads =
            vec![std::thread::spawn(move || sampling.sample()), std::thread::spawn(move || asking.ask())];
        Watch { shared, threads }
    }

    /// The end of the last transaction that was committed by now; an error says why the witness cannot tell.
    pub fn ask_witness(&self) -> Result<Lsn, String> {
        let mut witness = locked(&self.shared.witness);
        let mut asked = witness.listen(&self.shared.db);
        // The session may have gone with its server, which is up again.
        for _ in 0..20 {
            if asked.is_err() {
                std::thread::sleep(BETWEEN_SAMPLES);
                asked = witness.listen(&self.shared.db);
            }
        }
        asked?;
        Ok(witness.commits.keys().next_back().copied().unwrap_or(Lsn::ZERO))
    }

    /// How often the slot was looked at.
    pub fn sampled(&self) -> usize {
        locked(&self.shared.samples).len()
    }

    /// Everything that was seen.
    pub fn end(mut self, dump: &mut Dump) {
        if let Err(what) = self.ask_witness() {
            dump.unread.push(what);
        }
        self.join();
        dump.samples = std::mem::take(&mut locked(&self.shared.samples));
        dump.commits = std::mem::take(&mut locked(&self.shared.witness).commits).into_values().collect();
    }

    fn join(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.join();
    }
}

impl Shared {
    fn sample(&self) {
        let question = format!(
            "select confirmed_flush_lsn, active from pg_replication_slots where slot_name = '{}'",
            self.db.name()
        );
        let mut session = None;
        while !self.stop.load(Ordering::Relaxed) {
            let before_ms = now_ms();
            let rows = rows(&self.db, &mut session, SAMPLE_WITHIN, &question);
            let after_ms = now_ms();
            let slot = rows.map_or(Slot::Unreachable, |rows| {
                let stands = rows.first().and_then(|row| {
                    let confirmed = row.first()?.as_ref()?.parse().ok()?;
                    Some(Slot::Stands { confirmed, active: row.get(1)?.as_deref() == Some("t") })
                });
                stands.unwrap_or(Slot::Missing)
            });
            locked(&self.samples).push(Sample { before_ms, after_ms, slot });
            std::thread::sleep(BETWEEN_SAMPLES);
        }
    }

    fn ask(&self) {
        let mut next = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            if Instant::now() >= next {
                let began = Instant::now();
                // A server that is down is asked again later.
                let _ = locked(&self.witness).listen(&self.db);
                next = Instant::now() + WITNESS_RESTS.max(10 * began.elapsed());
            }
            std::thread::sleep(BETWEEN_SAMPLES);
        }
    }
}

impl Witness {
    /// Takes what the slot has: of each transaction its Commit message (pgoutput's manual: byte 'C', flags, commit LSN,
    /// end LSN, time). The slot moves on only when that has been received.
    fn listen(&mut self, db: &DatabaseHandle) -> Result<(), String> {
        let slot = witness_slot(db);
        let question = format!(
            "select xid, encode(substr(data, 3), 'hex') from pg_logical_slot_peek_binary_changes('{slot}', null, null,
             'proto_version', '1', 'publication_names', 'witness') where get_byte(data, 0) = 67"
        );
        let told = self.rows(db, &question)?;
        let mut last = None;
        for row in told {
            let commit = commit(&row).ok_or_else(|| format!("the witness: {row:?} is no commit"))?;
            last = Some(commit.end_lsn);
            self.commits.insert(commit.end_lsn, commit);
        }
        if let Some(last) = last {
            self.rows(db, &format!("select pg_replication_slot_advance('{slot}', '{last}')"))?;
        }
        Ok(())
    }

    fn rows(&mut self, db: &DatabaseHandle, question: &str) -> Result<Vec<Row>, String> {
        rows(db, &mut self.session, WITNESS_WITHIN, question).map_err(|error| format!("the witness: {error}"))
    }
}

/// Each value as text.
type Row = Vec<Option<String>>;

fn commit(row: &[Option<String>]) -> Option<Commit> {
    let [Some(xid), Some(rest)] = row else { return None };
    let number = |at: usize| u64::from_str_radix(rest.get(16 * at..16 * (at + 1))?, 16).ok();
    let (commit_lsn, end_lsn) = (Lsn::new(number(0)?), Lsn::new(number(1)?));
    let at_ms = POSTGRES_EPOCH_MS + i64::try_from(number(2)?).ok()? / 1000;
    Some(Commit { xid: xid.parse().ok()?, commit_lsn, end_lsn, at_ms })
}

/// The rows of an answer; a session is opened where there is none, and given up after any error.
fn rows(
    db: &DatabaseHandle,
    session: &mut Option<Client>,
    within: Duration,
    question: &str,
) -> Result<Vec<Row>, String> {
    let asked = on_a_runtime(within, async {
        if session.as_ref().is_none_or(Client::is_closed) {
            *session = Some(db.try_connect().await?);
        }
        session.as_ref().expect("just opened").simple_query(question).await
    });
    let messages = asked.inspect_err(|_| *session = None)?;
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
        }
        _ => None,
    });
    Ok(rows.collect())
}

fn on_a_runtime<T>(within: Duration, question: impl Future<Output = Result<T, Error>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answer = runtime.block_on(async { tokio::time::timeout(within, question).await });
    let answer = answer.map_err(|_| "no answer in time".to_owned())?;
    answer.map_err(|error| {
        error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
    })
}
