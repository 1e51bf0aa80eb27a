//! `doctor`: a healthy setup, and each fault by its finding.

use super::{Answer, ask, ask_json};
use crate::kit::{connector, outbox, run, wait_events};
use crate::support::{ConnectorBuilder, Database, DatabaseHandle, PATIENCE};
use serde_json::Value;

fn checks(told: &Value) -> &[Value] {
    told["checks"].as_array().expect("a list")
}

#[test]
fn a_healthy_setup_is_found_well_before_the_first_start_and_beside_a_running_connector() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    let well = |when: &str| {
        let told = ask_json(&builder, "doctor", 0);
        let failed =
            checks(&told).iter().find(|check| check["finding"] == "fail" || check["finding"] == "skipped");
        assert_eq!(failed, None, "{when}");
        told
    };
    let told = well("before the first start");
    for name in [
        "config",
        "postgres.connect",
        "postgres.replication",
        "postgres.role",
        "slot.exists",
        "outbox.columns",
        "publication.exists",
        "kafka.connect",
        "kafka.position_topic",
        "kafka.transactions",
        "start",
    ] {
        assert!(checks(&told).iter().any(|check| check["name"] == name), "{name} is not looked at: {told:#}");
    }
    assert_eq!(db.query_one_text("select count(*) from pg_publication"), "0", "it changes nothing");

    let mut connector = run(builder.clone());
    db.insert("order", "1", "placed", "{}");
    wait_events(kafka, &db, &["order"], 1);
    let pid = connector.pid();
    well("beside a running connector");
    db.insert("order", "2", "placed", "{}");
    wait_events(kafka, &db, &["order"], 2);
    assert!(connector.is_running() && connector.pid() == pid && connector.ready(), "{}", connector.log());

    let Answer { stdout, stderr } = ask(&builder, "doctor", 0);
    assert!(
        stdout.lines().all(|line| ["ok  ", "warn", "    "].iter().any(|word| line.starts_with(word))),
        "{stdout}"
    );
    assert!(stderr.ends_with(" 0 failed\n"), "{stderr}");
}

/// Exit code 3, this finding with these words in its detail or hint, and a hint at all.
fn finds(builder: &ConnectorBuilder, name: &str, words: &[&str]) {
    let told = ask_json(builder, "doctor", 3);
    let found = checks(&told).iter().filter(|check| check["finding"] == "fail" && check["name"] == name);
    let text = |check: &Value, member: &str| check[member].as_str().expect("a text").to_owned();
    let found: Vec<String> = found.map(|check| text(check, "detail") + "\n" + &text(check, "hint")).collect();
    assert!(!found.is_empty(), "no {name} in {told:#}");
    for word in words {
        assert!(found.iter().any(|found| found.contains(word)), "{word:?} is not in {found:?}");
    }
    let failed = checks(&told).iter().filter(|check| check["finding"] == "fail");
    for check in failed.clone() {
        assert_ne!(check["hint"], "", "{check:#}");
    }
    assert_eq!(told["summary"]["fail"], failed.count());
}

fn with_slot() -> (DatabaseHandle, ConnectorBuilder) {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    ask(&builder, "slot create", 0);
    (db, builder)
}

#[test]
fn a_publication_that_is_missing_is_found() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka).set("publication.autocreate.mode", "disabled");
    finds(&builder, "publication.exists", &["\"walpost\" does not exist", "walpost publication create"]);
    finds(&builder, "start", &["exit code 29"]);
}

