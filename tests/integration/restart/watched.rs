//! What changes under a running connector, and the stream says nothing of it: noticed within 30 seconds, and from then
//! on nothing is published or confirmed. What was there before is not lost once the operator has dealt with it.

use crate::kit::{
    confirmed, connector, last_position, outbox, pausable, position_topic, positions, run,
    wait_confirmed_last, wait_events,
};
use crate::support::{
    Broker, Connector, ConnectorBuilder, Database, DatabaseHandle, DatabaseOptions, PATIENCE,
};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::time::{Duration, Instant};
use walpost::lsn::Lsn;

/// What may pass between a change and its notice.
const NOTICE: Duration = Duration::from_secs(30);
const FROZEN: &str = "nothing more is published or confirmed";

/// A running connector of two outbox tables that has published A.
struct Watched {
    connector: Connector,
    builder: ConnectorBuilder,
    db: DatabaseHandle,
    kafka: &'static Broker,
}

impl Watched {
    fn new(publication: &str) -> Watched {
        let (db, kafka) = outbox();
        db.execute("create table events (like outbox including all)");
        db.execute(publication);
        let builder = connector(&db, kafka).set("table.include.list", "public.outbox,public.events");
        let connector = run(builder.clone());
        db.insert("order", "A", "t", "{}");
        wait_events(kafka, &db, &["order"], 1);
        Watched { connector, builder, db, kafka }
    }

    /// The change is noticed, told with these words, and ends the connector; the slot stays where it was by then.
    fn notices(&mut self, change: &str, words: &[&str]) {
        self.db.execute(change);
        let changed = Instant::now();
        let (exit, log) = self.connector.wait_exit(NOTICE);
        let took = changed.elapsed();
        assert_eq!(exit.code(), Some(29), "{change}: {log}");
        assert!(took < NOTICE, "{change}: {took:?}");
        for part in ["\"what\":", "\"detail\":", "\"hint\":", FROZEN].iter().chain(words) {
            assert!(log.contains(part), "{change}: {part:?} is not in\n{log}");
        }
        self.stands_still(&log);
    }

    /// Nothing but what was confirmed when it was noticed.
    fn stands_still(&self, log: &str) {
        let line = log.lines().find(|line| line.contains(FROZEN)).expect("the notice");
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let at: Lsn = line["confirmed"].as_str().expect("a position").parse().expect("an LSN");
        let gone = "select count(*) = 0 from pg_replication_slots where active and slot_name = 'SLOT'";
        self.db.wait_for(&gone.replace("SLOT", self.db.name()));
        assert!(confirmed(&self.db) <= at, "the slot is at {}, after {at}", confirmed(&self.db));
    }

    fn ask(&self, command: &[&str], code: i32) -> String {
        let output = self.builder.command(command);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
        assert_eq!(output.status.code(), Some(code), "{command:?}: {said}");
        said
    }

    /// A start refuses until the change is accepted, and publishes what was inserted before and after, each once.
    fn goes_on_once_accepted(&mut self, words: &[&str], before: &[&str]) {
        let stored = last_position(self.kafka, &self.db);
        self.connector.start_again();
        let (exit, log) = self.connector.wait_exit(PATIENCE);
        assert_eq!(exit.code(), Some(29), "{log}");
        let shown = self.ask(&["publication", "accept"], 4);
        for word in words {
            assert!(log.contains(word) && shown.contains(word), "{word:?} is not in\n{log}\n{shown}");
        }
        assert_eq!(last_position(self.kafka, &self.db), stored, "nothing was done so far");
        self.ask(&["publication", "accept", "--confirm", self.db.name()], 0);
        let accepted = last_position(self.kafka, &self.db);
        assert_eq!((accepted.end_lsn, accepted.seq), (stored.end_lsn, stored.seq + 1));
        assert_eq!(accepted.instance, "walpost publication accept");

        self.connector.start_again();
        self.connector.wait_ready();
        self.db.insert("order", "after", "t", "{}");
        let mut expected: Vec<&str> = before.iter().copied().chain(["after"]).collect();
        expected.sort_unstable();
        let records = wait_events(self.kafka, &self.db, &["order"], expected.len());
        let mut keys: Vec<&str> = records.iter().map(|record| record.key_text()).collect();
        keys.sort_unstable();
        assert_eq!(keys, expected, "each once, and no other");
    }
}

const PUBLICATION: &str = "create publication walpost for table outbox, events with (publish = 'insert')";
const OUTBOX: &str =
    "create table outbox (id uuid primary key default gen_random_uuid(), aggregatetype text not null,
    aggregateid text not null, type text not null, payload jsonb)";

