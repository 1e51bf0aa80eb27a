//! What is done to the connector's own processes.

use super::Fault;
use crate::run::{World, hold, tail};
use crate::support::block;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After so many deaths in a row the next life must publish.
const DEATHS_IN_A_ROW: usize = 4;

/// The process aborts itself, and the next fault begins where that leaves it.
pub fn at_failpoint(world: &mut World, fault: &Fault, name: &str) {
    calm(world);
    world.down(&Fault::Kill.class());
    // Which passing: those of a start are passed once in a process.
    let most = match name {
        "after_fence" | "after_position_read" | "after_start" | "in_abort" => 1,
        "in_shutdown" | "in_idle_position" => 2,
        "mid_split" => 6,
        "after_decode_unit" => 40,
        _ => 12,
    };
    let armed = format!("{name}:{}", 1 + world.random.below(most));
    let class = fault.class();
    world.injecting(&class, &armed);
    let lead = world.roles().0;
    world.start_with(lead, |builder| builder.env("WALPOST_FAILPOINT", &armed));
    let (exit, log) = match name {
        "mid_split" => {
            world.workload.want_large(2);
            world.wait_exit(lead)
        }
        "in_idle_position" => idle(world, lead),
        "in_abort" => {
            world.workload.want_refused(1);
            world.wait_exit(lead)
        }
        "in_shutdown" => shutdown(world, lead, &armed),
        _ => world.wait_exit(lead),
    };
    let by_itself = exit.code().is_none() && log.contains(&format!("failpoint {name}\n"));
    assert!(by_itself, "instead of dying at {armed} it ended with {exit}:\n{}", tail(&log));
    world.tally.fired(&class);
    world.died(&class);
}

/// From the middle of the start to well into the stream.
pub fn at_random(world: &mut World, fault: &Fault) {
    calm(world);
    let lead = world.roles().0;
    if !world.is_up(lead) {
        world.start(lead);
    }
    let moment = Instant::now() + Duration::from_millis(30 + world.random.below(900));
    world.wait("a random moment", |_| (Instant::now() >= moment).then_some(()));
    world.down(&fault.class());
}

/// Death after death proves little if nothing is published between them.
fn calm(world: &mut World) {
    if world.deaths() >= DEATHS_IN_A_ROW {
        world.up();
    }
}

/// Asked to leave, until it dies of that: an event that Kafka refuses meanwhile ends the session, and what was not drained
/// waits for the next start.
fn shutdown(world: &mut World, lead: usize, armed: &str) -> (std::process::ExitStatus, String) {
    let mut left = 4;
    loop {
        world.recovered("something to drain");
        world.leader().sigterm();
        let (exit, log) = world.wait_exit(lead);
        if exit.code() != Some(0) || left == 0 {
            return (exit, log);
        }
        left -= 1;
        world.start_with(lead, |builder| builder.env("WALPOST_FAILPOINT", armed));
    }
}

/// Nobody may insert while the WAL moves on: positions without events.
fn idle(world: &mut World, lead: usize) -> (std::process::ExitStatus, String) {
    let db = Arc::clone(&world.db);
    let holder = block(async move { db.connect().await });
    let holder = Arc::new(holder);
    let locking = Arc::clone(&holder);
    let locked = block(async move { locking.batch_execute("begin; lock table outbox in share mode").await });
    locked.expect("a lock");
    let began = Instant::now();
    while world.is_up(lead) && began.elapsed() < crate::run::PATIENCE {
        world.db.execute("select pg_logical_emit_message(false, 'gauntlet', repeat('x', 1000))");
        hold(Duration::from_millis(10));
    }
    drop(holder);
    world.wait_exit(lead)
}

/// Two processes of one configuration at the same moment: one leads, the other waits.
pub fn both(world: &mut World, fault: &Fault) {
    world.down(&Fault::Kill.class());
    world.injecting(&fault.class(), "");
    let (began, lsn) = (Instant::now(), world.wal());
    world.start(0);
    world.start(1);
    let waits = world.wait("one of the two stands by", |world| {
        [0, 1].into_iter().find(|which| world.instance(*which).log().contains("standing by"))
    });
    if world.roles().0 == waits {
        world.swap();
    }
    let seen = world.fresh("events by one of two", lsn, |_| true);
    world.tally.fired(&fault.class());
    world.tally.recovered(&fault.class(), seen.at.saturating_duration_since(began));
}