#[test]
fn a_role_that_may_not_make_the_missing_publication_is_found_before_a_start_fails_by_it() {
    let (db, kafka) = outbox();
    let role = format!("cdc_{}", db.name());
    db.execute(&format!("create role {role} login replication"));
    let builder = connector(&db, kafka).set("database.user", &role);
    let lacks = [&*format!("CREATE on database {}", db.name()), "ownership of public.outbox"];
    let says = [&lacks[..], &[&*role, "walpost publication create"]].concat();
    finds(&builder, "publication.exists", &says);
    finds(&builder, "start", &[&lacks[..], &["exit code 6"]].concat());
    assert_eq!(ask_json(&builder, "offsets show", 5)["next_start"]["exit_code"], 6);
    let (exit, log) = builder.clone().start().wait_exit(PATIENCE);
    assert!(exit.code() == Some(6) && lacks.iter().all(|lack| log.contains(lack)), "{log}");
    assert_eq!(db.server().slot_confirmed(db.name()), None, "what cannot be ended is not begun");

    db.execute(&format!("grant create on database {} to {role}", db.name()));
    finds(&builder, "publication.exists", &["the role lacks ownership of public.outbox"]);
    let all = builder.clone().set("publication.autocreate.mode", "all_tables");
    finds(&all, "publication.exists", &["the role lacks the SUPERUSER attribute"]);
    db.execute(&format!("alter table outbox owner to {role}"));
    ask(&builder, "doctor", 0);
    let connector = run(builder);
    db.insert("order", "1", "placed", "{}");
    wait_events(kafka, &db, &["order"], 1);
    drop(connector);
    db.execute(&format!("drop owned by {role}; drop role {role}"));
}

#[test]
fn a_publication_that_was_dropped_under_its_slot_is_found_as_what_stops_the_next_start() {
    let (db, builder) = with_slot();
    db.execute("drop publication walpost");
    finds(&builder, "publication.exists", &["the slot does", "compare the outbox with its topics"]);
    finds(&builder, "start", &["exit code 29", "\"walpost\" does not exist"]);
    let next = &ask_json(&builder, "offsets show", 0)["next_start"];
    assert_eq!(next["exit_code"], 29, "{next:#}");
    let (exit, log) = builder.start().wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(29), "{log}");
}

#[test]
fn a_publication_without_the_outbox_or_without_its_inserts_is_found() {
    let (db, kafka) = outbox();
    db.execute("create table other (id int primary key); create publication walpost for table other");
    let builder = connector(&db, kafka);
    finds(&builder, "publication.tables", &["public.outbox", "ADD TABLE \"public\".\"outbox\""]);
    db.execute(
        "alter publication walpost set table outbox; alter publication walpost set (publish = 'delete')",
    );
    finds(&builder, "publication.operations", &["SET (publish = 'insert')"]);
}

#[test]
fn a_column_or_a_table_that_is_missing_is_found() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    db.execute("alter table outbox drop column aggregateid; alter table outbox alter column aggregatetype type bytea using null");
    finds(&builder, "outbox.columns", &["lacks aggregateid", "ADD COLUMN"]);
    finds(&builder, "outbox.types", &["aggregatetype", "make it text"]);
    db.execute("drop table outbox");
    finds(&builder, "outbox.tables", &["there are no events", "walpost init"]);
}

#[test]
fn a_role_that_may_not_replicate_is_found() {
    let (db, kafka) = outbox();
    let role = format!("plain_{}", db.name());
    Database::shared().execute(&format!("create role {role} login"));
    db.execute("create publication walpost for table outbox with (publish = 'insert')");
    let builder = connector(&db, kafka).set("database.user", &role);
    finds(&builder, "postgres.role", &["may not replicate", &format!("ALTER ROLE \"{role}\" REPLICATION")]);
    finds(&builder, "postgres.replication", &["42501"]);
    db.execute(&format!("alter role {role} replication"));
    ask(&builder, "doctor", 0);
    db.execute(&format!("drop role {role}"));
}

#[test]
fn a_database_that_is_missing_is_found_and_kafka_is_looked_at_all_the_same() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka).set("database.dbname", "nobodys");
    finds(&builder, "postgres.connect", &["3D000", "database.dbname"]);
    let told = ask_json(&builder, "doctor", 3);
    assert!(
        checks(&told).iter().any(|check| check["name"] == "kafka.connect" && check["finding"] == "ok"),
        "{told:#}"
    );
}

#[test]
fn a_topic_that_is_missing_and_may_not_be_made_is_found() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka).set("topic.creation.enable", "false");
    db.insert("order", "1", "placed", "{}");
    finds(&builder, "kafka.topics", &[&db.topic("order"), "kafka-topics.sh", "topic.creation.enable=true"]);
    kafka.create_topic(&db.topic("order"), 1, &[]);
    ask(&builder, "doctor", 0);
}