/// A change, what is said of it, and how the operator repairs it.
struct Change {
    publication: &'static str,
    change: String,
    says: &'static str,
    repair: String,
}

fn change(change: &str, says: &'static str, repair: &str) -> Change {
    Change { publication: PUBLICATION, change: change.into(), says, repair: repair.into() }
}

/// All of them at once: each waits for the watch's next look.
fn all_are_noticed(changes: Vec<Change>) {
    std::thread::scope(|scope| {
        for Change { publication, change, says, repair } in changes {
            scope.spawn(move || {
                let mut watched = Watched::new(publication);
                watched.notices(&change, &[says]);
                if !repair.is_empty() {
                    watched.db.execute(&repair);
                }
                watched.goes_on_once_accepted(&[], &["A"]);
            });
        }
    });
}

#[test]
fn a_publication_that_is_dropped_made_anew_or_narrowed_stops_and_is_accepted_once_it_is_repaired() {
    all_are_noticed(vec![
        change("drop publication walpost", "does not exist", PUBLICATION),
        change(
            &format!("drop publication walpost; {PUBLICATION}"),
            "the publication was dropped and created again (OID",
            "",
        ),
        change(
            "alter publication walpost drop table outbox",
            "public.outbox was in the publication and is not now",
            "alter publication walpost add table outbox",
        ),
        change(
            "alter publication walpost drop table outbox; alter publication walpost add table outbox",
            "public.outbox was taken out of the publication and put back (table:",
            "",
        ),
        change(
            "alter publication walpost set (publish = 'truncate')",
            "the publication published inserts and does not now",
            "alter publication walpost set (publish = 'insert'); alter publication walpost drop table events",
        ),
        change(
            "alter publication walpost set (publish_via_partition_root = true)",
            "publish_via_partition_root was false and is true now",
            "",
        ),
    ]);
}

#[test]
fn a_row_filter_a_column_list_or_another_table_in_the_outboxs_place_stops_and_is_accepted() {
    let mut changes = vec![
        change(
            &format!("drop table outbox; {OUTBOX}"),
            "public.outbox was dropped and created again (OID",
            "alter publication walpost add table outbox",
        ),
        change(
            "alter table outbox rename to outbox_old",
            "public.outbox is called public.outbox_old now, which the include lists do not have",
            &format!("{OUTBOX}; alter publication walpost add table outbox"),
        ),
        Change {
            publication: "create publication walpost for all tables with (publish = 'insert')",
            change: "alter table outbox set unlogged".into(),
            says: "public.outbox, or a partition of it, was made UNLOGGED",
            repair: "alter table outbox set logged; alter table events set unlogged".into(),
        },
    ];
    if Database::shared().major() >= 15 {
        changes.push(change(
            "alter publication walpost set table outbox where (type <> 'x'), events",
            "the row filter of public.outbox was none and is",
            "",
        ));
        changes.push(change(
            "alter publication walpost set table outbox (id, aggregatetype, aggregateid, type, payload), events",
            "the published columns of public.outbox were all and are (id, aggregatetype, aggregateid, type, payload) now",
            "",
        ));
    }
    all_are_noticed(changes);
}

#[test]
fn what_was_read_before_the_notice_is_not_drained_and_is_published_once_the_change_is_accepted() {
    let kafka = pausable();
    let db = Database::shared().fresh_database();
    db.create_outbox();
    db.execute("create table events (like outbox); create publication walpost for table outbox, events");
    let builder = connector(&db, &kafka).set("table.include.list", "public.outbox,public.events");
    let mut connector = run(builder.clone());
    db.insert("order", "A", "t", "{}");
    wait_events(&kafka, &db, &["order"], 1);
    wait_confirmed_last(&kafka, &db);
    kafka.pause();
    let before = confirmed(&db);
    db.insert("order", "B", "t", "{}");
    crate::support::wait_until("B is under way", PATIENCE, || {
        (connector.metric("walpost_inflight_bytes")? > 0.0).then_some(())
    });
    db.execute("alter publication walpost drop table outbox");
    connector.wait_log(FROZEN);
    kafka.resume();
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(29), "{log}");
    assert_eq!(confirmed(&db), before, "not even what was read");
    assert_eq!(kafka.wait_records(&[&db.topic("order")], 1, PATIENCE).len(), 1);

    db.execute("alter publication walpost add table outbox");
    let accepted = builder.command(&["publication", "accept", "--confirm", db.name()]);
    assert_eq!(accepted.status.code(), Some(0), "{}", String::from_utf8_lossy(&accepted.stderr));
    connector.start_again();
    db.insert("order", "C", "t", "{}");
    let records = kafka.wait_records(&[&db.topic("order")], 3, PATIENCE);
    let mut keys: Vec<&str> = records.iter().map(|record| record.key_text()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["A", "B", "C"]);
}

