//! Requests of walpost's own producer of which nobody knows whether they were carried out: each kind, lost in each way.

use super::*;
use crate::line::{Line, line, losses};

/// Of a client that goes through the proxy.
fn proxied(line: &Line) -> BTreeMap<String, String> {
    let pairs = [("bootstrap.servers", line.proxy.bootstrap()), ("socket.timeout.ms", "3000".to_owned())];
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Two records of one transaction: both are seen, or neither.
fn pair<'a>(topic: &'a str, value: &'a str) -> [(&'a str, &'a str, &'a [u8]); 2] {
    [(topic, "a", value.as_bytes()), (topic, "b", value.as_bytes())]
}

/// Delivers what is kept for later, if the fault keeps anything, and waits until the fault has happened.
fn release(line: &Line, fault: &Fault, fired: u64) {
    if matches!(fault, Fault::LateRequest { .. }) {
        line.proxy.release();
    }
    wait_until(&format!("{fault:?} happens"), PATIENCE, || (line.proxy.fired() > fired).then_some(()));
}

/// Each of `certain` twice and in order, each of `doubtful` twice or never.
fn check(line: &Line, topic: &str, certain: &[String], doubtful: &[String]) {
    let records = line.kafka.wait_records(&[topic], 2 * certain.len(), PATIENCE);
    let count = |value: &String| records.iter().filter(|record| record.value_text() == value).count();
    assert!(certain.iter().all(|value| count(value) == 2), "{certain:?} of {records:?}");
    assert!(doubtful.iter().all(|value| [0, 2].contains(&count(value))), "{doubtful:?} of {records:?}");
    for key in ["a", "b"] {
        let of_key = records.iter().filter(|record| record.key_text() == key);
        let seen: Vec<&str> =
            of_key.map(|record| record.value_text()).filter(|value| !value.starts_with("doubtful")).collect();
        assert_eq!(seen, certain);
    }
}

fn lost_in_a_transaction(api: KafkaApi) {
    let line = line();
    let (topic, id) = (topic(line.kafka, 2), unique_name("id"));
    let (mut certain, mut doubtful) = (Vec::new(), Vec::new());
    let mut one = native(&proxied(&line), &id);
    for (round, fault) in losses(api).iter().enumerate() {
        let value = format!("before {round}");
        transaction(&mut one, &pair(&topic, &value)).expect("committed");
        certain.push(value);
        let fired = line.proxy.fired();
        line.proxy.inject(fault.clone());
        let value = format!("doubtful {round}");
        let failed = transaction(&mut one, &pair(&topic, &value)).expect_err("no answer");
        assert_eq!(failed.class, Class::Indefinite, "{fault:?}: {failed}");
        doubtful.push(value);
        assert!(one.abort().is_err() && one.begin().is_err(), "nothing more is said");
        one = native(&proxied(&line), &id);
        let value = format!("after {round}");
        transaction(&mut one, &pair(&topic, &value)).expect("committed");
        certain.push(value);
        release(&line, fault, fired);
        let value = format!("later {round}");
        transaction(&mut one, &pair(&topic, &value)).expect("committed");
        certain.push(value);
        check(&line, &topic, &certain, &doubtful);
    }
}

#[test]
fn a_lost_produce_leaves_each_transaction_whole_or_absent() {
    lost_in_a_transaction(KafkaApi::Produce);
}

#[test]
fn a_lost_commit_leaves_each_transaction_whole_or_absent() {
    lost_in_a_transaction(KafkaApi::EndTxnCommit);
}

#[test]
fn a_lost_fence_is_made_again_and_a_late_one_fences() {
    let line = line();
    let (topic, id) = (topic(line.kafka, 2), unique_name("id"));
    let mut certain = Vec::new();
    for (round, fault) in losses(KafkaApi::InitProducerId).iter().enumerate() {
        let fired = line.proxy.fired();
        line.proxy.inject(fault.clone());
        let mut one = native(&proxied(&line), &id);
        let value = format!("before {round}");
        transaction(&mut one, &pair(&topic, &value)).expect("committed");
        certain.push(value);
        release(&line, fault, fired);
        let value = format!("after {round}");
        match transaction(&mut one, &pair(&topic, &value)) {
            Ok(()) => {}
            Err(failed) => {
                assert!(matches!(fault, Fault::LateRequest { .. }), "{fault:?}: {failed}");
                assert_eq!(failed.class, Class::Fenced, "{failed}");
                transaction(&mut native(&proxied(&line), &id), &pair(&topic, &value)).expect("committed");
            }
        }
        certain.push(value);
        check(&line, &topic, &certain, &[]);
    }
}

#[test]
fn a_connection_that_was_cut_between_transactions_is_made_again_and_costs_nothing() {
    let line = line();
    let (topic, id) = (topic(line.kafka, 2), unique_name("id"));
    let mut one = native(&proxied(&line), &id);
    transaction(&mut one, &pair(&topic, "1")).expect("committed");
    line.proxy.inject(Fault::Cut);
    wait_until("no connection is open", PATIENCE, || (line.proxy.connections() == 0).then_some(()));
    // What was used within the last second is not looked at: then the cut is an answer that does not come.
    let mut certain = vec!["1".to_owned()];
    match transaction(&mut one, &pair(&topic, "2")) {
        Ok(()) => certain.push("2".to_owned()),
        Err(failed) => {
            assert_eq!(failed.class, Class::Indefinite, "{failed}");
            one = native(&proxied(&line), &id);
        }
    }
    transaction(&mut one, &pair(&topic, "3")).expect("committed");
    certain.push("3".to_owned());
    check(&line, &topic, &certain, &[]);
}
