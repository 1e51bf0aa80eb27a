//! Handles that start the real thing: a Postgres, a Kafka broker, a set of certificates, the connector itself.
//!
//! A handle waits on facts and never for a length of time; dropping it stops what it started and removes its
//! files, and the guard does the same when the test process dies before it can. Everything here may be called
//! from plain tests and from async ones: what waits runs on a runtime of its own.
//!
//! `Database::shared().fresh_database()` and `Broker::shared()` are the cheap default: one server for the whole test
//! binary. A test that kills a server, or holds a transaction open (other tests' slots would wait for it),
//! starts its own with `Database::start()` or `Broker::start()`.
#![allow(dead_code, unused_imports)]

mod asyncapi;
mod broker;
mod certificates;
mod connect;
mod connector;
mod database;
mod disk;
mod fresh;
mod guard;
mod http;
mod java;
pub mod memory;
mod memory_limit;
mod paths;
mod process;
mod proxy;
pub mod python;
mod records;
mod registry;

pub use asyncapi::parsed;
pub use broker::{Broker, BrokerOptions};
pub use certificates::Certificates;
pub use connect::{ConnectOptions, ConnectWorker, for_connect};
pub use connector::{Connector, ConnectorBuilder, Running, binary};
pub use database::{Database, DatabaseOptions};
pub use disk::Disk;
pub use fresh::DatabaseHandle;
pub(crate) use java::{Jvm, java};
pub use memory_limit::MemoryLimit;
pub(crate) use paths::{DEBEZIUM_VERSION, KAFKA_VERSION, Scratch};
pub(crate) use process::Process;
pub use process::{cpu_time, free_port, random, status_kb};
pub use proxy::{Fate, Fault, KafkaApi, Proxy, Request, Transaction};
pub use records::{Reader, Record};
pub use registry::Registry;

use std::future::Future;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take that is expected to happen at once, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until the answer is there; panics with `what` when it has not come in time.
pub fn wait_until<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < patience, "{what}: not after {:.1} s", patience.as_secs_f32());
        pause(began);
    }
}

/// Before the next of many questions: a twentieth of what has been waited, for who asks takes the time of who works.
pub(crate) fn pause(began: Instant) {
    let (least, most) = (Duration::from_millis(2), Duration::from_millis(25));
    std::thread::sleep((began.elapsed() / 20).clamp(least, most));
}

/// A name that no other test, process or run uses: letters, digits and underscores, at most 40 characters.
pub fn unique_name(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}_{:x}_{:04x}_{n}", std::process::id(), process::random() as u16)
}

/// Runs a future to its end on the support's own runtime, from a sync or an async caller.
pub(crate) fn block<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let (send, receive) = std::sync::mpsc::channel();
    runtime().spawn(async move {
        // Nobody listens any more when the caller has given up.
        let _ = send.send(future.await);
    });
    match receive.recv_timeout(2 * PATIENCE) {
        Ok(answer) => answer,
        Err(why) => panic!("no answer from a server: {why}"),
    }
}

pub(crate) fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
    })
}