#[test]
fn a_change_that_loses_nothing_is_logged_goes_on_and_is_in_the_next_position() {
    let mut watched = Watched::new("create publication walpost for table outbox with (publish = 'insert')");
    let tables = |watched: &Watched| -> Vec<String> {
        let position = last_position(watched.kafka, &watched.db);
        position.publication.expect("it was looked at").tables.iter().map(|table| table.name()).collect()
    };
    assert_eq!(tables(&watched), ["public.outbox"]);
    watched.db.execute(
        "alter table outbox add column more text; alter table outbox replica identity full;
         create index on outbox (type); alter publication walpost add table events",
    );
    watched.connector.wait_log("public.events is new in it");
    watched.db.insert("order", "B", "t", "{}");
    watched.db.execute("insert into events (aggregatetype, aggregateid, type) values ('order', 'C', 't')");
    wait_events(watched.kafka, &watched.db, &["order"], 3);
    assert_eq!(tables(&watched), ["public.events", "public.outbox"]);
    watched.connector.sigterm();
    watched.connector.wait_exit(PATIENCE);
    assert!(watched.ask(&["publication", "accept"], 0).contains("nothing is to be accepted"));
    watched.connector.start_again();
    watched.connector.wait_ready();
    watched.db.insert("order", "D", "t", "{}");
    wait_events(watched.kafka, &watched.db, &["order"], 4);
}

#[test]
fn a_table_that_comes_later_and_partitions_that_come_and_go_lose_nothing() {
    let db = Database::shared().fresh_database();
    let columns = "id uuid default gen_random_uuid(), aggregatetype text not null, aggregateid text not null, type text, payload jsonb";
    db.execute(&format!("create table outbox ({columns}) partition by list (type)"));
    db.execute("create table outbox_a partition of outbox for values in ('a')");
    db.execute(
        "create publication walpost for all tables with (publish = 'insert', publish_via_partition_root = true)",
    );
    let kafka = Broker::shared();
    let mut connector = run(connector(&db, kafka).set("table.include.list", "public.outbox,public.later"));
    db.insert("order", "A", "a", "{}");
    wait_events(kafka, &db, &["order"], 1);
    db.execute("create table outbox_b partition of outbox for values in ('b'); drop table outbox_a");
    db.execute(&format!("create table later ({columns})"));
    connector.wait_log("public.later is new in it");
    db.execute(&format!("drop table later; create table later ({columns})"));
    connector.wait_log("public.later was dropped and created again");
    db.insert("order", "B", "b", "{}");
    db.execute("insert into later (aggregatetype, aggregateid, type) values ('order', 'C', 't')");
    assert_eq!(wait_events(kafka, &db, &["order"], 3).len(), 3);
    assert!(connector.is_running(), "{}", connector.log());
}

#[test]
fn a_position_of_a_version_that_did_not_look_is_read_and_completed() {
    let mut watched = Watched::new(PUBLICATION);
    watched.connector.sigterm();
    watched.connector.wait_exit(PATIENCE);
    let (topic, kafka) = (position_topic(&watched.db), watched.kafka);
    let last = kafka.records(&[&topic]).pop().expect("a position");
    let mut old: serde_json::Value = serde_json::from_str(last.value_text()).expect("JSON");
    let fields = old.as_object_mut().expect("an object");
    assert!(fields.remove("publication").is_some());
    let (seq, end) = (fields["seq"].as_u64().expect("a number") + 1, fields["end_lsn"].clone());
    fields.insert("seq".into(), seq.into());
    fields.insert("prev_lsn".into(), end);
    let producer: BaseProducer = kafka.client().create().expect("a producer");
    let (key, value) = (last.key.expect("a key"), old.to_string());
    producer.send(BaseRecord::to(&topic).key(&key).payload(value.as_bytes())).expect("room");
    producer.flush(PATIENCE).expect("acknowledged");
    assert_eq!(last_position(kafka, &watched.db).publication, None);

    watched.connector.start_again();
    watched.connector.wait_ready();
    watched.db.insert("order", "B", "t", "{}");
    wait_events(kafka, &watched.db, &["order"], 2);
    assert!(last_position(kafka, &watched.db).publication.is_some());
    watched.notices("alter publication walpost drop table outbox", &["public.outbox was in the publication"]);
}

#[test]
fn doctor_and_offsets_show_foretell_the_refusal() {
    let mut watched = Watched::new(PUBLICATION);
    watched.connector.sigterm();
    watched.connector.wait_exit(PATIENCE);
    watched.db.execute("alter publication walpost drop table outbox");
    for (command, code) in [("offsets show", 0), ("doctor", 3)] {
        let said = watched.ask(&command.split(' ').collect::<Vec<_>>(), code);
        assert!(said.contains("stop") && said.contains("exit code 29"), "{said}");
    }
    let says = "public.outbox was in the publication and is not now";
    watched.goes_on_with(says);
}