/// A second instance waits; the first is killed.
pub fn takeover(world: &mut World, fault: &Fault) {
    world.up_with_standby();
    let class = fault.class();
    world.injecting(&class, "");
    let (lead, _) = world.roles();
    let dead = world.progress.newest().expect("a position").instance;
    let moment = Instant::now() + Duration::from_millis(world.random.below(300));
    world.wait("a random moment", |_| (Instant::now() >= moment).then_some(()));
    let (lsn, killed) = (world.wal(), Instant::now());
    world.instance(lead).kill9();
    world.swap();
    let seen = world.fresh("events by the standby", lsn, |instance| instance != dead);
    assert!(world.leader().log().contains("took over"), "{}", world.logs());
    world.tally.fired(&class);
    world.tally.recovered(&class, seen.at.saturating_duration_since(killed));
}

/// Leaves in good order while the load goes on, and comes back.
pub fn drained(world: &mut World, fault: &Fault) {
    world.up();
    let class = fault.class();
    world.injecting(&class, "");
    world.leave();
    hold(Duration::from_millis(world.random.below(300)));
    let (began, lsn, lead) = (Instant::now(), world.wal(), world.roles().0);
    world.start(lead);
    let seen = world.fresh("events after the start", lsn, |_| true);
    world.tally.fired(&class);
    world.tally.recovered(&class, seen.at.saturating_duration_since(began));
}

/// Stands still for a while, sometimes for longer than its transaction may be open.
pub fn frozen(world: &mut World, fault: &Fault) {
    world.up();
    let class = fault.class();
    let length = frozen_for(world);
    world.injecting(&class, &format!("{length:?}"));
    world.leader().sigstop();
    hold(Duration::from_millis(50));
    let before = world.progress.events();
    hold(length);
    let stood_still = world.progress.events() == before;
    world.leader().sigcont();
    let took = world.recovered("the thawed one publishes");
    assert!(stood_still, "a frozen process published");
    world.tally.fired(&class);
    world.tally.recovered(&class, took);
}

/// Mostly a second or two, now and then up to twenty.
fn frozen_for(world: &mut World) -> Duration {
    let most = [1_500, 1_500, 1_500, 1_500, 1_500, 4_000, 9_000, 20_000][world.random.below(8) as usize];
    Duration::from_millis(500 + world.random.below(most - 500))
}

/// A frozen leader whose lock the server takes away, as it would after a partition; another one publishes, and then the
/// first wakes up with a batch in its hands.
pub fn zombie(world: &mut World, fault: &Fault) {
    world.up_with_standby();
    let class = fault.class();
    let both_sessions = world.random.percent(50);
    world.injecting(&class, if both_sessions { "lock and stream ended" } else { "lock ended" });
    let (old, _) = world.roles();
    let zombie = world.progress.newest().expect("a position").instance;
    let standing_by = world.instance(old).log().matches("standing by").count();
    world.instance(old).sigstop();
    let (lsn, froze) = (world.wal(), Instant::now());
    let lock = "select count(pg_terminate_backend(pid)) = 1 from pg_locks where locktype = 'advisory' and granted
                and classid = 2002873456 and database = (select oid from pg_database where datname = current_database())";
    assert_eq!(world.db.query_one_text(lock), "t", "one session has the leader's lock");
    if both_sessions {
        let stream = format!(
            "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '{}' and active",
            world.db.name()
        );
        world.db.query_one_text(&stream);
    }
    world.swap();
    let seen = world.fresh("events by the standby", lsn, |instance| instance != zombie);
    world.tally.recovered(&class, seen.at.saturating_duration_since(froze));
    hold(Duration::from_millis(world.random.below(500)));
    world.instance(old).sigcont();
    world.wait("the zombie stands by", |world| {
        (world.instance(old).log().matches("standing by").count() > standing_by).then_some(())
    });
    world.recovered("the standby goes on");
    let newest = world.progress.newest().expect("a position");
    assert_ne!(newest.instance, zombie, "the zombie published");
    world.tally.fired(&class);
}
