//! Heartbeats: records on a topic of their own, and a statement that is run with each.

use crate::kit::{connector, outbox, run, wait_events};
use crate::support::PATIENCE;

#[test]
fn heartbeats_go_to_their_topic_and_run_their_query() {
    let (db, kafka) = outbox();
    db.execute("create table beats (at timestamptz not null default now())");
    let topic = format!("beats.{}", db.name());
    let builder = connector(&db, kafka)
        .set("heartbeat.interval.ms", 50)
        .set("topic.heartbeat.prefix", "beats")
        .set("heartbeat.action.query", "insert into beats default values")
        .set("value.converter", "org.apache.kafka.connect.json.JsonConverter")
        .set("value.converter.schemas.enable", "false");
    let _connector = run(builder);
    db.insert("order", "k", "placed", "{}");
    assert_eq!(wait_events(kafka, &db, &["order"], 1).len(), 1);
    db.wait_for("select count(*) >= 3 from beats");
    let records = kafka.wait_records(&[&topic], 3, PATIENCE);
    for record in records {
        assert_eq!(record.key_text(), format!("Struct{{serverName={}}}", db.name()));
        let value: serde_json::Value = serde_json::from_str(record.value_text()).expect("JSON");
        assert!(value["ts_ms"].as_i64().is_some_and(|ms| ms > 1_700_000_000_000), "{value}");
        assert_eq!((record.partition, record.headers.len()), (0, 0));
    }
}
