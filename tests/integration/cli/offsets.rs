//! `offsets`: where the connector stands; and the JSON of every command.

use super::{ask, ask_json};
use crate::kit::{
    confirmed, connector, last_position, outbox, position_topic, run, wait_confirmed, wait_events,
};
use crate::support::PATIENCE;

#[test]
fn offsets_show_ends_in_exit_code_5_before_there_is_a_position_and_tells_what_a_start_would_do() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    let told = ask_json(&builder, "offsets show", 5);
    assert!(told["position"].is_null(), "{told:#}");
    assert_eq!(told["slot"]["exists"], false);
    assert_eq!(told["next_start"]["does"], "makes the slot and begins there");
    let answer = ask(&builder, "offsets show", 5);
    let says = ["error: Kafka holds no position", &position_topic(&db), "walpost slot create"];
    assert!(says.iter().all(|words| answer.stderr.contains(words)), "{answer:?}");
}

#[test]
fn offsets_show_tells_the_stored_position_beside_the_slot_and_the_server() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    let mut connector = run(builder.clone());
    db.execute("insert into outbox select gen_random_uuid(), 'order', n::text, 'placed', '{}' from generate_series(1, 3) n");
    wait_events(kafka, &db, &["order"], 3);
    let running = ask_json(&builder, "offsets show", 0);
    assert_eq!(running["slot"]["exists"], true);
    connector.sigterm();
    connector.wait_exit(PATIENCE);

    let stored = last_position(kafka, &db);
    wait_confirmed(&db, stored.end_lsn);
    let told = ask_json(&builder, "offsets show", 0);
    let told_position: walpost::position::Position =
        serde_json::from_value(told["position"].clone()).expect("a position");
    assert_eq!((&told_position, told_position.events), (&stored, 3));
    assert_eq!(told["slot"]["confirmed_flush_lsn"], confirmed(&db).to_string());
    let system = db.query_one_text("select system_identifier from pg_control_system()");
    assert_eq!(told["server"]["system_id"], system);
    assert_eq!(told["next_start"]["does"], format!("goes on at {}", stored.end_lsn));
    assert!(told["next_start"]["exit_code"].is_null() && told["lag_bytes"].is_u64(), "{told:#}");
    let text = ask(&builder, "offsets show", 0).stdout;
    for line in [&*format!("stored position  {}", stored.end_lsn), "  events         3", &position_topic(&db)]
    {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn every_command_prints_one_json_object_and_its_words_on_stderr() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    let give_up = format!("slot drop --confirm {}", db.name());
    let advance = format!("slot advance --to current --confirm {}", db.name());
    for (command, member) in [
        ("config validate", "notices"),
        ("config print", "properties"),
        ("init", "sql"),
        ("init --apply", "steps"),
        ("publication create", "publication"),
        ("publication show", "publication"),
        ("slot create", "created"),
        ("slot list", "slots"),
        ("slot show", "slot"),
        ("offsets show", "position"),
        ("doctor", "checks"),
        (&advance, "advanced"),
        (&give_up, "dropped"),
    ] {
        if command == advance {
            // There is something to go over.
            db.insert("order", "1", "placed", "{}");
        }
        let told = ask_json(&builder, &format!("{command} --log-level trace"), 0);
        assert!(!told[member].is_null(), "walpost {command}: {told:#}");
    }
}
