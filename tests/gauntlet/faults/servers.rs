//! What is done to the servers.

use super::Fault;
use crate::run::{TRANSACTION_TIMEOUT, World, hold};
use std::time::{Duration, Instant};

/// Killed, and back after a moment, or when the connector has given its session up.
pub fn kafka_killed(world: &mut World, fault: &Fault) {
    world.up();
    let class = fault.class();
    world.injecting(&class, "");
    world.kafka.kill();
    // Until a delivery has timed out and the abort too: seconds, and so not often.
    if world.random.percent(15) {
        not_ready(world);
    } else {
        hold(Duration::from_millis(world.random.below(1_500)));
    }
    world.kafka.start_again();
    let took = world.recovered("events after Kafka is back");
    world.tally.fired(&class);
    world.tally.recovered(&class, took);
}

/// Halted with its connections open, sometimes for longer than a transaction may be open.
pub fn kafka_paused(world: &mut World, fault: &Fault) {
    world.up();
    let class = fault.class();
    // A third of them about as long as a transaction may be open.
    let timeout = TRANSACTION_TIMEOUT.as_millis() as u64;
    let (least, most) =
        [(300, 1_500), (300, 3_000), (timeout - 1_000, timeout + 2_000)][world.random.below(3) as usize];
    let length = Duration::from_millis(least + world.random.below(most - least));
    world.injecting(&class, &format!("{length:?}"));
    let passed = world.to_kafka.bytes();
    world.kafka.pause();
    hold(length);
    let before = world.progress.events();
    hold(Duration::from_millis(50));
    let stood_still = world.progress.events() == before && world.to_kafka.bytes() > passed;
    world.kafka.resume();
    let took = world.recovered("events after Kafka goes on");
    assert!(stood_still, "a halted Kafka took events");
    world.tally.fired(&class);
    world.tally.recovered(&class, took);
}

/// As on a machine with far too much to do: requests are answered, but long after somebody waited for them.
pub fn kafka_starved(world: &mut World, fault: &Fault) {
    world.up();
    let class = fault.class();
    let length = Duration::from_millis(2_000 + world.random.below(8_000));
    world.injecting(&class, &format!("{length:?}"));
    let began = Instant::now();
    let mut gasps = 0;
    while began.elapsed() < length {
        world.kafka.pause();
        hold(Duration::from_millis(300 + world.random.below(1_500)));
        world.kafka.resume();
        hold(Duration::from_millis(5 + world.random.below(60)));
        gasps += 1;
    }
    let took = world.recovered("events after Kafka has the processor again");
    assert!(gasps > 0);
    world.tally.fired(&class);
    world.tally.recovered(&class, took);
}

pub fn postgres(world: &mut World, fault: &Fault) {
    world.up();
    let class = fault.class();
    let sessions = world.sessions();
    world.injecting(&class, "");
    match fault {
        Fault::PostgresKilled => world.postgres.kill(),
        Fault::PostgresImmediate => world.postgres.stop_immediate(),
        _ => world.postgres.stop_fast(),
    }
    absence(world);
    world.postgres.start_again();
    let took = world.recovered("events after Postgres is back");
    assert!(world.sessions() > sessions, "a new session\n{}", world.logs());
    world.tally.fired(&class);
    world.tally.recovered(&class, took);
}

/// As an administrator would do it.
pub fn walsender(world: &mut World, fault: &Fault) {
    world.up();
    let class = fault.class();
    let sessions = world.sessions();
    world.injecting(&class, "");
    let terminate = format!(
        "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '{}' and active",
        world.db.name()
    );
    world
        .wait("a walsender to terminate", |world| (world.db.query_one_text(&terminate) == "t").then_some(()));
    let began = Instant::now();
    world.wait("a new session", |world| (world.sessions() > sessions).then_some(()));
    world.recovered("events after the walsender ended");
    world.tally.fired(&class);
    world.tally.recovered(&class, began.elapsed());
}

/// For how long a server is away.
fn absence(world: &mut World) {
    match world.random.below(3) {
        0 => {}
        1 => not_ready(world),
        _ => {
            not_ready(world);
            hold(Duration::from_millis(world.random.below(2_000)));
        }
    }
}

/// Until the connector says so.
fn not_ready(world: &mut World) {
    world.wait("/readyz says 503", |world| {
        let answer = world.leader().get("/readyz");
        answer.is_some_and(|(status, _)| status == 503).then_some(())
    });
}
