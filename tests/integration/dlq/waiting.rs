//! How many letters wait is on the page of metrics, whoever writes, replays or gives up.

use super::*;
use crate::support::wait_until;

/// Count and age, as the page has them.
fn waiting(connector: &mut Connector) -> (f64, f64) {
    let page = connector.metrics();
    let sample = |name: &str| {
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in\n{page}")).parse().expect("a number")
    };
    (sample("walpost_dead_letters_waiting"), sample("walpost_dead_letters_oldest_age_seconds"))
}

fn wait_waiting(connector: &mut Connector, n: f64) -> f64 {
    wait_until(&format!("{n} letters wait"), PATIENCE, || {
        let (count, age) = waiting(connector);
        (count == n).then_some(age)
    })
}

#[test]
fn letters_that_wait_are_counted_with_the_age_of_the_oldest() {
    let (db, kafka, builder) = narrow();
    let mut connector = run(builder.clone());
    assert_eq!(waiting(&mut connector), (0.0, 0.0));
    large(&db, "a");
    let age = wait_waiting(&mut connector, 1.0);
    assert!(age > 0.0 && age < 600.0, "{age}");
    large(&db, "b");
    large(&db, "c");
    wait_waiting(&mut connector, 3.0);
    mend(&db, kafka);
    replay(&builder, &db, "--key a", 0);
    wait_waiting(&mut connector, 2.0);
    let letters = kafka.records(&[&letters_topic(&db)]);
    let given_up = letters.iter().find(|letter| letter.key_text() == "b").expect("a letter").offset;
    let purge = format!("dlq purge --at 0:{given_up} --accept-loss --confirm {}", letters_topic(&db));
    ask_json(&builder, &purge, 0);
    wait_waiting(&mut connector, 1.0);
    // The next run reads the topic from its beginning.
    connector.sigterm();
    connector.wait_exit(PATIENCE);
    connector.start_again();
    let age = wait_waiting(&mut connector, 1.0);
    assert!(age > 0.0, "{age}");
    replay(&builder, &db, "", 0);
    assert_eq!(wait_waiting(&mut connector, 0.0), 0.0);
}