#[test]
fn how_long_a_topic_keeps_rows_whose_own_time_is_the_records_is_told() {
    let (db, kafka) = outbox();
    db.execute("alter table outbox add column at timestamp not null default now()");
    db.insert("order", "1", "placed", "{}");
    let topic = db.topic("order");
    kafka.create_topic(&topic, 1, &[("retention.ms", "7200000")]);
    let builder = connector(&db, kafka);
    let timed = builder.clone().set("transforms.outbox.table.field.event.timestamp", "at");
    let told = |builder: &ConnectorBuilder| {
        let told = ask_json(builder, "doctor", 0);
        let check =
            checks(&told).iter().find(|check| check["name"] == "kafka.retention").expect("it is told");
        check["detail"].as_str().expect("a text").to_owned()
    };
    assert_eq!(told(&builder), format!("{topic} keeps a record for 2 h"));
    let from_column = format!("{topic} keeps a record for 2 h from the time in column at");
    assert!(told(&timed).starts_with(&from_column), "{}", told(&timed));
    for (setting, value) in [("retention.ms", "-1"), ("cleanup.policy", "compact")] {
        kafka.alter_topic(&topic, &[(setting, value)]);
        assert_eq!(told(&timed), format!("no record of {topic} is taken for its age"));
    }
    kafka.alter_topic(&topic, &[("message.timestamp.type", "LogAppendTime"), ("retention.ms", "7200000")]);
    assert_eq!(told(&timed), format!("{topic} keeps a record for 2 h"));
}

#[test]
fn a_kafka_that_is_not_there_is_found_and_postgres_is_looked_at_all_the_same() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka).set("bootstrap.servers", "127.0.0.1:1");
    finds(&builder, "kafka.connect", &["127.0.0.1:1", "bootstrap.servers"]);
    let told = ask_json(&builder, "doctor", 3);
    assert!(checks(&told).iter().any(|check| check["name"] == "outbox.columns"), "{told:#}");
    let told = ask_json(&builder, "offsets show", 7);
    assert!(told["position"].is_null() && told["slot"]["exists"] == false, "{told:#}");
}

#[test]
fn a_slot_that_is_gone_is_found_as_what_stops_the_next_start() {
    let (db, builder) = with_slot();
    ask(&builder, &format!("slot drop --confirm {}", db.name()), 0);
    finds(&builder, "start", &["exit code 25"]);
}

#[test]
fn a_slot_that_belongs_to_something_else_is_found() {
    let (other, _) = with_slot();
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka).set("slot.name", other.name());
    finds(&builder, "slot.exists", &["it belongs to something else", "choose another slot.name"]);
}

#[test]
fn a_position_topic_that_forgets_is_found() {
    let (db, kafka) = outbox();
    let topic = format!("forgets.{}", db.name());
    kafka.create_topic(&topic, 1, &[("cleanup.policy", "delete")]);
    let builder = connector(&db, kafka).set("walpost.position.topic", &topic);
    finds(&builder, "kafka.position_topic", &["would be deleted in time", "cleanup.policy=compact"]);
}

#[test]
fn a_topic_of_dead_letters_that_is_missing_or_would_lose_them_is_found() {
    let (db, kafka) = outbox();
    let topic = db.topic("dlt");
    let builder = connector(&db, kafka)
        .set("errors.tolerance", "all")
        .set("errors.deadletterqueue.topic.name", &topic)
        .set("topic.creation.enable", "false");
    finds(&builder, "kafka.dead_letters", &[&topic, "kafka-topics.sh"]);
    kafka.create_topic(&topic, 1, &[("cleanup.policy", "compact")]);
    finds(&builder, "kafka.dead_letters", &["one letter of each key", "cleanup.policy=delete"]);
    kafka.alter_topic(&topic, &[]);
    ask(&builder, "doctor", 0);
}

#[test]
fn a_configuration_without_an_event_router_is_warned_of_and_not_failed() {
    let (db, kafka) = outbox();
    let routed = connector(&db, kafka);
    let unset = ["transforms", "transforms.outbox.type", "transforms.outbox.route.topic.replacement"];
    let plain = unset.iter().fold(routed.clone(), |builder, name| builder.unset(name));
    let warns = |builder: &ConnectorBuilder| {
        let told = ask_json(builder, "doctor --offline", 0);
        checks(&told).iter().any(|check| check["finding"] == "warn" && check["name"] == "config.router")
    };
    assert!(warns(&plain) && !warns(&routed));
}
