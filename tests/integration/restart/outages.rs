//! Postgres and Kafka restart under load, and the connector stays up: every event once and in order.

use crate::kit::{Stopping, connector, run};
use crate::support::{Broker, Connector, Database, DatabaseHandle, PATIENCE, Record, wait_until};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

const WRITERS: u32 = 3;

/// Inserts without pause, whatever happens to the server; each writer's rows are numbered in the order of their commits.
struct Load<'a> {
    db: &'a DatabaseHandle,
    written: AtomicU32,
    done: AtomicBool,
}

impl Load<'_> {
    fn write(&self, writer: u32) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut session = None;
        while !self.done.load(Ordering::Relaxed) {
            let insert = format!(
                "insert into outbox (id, aggregatetype, aggregateid, type, payload)
                 select gen_random_uuid(), 'order', 'writer-{writer}', 't', jsonb_build_object('n', coalesce(max((payload->>'n')::int), 0) + 1)
                 from (select payload from outbox where aggregateid = 'writer-{writer}' order by at desc limit 1) last"
            );
            let attempt = async {
                if session.is_none() {
                    session = Some(self.db.try_connect().await?);
                }
                session.as_ref().expect("just opened").batch_execute(&insert).await
            };
            match runtime.block_on(attempt) {
                Ok(()) => drop(self.written.fetch_add(1, Ordering::Relaxed)),
                Err(_) => session = None,
            }
            // The pace of the load; nothing waits for it.
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Until so many more rows are committed.
    fn more(&self, rows: u32) {
        let goal = self.written.load(Ordering::Relaxed) + rows;
        wait_until("the writers go on", PATIENCE, || {
            (self.written.load(Ordering::Relaxed) >= goal).then_some(())
        });
    }
}

/// Runs `trouble` beside a load and a connector of which the process must survive; then every row has come once.
fn survives(server: &Database, kafka: &Broker, trouble: impl FnOnce(&Load<'_>, &mut Connector)) {
    let db = server.fresh_database();
    db.create_outbox();
    db.execute("alter table outbox add column at bigint generated always as identity; create index on outbox (aggregateid, at)");
    let mut connector = run(connector(&db, kafka)
        .set("retriable.restart.connector.wait.ms", 500)
        .set("producer.override.transaction.timeout.ms", 5_000));
    let pid = connector.pid();
    let load = Load { db: &db, written: AtomicU32::new(0), done: AtomicBool::new(false) };
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let load = &load;
            scope.spawn(move || load.write(writer));
        }
        let _stopping = Stopping(&load.done);
        load.more(50);
        trouble(&load, &mut connector);
        load.more(50);
    });
    connector.wait_ready();
    assert_eq!(connector.pid(), pid);
    let rows: usize = db.query_one_text("select count(*) from outbox").parse().expect("a number");
    let records = kafka.wait_records(&[&db.topic("order")], rows, PATIENCE);
    in_order_and_once(&records, rows);
    let ids = db.query_one_text("select string_agg(id::text, ' ') from outbox");
    assert!(
        records.iter().filter_map(|record| record.header("id")).collect::<BTreeSet<_>>()
            == ids.split(' ').collect()
    );
    println!("{rows} rows, all once and in order");
}

fn in_order_and_once(records: &[Record], rows: usize) {
    assert_eq!(records.len(), rows);
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for record in records {
        let payload: serde_json::Value = serde_json::from_str(record.value_text()).expect("JSON");
        let (n, last) =
            (payload["n"].as_u64().expect("a number"), last.entry(record.key_text()).or_default());
        assert_eq!(n, *last + 1, "{}", record.key_text());
        *last = n;
    }
    assert_eq!(last.len() as u32, WRITERS);
}

fn wait_not_ready(connector: &mut Connector) {
    wait_until("/readyz says 503", PATIENCE, || {
        let (status, body) = connector.get("/readyz")?;
        (status == 503 && body.contains("reason")).then_some(())
    });
    assert!(connector.get("/livez").is_some_and(|(status, _)| status == 200), "alive all the same");
}

#[test]
fn postgres_may_crash_and_restart_and_end_its_walsenders_under_load() {
    let server = Database::start();
    survives(&server, Broker::shared(), |load, connector| {
        for _ in 0..3 {
            server.terminate_walsenders();
            load.more(20);
        }
        connector.wait_ready();
        server.kill();
        wait_not_ready(connector);
        server.start_again();
        connector.wait_ready();
        load.more(50);
        server.restart();
        connector.wait_ready();
        load.more(50);
        server.kill();
        server.start_again();
    });
}

#[test]
fn kafka_may_crash_and_restart_under_load() {
    let kafka = Broker::start();
    survives(Database::shared(), &kafka, |load, connector| {
        kafka.kill();
        load.more(20);
        wait_not_ready(connector);
        kafka.start_again();
        connector.wait_ready();
        load.more(50);
        kafka.stop();
        kafka.start_again();
        load.more(50);
    });
}
