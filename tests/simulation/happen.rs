//! What happens between two steps of the connector: to it, to its servers, and beside it.

use crate::connector::{Instance, Publishing};
use crate::life;
use crate::postgres::Fate;
use crate::world::{Shared, World};
use std::sync::Arc;

/// What has to be done without a hold on the world.
enum Aside {
    Nothing,
    Zombie(Arc<Publishing>),
    Rival,
}

/// Lets time pass: mostly nothing, sometimes one thing.
pub fn happen(shared: &Shared, instance: &Instance) {
    let aside = {
        let mut world = shared.lock();
        let often = if world.calm { 50 } else { 15 };
        if world.dice.percent(often) {
            world.deliver_status();
        }
        if world.steps_left == 0 {
            calm_down(&mut world);
        }
        if world.calm {
            return;
        }
        world.steps_left -= 1;
        let aside = turn(&mut world, instance);
        world.check();
        if !matches!(aside, Aside::Nothing) {
            world.aside = true;
        }
        aside
    };
    match aside {
        Aside::Nothing => return,
        Aside::Zombie(publishing) => publishing.work(),
        Aside::Rival => life::rival(shared),
    }
    shared.lock().aside = false;
}

/// Nothing more goes wrong, and nothing more is written.
fn calm_down(world: &mut World) {
    if std::mem::replace(&mut world.calm, true) {
        return;
    }
    world.story.say(|| "from now on nothing goes wrong".to_owned());
    if world.broker.stranger.is_some() {
        let World { broker, dice, .. } = &mut *world;
        broker.stranger_turns(dice);
    }
    world.zombies.clear();
    if let Some(fate) = world.poison.take() {
        if has_begun(world) {
            poison(world, fate);
        } else {
            world.must = None;
        }
    }
}

/// What was written before the slot is nobody's business.
fn has_begun(world: &World) -> bool {
    world.last.as_ref().is_some_and(|last| !last.creating)
}

fn turn(world: &mut World, instance: &Instance) -> Aside {
    write(world);
    strangers(world);
    postgres(world);
    let aside = beside(world, instance);
    if matches!(aside, Aside::Nothing) && !world.aside {
        ends(world, instance);
    }
    aside
}

/// Somebody writes to the database.
fn write(world: &mut World) {
    // A server that was set back must be seen before its WAL has grown past where it was.
    let frozen = world.must.is_some_and(|must| must.at_start);
    if frozen || !world.dice.percent(22) {
        return;
    }
    if world.poison.is_some() && has_begun(world) && world.dice.percent(3) {
        let fate = world.poison.take().expect("looked at");
        poison(world, fate);
        return;
    }
    let World { postgres, dice, story, huge, .. } = world;
    if dice.percent(20) {
        let bytes = dice.between(8, 200);
        postgres.grow(bytes);
        return;
    }
    let what = postgres.commit_something(dice, *huge);
    story.tell(what, || postgres.wal.last().map(|txn| format!("ends at {}", txn.end)).unwrap_or_default());
}

fn poison(world: &mut World, fate: Fate) {
    let World { postgres, dice, .. } = world;
    let what = postgres.commit_poison(dice, fate);
    world.story.tell(what, || format!("{fate:?}"));
}

/// Requests that were under way arrive; strangers, markers, compaction, time-outs.
fn strangers(world: &mut World) {
    let World { broker, dice, story, dose, must, .. } = world;
    if dice.percent(15)
        && let Some((late, answer)) = broker.deliver_late(dice)
    {
        story.tell("a late request arrives", || format!("{late:?}: {answer:?}"));
        if answer == crate::broker::Answer::Fenced {
            story.counts.add("a late request is fenced off", 1);
        }
    }
    if dice.percent(40) {
        broker.write_markers();
    }
    if !dice.percent(dose.broker) {
        return;
    }
    match dice.below(4) {
        0 | 1 => {
            let what = broker.stranger_turns(dice);
            story.tell(what, String::new);
        }
        // What was forged is known by what it follows: compaction would hide that.
        2 if must.is_none() => broker.compact(),
        2 => {}
        _ => {
            if broker.time_out() {
                story.tell("the broker ends a transaction that was open for too long", String::new);
            }
        }
    }
}

/// Checkpoints, restarts and crashes of the database, and streams that break.
fn postgres(world: &mut World) {
    let World { postgres, dice, story, dose, .. } = world;
    if dice.percent(2) {
        postgres.checkpoint();
    }
    if !dice.percent(dose.postgres) {
        return;
    }
    match dice.below(3) {
        0 => {
            let before = postgres.slot.as_ref().map(|slot| slot.confirmed);
            postgres.crash();
            if before > postgres.slot.as_ref().map(|slot| slot.confirmed) {
                story.counts.add("the slot goes backwards", 1);
            }
            story.tell("Postgres crashes", || format!("{before:?} was confirmed, now {:?}", postgres.slot));
        }
        1 => {
            postgres.checkpoint();
            postgres.crash();
            story.tell("Postgres restarts", String::new);
        }
        _ => {
            postgres.walsender = None;
            story.tell("the stream breaks", String::new);
        }
    }
}

/// A publisher that stood still goes on, or a second instance starts.
fn beside(world: &mut World, instance: &Instance) -> Aside {
    if world.aside || instance.is_rival {
        return Aside::Nothing;
    }
    if !world.zombies.is_empty() && world.dice.percent(10) {
        let zombie = world.zombies.swap_remove(0);
        world.story.tell("a publisher that stood still goes on", String::new);
        return Aside::Zombie(zombie);
    }
    let rival = world.dose.rival;
    if world.dice.below(1_000) < rival {
        world.story.tell("another instance starts beside", || instance.name.clone());
        return Aside::Rival;
    }
    Aside::Nothing
}

/// The instance dies, or stands still.
fn ends(world: &mut World, instance: &Instance) {
    let (crash, pause) = (world.dose.crash, world.dose.pause);
    if world.dice.below(1_000) < crash {
        instance.die();
        world.story.tell("the connector dies", || instance.name.clone());
    } else if !instance.is_rival && world.dice.below(1_000) < pause {
        instance.pause();
        world.story.tell("the connector stands still", || instance.name.clone());
    }
}
