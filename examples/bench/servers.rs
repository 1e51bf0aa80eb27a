//! The servers, and what a contender needs of them: a slot, a topic, somebody who looks.

use crate::support::{
    Broker, BrokerOptions, Database, DatabaseHandle, DatabaseOptions, PATIENCE, Registry, wait_until,
};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread;

pub struct Servers {
    pub postgres: Database,
    pub kafka: Broker,
    registry: OnceLock<Registry>,
}

impl Servers {
    pub fn start() -> Servers {
        let (postgres, kafka) = thread::scope(|scope| {
            let kafka = scope.spawn(|| {
                // Deleted topics leave the disk at once: the next drain needs the room. And a broker that a busy machine
                // keeps waiting is not given up by its own controller.
                let options = BrokerOptions::new().fast().setting("log.segment.delete.delay.ms", 1000);
                Broker::with(options.setting("broker.session.timeout.ms", 60_000))
            });
            let options = DatabaseOptions::new()
                .setting("max_wal_size", "8GB")
                .setting("shared_buffers", "256MB")
                .setting("logical_decoding_work_mem", "256MB")
                .setting("max_replication_slots", 50);
            (Database::with(options), kafka.join().expect("Kafka starts"))
        });
        Servers { postgres, kafka, registry: OnceLock::new() }
    }

    /// A schema registry, for those who need one.
    pub fn registry(&self) -> &Registry {
        self.registry.get_or_init(Registry::start)
    }

    /// A database with an outbox and its publication.
    pub fn outbox(&self) -> DatabaseHandle {
        let db = self.postgres.fresh_database();
        db.create_outbox();
        // Postgres would compress a payload of 2 kB and more, and the stream would not be what was said.
        db.execute("alter table outbox alter column payload set storage external");
        db.execute("create publication walpost for table outbox with (publish = 'insert')");
        db
    }

    /// Bytes that the topic's records take on the broker's disk.
    pub fn bytes_on_disk(&self, topic: &str) -> u64 {
        let partitions = std::fs::read_dir(self.kafka.data_directory()).expect("the broker's directory");
        let is_partition =
            |name: &str| name.rsplit_once('-').is_some_and(|(of, n)| of == topic && n.parse::<u32>().is_ok());
        let ours = partitions
            .flatten()
            .filter(|entry| entry.file_name().to_str().is_some_and(is_partition))
            .map(|entry| entry.path());
        ours.flat_map(segments).map(|path| std::fs::metadata(path).map_or(0, |facts| facts.len())).sum()
    }
}

fn segments(partition: PathBuf) -> impl Iterator<Item = PathBuf> {
    let files = std::fs::read_dir(partition).into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "log"))
}

pub fn create_slot(db: &DatabaseHandle, name: &str) {
    db.query_one_text(&format!(
        "select lsn::text from pg_create_logical_replication_slot('{name}', 'pgoutput')"
    ));
}

/// When whoever streamed from it has gone.
pub fn drop_slot(db: &DatabaseHandle, name: &str) {
    db.wait_for(&format!("select not active from pg_replication_slots where slot_name = '{name}'"));
    db.execute(&format!("select pg_drop_replication_slot('{name}')"));
}

/// The process that sends the slot, once it does.
pub fn walsender(db: &DatabaseHandle, slot: &str) -> u32 {
    wait_until("the slot is streamed from", PATIENCE, || walsender_now(db, slot))
}

/// The process that sends the slot, if it is sent.
pub fn walsender_now(db: &DatabaseHandle, slot: &str) -> Option<u32> {
    let sql = format!("select active_pid::text from pg_replication_slots where slot_name = '{slot}'");
    db.query_one_text(&sql).parse().ok()
}