impl Watched {
    /// Accepted as it is, for programs to read: what was before, what is now.
    fn goes_on_with(&mut self, says: &str) {
        let command = ["publication", "accept", "--confirm", self.db.name(), "--output", "json"];
        let told: serde_json::Value = serde_json::from_str(&self.ask(&command, 0)).expect("JSON");
        let accepted = &told["accepted"];
        assert_eq!(accepted["changes"], serde_json::json!([says]), "{told:#}");
        let tables = |which: &str| accepted[which]["tables"].as_array().map(Vec::len);
        assert_eq!((tables("before"), tables("now")), (Some(2), Some(1)), "{told:#}");
        self.connector.start_again();
        self.connector.wait_ready();
        assert_eq!(positions(self.kafka, &self.db).last().map(|last| last.events), Some(1));
    }
}

/// Halts the connector, takes the slot from its walsender, and does this to it before the connector goes on.
fn behind_its_back(watched: &mut Watched, tampering: &[&str]) {
    let name = watched.db.name().to_owned();
    watched.connector.sigstop();
    let of_slot = format!("from pg_replication_slots where slot_name = '{name}'");
    watched.db.execute(&format!("select pg_terminate_backend(active_pid) {of_slot} and active"));
    watched.db.wait_for(&format!("select not active {of_slot}"));
    for statement in tampering {
        watched.db.execute(&statement.replace("SLOT", &name));
    }
    watched.connector.sigcont();
}

#[test]
fn a_slot_that_is_dropped_under_a_running_connector_stops_it_and_is_not_made_again() {
    let mut watched = Watched::new(PUBLICATION);
    let stored = wait_confirmed_last(watched.kafka, &watched.db);
    behind_its_back(&mut watched, &["select pg_drop_replication_slot('SLOT')"]);
    let (exit, log) = watched.connector.wait_exit(NOTICE);
    assert_eq!(exit.code(), Some(25), "{log}");
    assert!(log.contains(&format!("holds position {stored}")) && log.contains("WAL goes to 0/"), "{log}");
    assert_eq!(watched.db.server().slot_confirmed(watched.db.name()), None);
}

#[test]
fn a_slot_that_is_advanced_or_made_anew_under_a_running_connector_stops_it_naming_both_positions() {
    let advanced = [
        "insert into outbox (aggregatetype, aggregateid, type) values ('order', 'skipped', 't')",
        "select pg_replication_slot_advance('SLOT', pg_current_wal_lsn())",
    ];
    let made_anew = [
        "select pg_drop_replication_slot('SLOT')",
        "select pg_create_logical_replication_slot('SLOT', 'pgoutput')",
    ];
    for tampering in [advanced, made_anew] {
        let mut watched = Watched::new(PUBLICATION);
        let stored = wait_confirmed_last(watched.kafka, &watched.db);
        behind_its_back(&mut watched, &tampering);
        let (exit, log) = watched.connector.wait_exit(NOTICE);
        let at = confirmed(&watched.db);
        assert_eq!(exit.code(), Some(20), "{log}");
        assert!(log.contains(&format!("stored position {stored}, slot confirmed {at}")), "{log}");
        assert_eq!(watched.kafka.records(&[&watched.db.topic("order")]).len(), 1);
    }
}

#[test]
fn a_slot_that_the_server_invalidates_under_a_running_connector_stops_it() {
    let server = Database::with(DatabaseOptions::new().setting("max_slot_wal_keep_size", "1MB"));
    let db = server.fresh_database();
    db.create_outbox();
    let kafka = Broker::shared();
    let mut connector = run(connector(&db, kafka));
    db.insert("order", "A", "t", "{}");
    wait_events(kafka, &db, &["order"], 1);
    wait_confirmed_last(kafka, &db);
    connector.sigstop();
    for _ in 0..4 {
        db.execute("create table t (); drop table t; select pg_switch_wal()");
    }
    db.execute("checkpoint");
    db.wait_for(&format!(
        "select wal_status = 'lost' from pg_replication_slots where slot_name = '{}'",
        db.name()
    ));
    connector.sigcont();
    let (exit, log) = connector.wait_exit(NOTICE);
    assert_eq!(exit.code(), Some(26), "{log}");
    // The position may have gone on by what the server had sent before.
    let stored = last_position(kafka, &db).end_lsn;
    assert!(log.contains(&format!("stored position {stored}, server flushed 0/")), "{log}");
}
