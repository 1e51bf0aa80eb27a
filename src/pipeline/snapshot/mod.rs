//! Rows that were there before the slot, published once, whatever happens meanwhile.
//!
//! Enters: the rows that one snapshot sees, sorted by key. Leaves: records in Kafka transactions of a batch's size, each
//! with the position that says which key its last row of every table has. Promised: after a crash the rest is published
//! and nothing twice ([`open`] says how the rest is found). Not done here: the stream, which begins where the snapshot ends.

pub mod open;
pub mod progress;
mod read;
pub mod road;

pub use open::Opened;
pub use progress::Progress;

use super::desk::Treatment;
use super::handover::{Downstream as _, Handover};
use super::lessons::Lessons;
use super::publishing;
use super::report::Reporter;
use super::schemas;
use super::session::{self, Common, attend, both, thread};
use super::start::{self, Prepared};
use super::trouble::Trouble;
use super::watch::{Holds, Watch};
use crate::config::SnapshotMode;
use crate::confirm::Ledger;
use crate::error::Failure;
use crate::failpoint;
use crate::fingerprint::LastSeen;
use crate::freeze::Freeze;
use crate::memory::Room;
use crate::publish::Publisher;
use crate::publish::kafka_outlet::KafkaOutlet;
use crate::shutdown::Shutdown;
use crate::source::Acknowledger;
use read::{Queue, Reading};
use road::Road;
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Publishes the rows, by what earlier sessions have learnt; `None` when asked to leave before the last one.
pub async fn publish(
    common: &Common,
    mut prepared: Prepared,
    opened: Opened,
    lessons: Lessons,
) -> Result<Option<Prepared>, Trouble> {
    start::speak_or_end(&prepared.session).await?;
    let Prepared { session, connection, publisher, server, letter_bytes, .. } = prepared;
    let position = publisher.position().clone();
    let Some(state) = position.snapshot.clone() else {
        return Err(Trouble::defect("a snapshot without a position"));
    };
    let parking = tokio::task::block_in_place(|| start::parking(&common.config))?;
    let acknowledger = Acknowledger::new(position.end_lsn);
    let seen = LastSeen::new(position.publication.clone());
    let (leave, freeze, handover) = (Shutdown::default(), Freeze::default(), Arc::new(Handover::default()));
    let publisher = session::told(publisher, &common.config, &lessons).heed(seen.clone(), freeze.clone());
    both(&common.metrics, true);
    common.health.snapshot();
    common.progress.begin(&state, &opened);

    let (rows, readers) = start_reading(common, opened, leave.clone());
    let publishing = spawn_publisher(common, publisher, &handover, &acknowledger);
    let treatment = Treatment::new(&common.config, letter_bytes, parking);
    let (registry, known) = (common.config.registry.as_ref(), common.known.clone());
    let schemas = schemas::of(registry, known, leave.clone(), freeze.clone());
    let desk = (treatment, schemas);
    let road = Road::new(common, rows, (&position, state), desk, lessons, Arc::clone(&handover));
    let road = spawn_road(road, &handover);

    let holds = match common.config.snapshot.mode {
        SnapshotMode::InitialOnly => Holds::NoSlot,
        _ => Holds::Slot,
    };
    let watch = Watch {
        config: &common.config,
        session: &session,
        metrics: &common.metrics,
        acknowledger: &acknowledger,
        server: &server,
        seen: &seen,
        holds,
        leave: &leave,
    };
    let ended = async {
        let (road, publishing) = tokio::join!(road, publishing);
        let (published, publisher) = publishing.map_err(|_| Trouble::defect("the publisher's thread"))?;
        published?;
        let whole = road.map_err(|_| Trouble::defect("the snapshot's thread"))??;
        Ok((publisher, whole))
    };
    let result = attend(
        common,
        watch.watch(),
        ended,
        || leave.ask(),
        |why| {
            freeze.say();
            let Failure { what, detail, .. } = why.failure();
            tracing::warn!(what, detail, "nothing more is published");
            handover.end_publisher();
        },
    )
    .await;
    drop(readers);
    common.progress.end(&common.metrics, matches!(result, Ok((_, true))));
    if !matches!(result, Ok((_, true))) {
        both(&common.metrics, false);
    }
    let (publisher, whole) = result?;
    prepared = Prepared { session, connection, publisher, server, rows: None, letter_bytes };
    if !whole {
        return Ok(None);
    }
    failpoint::hit("after_snapshot");
    Ok(Some(prepared))
}

/// Starts a task for each session that reads. They end when what they fill, or the set, is dropped.
fn start_reading(common: &Common, opened: Opened, leave: Shutdown) -> (road::Rows, JoinSet<()>) {
    let source = &common.config.source;
    let (items, receiver) = tokio::sync::mpsc::channel(read::waiting(source.queue_bytes));
    let tables: Arc<[open::Table]> = opened.tables.into();
    let reading = Reading {
        queue: Queue::new(tables.len()),
        tables: Arc::clone(&tables),
        items,
        room: Room::new(source.large),
    };
    let mut readers = JoinSet::new();
    for session in opened.readers {
        readers.spawn(reading.clone().run(session));
    }
    let rows = road::Rows { items: receiver, runtime: Handle::current(), tables, gone: opened.gone, leave };
    (rows, readers)
}

type Ending<T> = oneshot::Receiver<T>;

fn spawn_publisher(
    common: &Common,
    mut publisher: Publisher<KafkaOutlet>,
    handover: &Arc<Handover>,
    acknowledger: &Acknowledger,
) -> Ending<(Result<(), Trouble>, Publisher<KafkaOutlet>)> {
    let ledger = Mutex::new(Ledger::new(publisher.position().end_lsn));
    let mut reporter = Reporter::new(common.metrics.clone(), common.health.clone());
    let (handover, acknowledger) = (Arc::clone(handover), acknowledger.clone());
    thread("publisher", move || {
        let result = publishing::run(&mut publisher, &handover, &ledger, &acknowledger, &mut reporter);
        handover.end_publisher();
        (result.map_err(Trouble::from), publisher)
    })
}

fn spawn_road(mut road: Road, handover: &Arc<Handover>) -> Ending<Result<bool, Trouble>> {
    let handover = Arc::clone(handover);
    thread("snapshot", move || {
        let result = road.run();
        handover.end_road();
        result
    })
}
