//! Metrics, probes and logs: what they show is what is, and never a payload.

use crate::kit::{connector, outbox, run, wait_events};
use crate::support::{PATIENCE, wait_until};
use serde_json::Value;

const MARK: &str = "payload-mark-3b5e";

#[test]
fn the_counters_equal_what_arrived() {
    let (db, kafka) = outbox();
    db.execute("create table other (n int); create publication walpost for table outbox, other");
    let mut connector = run(connector(&db, kafka));
    for n in 1..=10 {
        db.execute(&format!(
            "begin; insert into outbox select gen_random_uuid(), 'order', g, 't', '{{}}' from generate_series(1, {n}) g;
             insert into outbox values (default, 'customer', 'k', 't', '{{}}'); insert into other values (1); commit"
        ));
    }
    assert_eq!(wait_events(kafka, &db, &["order", "customer"], 65).len(), 65);
    let sample = |page: &str, name: &str| {
        let line =
            page.lines().find_map(|line| line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' ')));
        line.and_then(|value| value.parse::<f64>().ok()).unwrap_or_else(|| panic!("no {name} in\n{page}"))
    };
    let published = "walpost_events_total{result=\"published\"}";
    let page = wait_until("all is counted", PATIENCE, || {
        let page = connector.metrics();
        (sample(&page, published) >= 65.0).then_some(page)
    });
    let topic = |aggregate| format!("walpost_published_records_total{{topic=\"{}\"}}", db.topic(aggregate));
    assert_eq!(sample(&page, published), 65.0);
    assert_eq!((sample(&page, &topic("order")), sample(&page, &topic("customer"))), (55.0, 10.0));
    assert_eq!(sample(&page, "walpost_events_filtered_total{reason=\"other_table\"}"), 10.0);
    assert_eq!(sample(&page, "walpost_source_transactions_total"), 10.0);
    assert_eq!(sample(&page, "walpost_state{state=\"streaming\"}"), 1.0);
    for server in ["postgres", "kafka"] {
        assert_eq!(sample(&page, &format!("walpost_up{{component=\"{server}\"}}")), 1.0);
    }
    let confirmed = format!(
        "select (confirmed_flush_lsn - '0/0')::text from pg_replication_slots where slot_name = '{}'",
        db.name()
    );
    wait_until("the position in Kafka and the slot are shown", PATIENCE, || {
        let page = connector.metrics();
        let (shown, slot) = (sample(&page, "walpost_published_lsn"), db.query_one_text(&confirmed));
        (shown == slot.parse::<f64>().ok()?).then_some(())
    });
}

#[test]
fn the_probes_tell_alive_and_ready_and_who_leads() {
    let (db, kafka) = outbox();
    let mut connector = run(connector(&db, kafka));
    let (status, body) = connector.get("/livez").expect("an answer");
    assert_eq!(status, 200, "{body}");
    let (status, body) = connector.get("/readyz").expect("an answer");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(
        (status, &body["ready"], &body["role"]),
        (200, &Value::Bool(true), &Value::from("leader")),
        "{body}"
    );
    let (status, _) = connector.get("/nowhere").expect("an answer");
    assert_eq!(status, 404);
}

#[test]
fn every_line_of_the_log_is_json_and_none_has_a_payload() {
    let (db, kafka) = outbox();
    db.execute(
        "alter table outbox alter column payload type text; create publication walpost for table outbox",
    );
    let builder = connector(&db, kafka).set("walpost.log.level", "debug").env("WALPOST_LOG", "debug");
    let mut connector = run(builder);
    db.insert("order", "k", "t", MARK);
    db.execute(&format!("update outbox set payload = '{MARK} changed'; delete from outbox"));
    db.insert("order", "k", "t", &MARK.repeat(1000));
    wait_events(kafka, &db, &["order"], 2);
    db.insert("not a topic", "k", "t", MARK);
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(10), "{log}");
    assert!(!log.contains(MARK), "{log}");
    assert!(log.lines().count() > 3, "{log}");
    for line in log.lines().filter(|line| !line.is_empty()) {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
    let last: Value = serde_json::from_str(log.lines().last().unwrap_or_default()).expect("the failure");
    assert_eq!(last["exit"], 10, "the failure itself is a line in three parts: {last}");
    assert!(["what", "detail", "hint"].iter().all(|part| last[part].is_string()), "{last}");
}
