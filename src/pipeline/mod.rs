//! The only part that names all six acts: start, run, retry, drain.
//!
//! A run is a row of sessions. Each begins with the fence and the position that Kafka holds, so that trouble of any
//! kind is met by ending the session and beginning the next one.

pub mod decided;
pub mod desk;
pub mod facts;
pub mod foresight;
pub mod handover;
pub mod lessons;
pub mod pace;
pub mod parking;
mod place;
pub mod publication;
pub mod publishing;
pub mod refusal;
pub mod report;
pub mod resume;
pub mod road;
mod scene;
pub mod schemas;
pub mod session;
pub mod snapshot;
pub mod standing;
pub mod start;
pub mod startup;
pub mod tables;
pub mod telling;
pub mod trouble;
pub mod unsent;
pub mod waiting;
pub mod watch;

use crate::backoff::Backoff;
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::observe::health::Health;
use crate::observe::http;
use crate::observe::metrics::Metrics;
use crate::registry::Known;
use crate::shutdown::Shutdown;
use lessons::Lessons;
use session::Common;
use snapshot::Progress;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use trouble::Trouble;

/// A session that lived this long was healthy: the next wait is the shortest again.
const HEALTHY: Duration = Duration::from_secs(30);

/// Runs the connector until it is asked to leave, or must stop. `progress` shows how far a snapshot has come.
pub fn run(config: Config, progress: Arc<Progress>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failure, "no threads to run on", error.to_string(), ""))?;
    let result = runtime.block_on(serve(config, progress));
    // Blocking calls into a Kafka that does not answer must not keep the process.
    runtime.shutdown_background();
    result
}

async fn serve(config: Config, progress: Arc<Progress>) -> Result<(), Failure> {
    let metrics = Metrics::new(&config.topic_prefix);
    let common = Common {
        instance: Arc::from(uuid::Uuid::now_v7().to_string()),
        health: Health::new(metrics.clone()),
        known: Known::default(),
        metrics,
        shutdown: Shutdown::default(),
        progress,
        took_rows: Arc::default(),
        letters: Arc::default(),
        config: Arc::new(config),
    };
    let Common { config, metrics, health, shutdown, .. } = &common;
    metrics.memory_most(config.memory_most);
    if let Some(listen) = config.http_listen {
        http::serve(listen, metrics.clone(), health.clone()).await?;
    }
    listen_for_signals(shutdown.clone())?;
    let deadline = async {
        shutdown.asked().await;
        tokio::time::sleep(config.shutdown_timeout).await;
    };
    tokio::select! {
        result = live_and_live_again(&common) => result,
        () = deadline => Err(Failure::new(
            Exit::Undrained,
            "the drain did not end in time",
            format!("{:?} were not enough to publish and confirm what was read; it is read again at the next start", config.shutdown_timeout),
            "nothing is lost or doubled. If this happens often, raise walpost.shutdown.timeout.ms",
        )),
    }
}

/// Session after session, until one ends by request or must not be repeated.
async fn live_and_live_again(common: &Common) -> Result<(), Failure> {
    let seed = u64::from(std::process::id()) ^ uuid::Uuid::now_v7().as_u64_pair().1;
    let mut backoff = Backoff::new(Duration::from_millis(100), common.config.retry_wait_most, seed);
    let mut lessons = Lessons::default();
    loop {
        let began = Instant::now();
        let (component, failure) = match session::live(common, &mut lessons).await {
            Ok(()) => return Ok(()),
            Err(Trouble::Halt(failure)) => {
                common.health.halted(&failure.what);
                return Err(failure);
            }
            Err(Trouble::Singly(end_lsn, failure)) => {
                tracing::info!(what = failure.what, until = %end_lsn, "publishing what comes before it first");
                lessons.singly_until = end_lsn;
                continue;
            }
            Err(Trouble::Refused(rejection, failure)) => {
                tracing::info!(what = failure.what, "Kafka refuses an event; it is not sent again");
                if lessons.learn(*rejection) {
                    continue;
                }
                common.health.halted(&failure.what);
                return Err(failure);
            }
            Err(Trouble::Retry(component, failure)) => (component, failure),
        };
        if began.elapsed() >= HEALTHY {
            backoff.reset();
        }
        let wait = backoff.next_wait();
        tracing::warn!(
            component = component.name(),
            what = failure.what,
            detail = failure.detail,
            hint = failure.hint,
            wait_ms = wait.as_millis() as u64,
            "retrying"
        );
        common.health.retrying(component, &failure.what);
        common.metrics.reconnect(component);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = common.shutdown.asked() => return Ok(()),
        }
        common.health.turn();
    }
}

/// SIGTERM or Ctrl-C: drain. A second one: leave now; what was not committed is published by the next start.
fn listen_for_signals(shutdown: Shutdown) -> Result<(), Failure> {
    let no_signals = |error: std::io::Error| {
        Failure::new(Exit::Failure, "cannot listen for signals", error.to_string(), "")
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    tokio::spawn(async move {
        for second in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if second {
                tracing::warn!(
                    "second signal: leaving now; what is not committed is published by the next start"
                );
                std::process::exit(Exit::Undrained as i32);
            }
            tracing::info!("draining; a second signal leaves at once");
            shutdown.ask();
        }
    });
    Ok(())
}
