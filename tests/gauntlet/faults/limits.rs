//! What happens when a machine has no more to give.

use super::Fault;
use crate::run::World;
use crate::support::MemoryLimit;
use std::sync::Arc;
use std::time::Instant;

/// The broker's disk is full, and the broker ends by that. It comes back when there is room.
pub fn disk_full(world: &mut World, fault: &Fault) {
    world.up();
    let class = fault.class();
    world.injecting(&class, "");
    world.kafka.disk().fill();
    world.kafka.wait_exit();
    world.kafka.disk().free();
    world.kafka.start_again();
    let took = world.recovered("events after there is room again");
    world.tally.fired(&class);
    world.tally.recovered(&class, took);
}

/// What a connector must do with, whatever the transaction.
const MEMORY: u64 = 256 << 20;

/// A transaction of far more events than a batch holds, published by a connector that may not use much memory.
pub fn memory(world: &mut World, fault: &Fault) {
    world.up();
    world.down(&Fault::Kill.class());
    let class = fault.class();
    let limit = Arc::new(MemoryLimit::new(MEMORY));
    world.injecting(&class, "");
    let lead = world.roles().0;
    world.start_with(lead, |builder| builder.memory(&limit));
    world.recovered("events under a limit");
    let (began, pieces) = (Instant::now(), world.progress.pieces());
    world.workload.want_large(1);
    world.wait("the transaction is under way", |world| (world.progress.pieces() > pieces + 2).then_some(()));
    world.wait("the transaction is published", |world| {
        world.progress.newest().is_some_and(|seen| !seen.inside).then_some(())
    });
    assert_eq!(limit.killed(), 0, "killed for its memory");
    world.tally.fired(&class);
    world.tally.recovered(&class, began.elapsed());
    // The next one has no limit.
    world.leave();
}
