//! One instance of the connector: the real road and publisher, between a feed and an outlet that are the world's.
//!
//! An instance dies, or stands still, between any two of its requests. What it has in memory is then gone; what it has
//! sent is under way.

use crate::happen::happen;
use crate::outlet::ModelOutlet;
use crate::world::{Shared, World};
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use walpost::confirm::Ledger;
use walpost::pipeline::handover::{Downstream, PublisherEnded};
use walpost::pipeline::publishing;
use walpost::pipeline::report::Reporter;
use walpost::publish::{self, Batch, Publisher};
use walpost::shutdown::Shutdown;
use walpost::source::{self, Acknowledger, Chunk, Feed, Nudge};

/// A process.
#[derive(Debug)]
pub struct Instance {
    pub name: String,
    /// It starts beside another one, and nobody starts beside it.
    pub is_rival: bool,
    dead: AtomicBool,
    paused: AtomicBool,
}

impl Instance {
    pub fn new(name: String, is_rival: bool) -> Instance {
        Instance { name, is_rival, dead: AtomicBool::new(false), paused: AtomicBool::new(false) }
    }

    pub fn die(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Its road ends here; what its publisher has in hand may still go on.
    pub fn pause(&self) {
        self.paused.store(true, Ordering::Relaxed);
    }

    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }
}

/// The publisher behind the road, working when it is let.
pub struct Publishing {
    world: Shared,
    ledger: Arc<Mutex<Ledger>>,
    acknowledger: Acknowledger,
    state: Mutex<State>,
}

struct State {
    /// Taken while it works.
    publisher: Option<(Publisher<ModelOutlet>, Reporter)>,
    batch: Option<Batch>,
    spare: Option<Batch>,
    ended: bool,
    error: Option<publishing::Error>,
}

impl Publishing {
    pub fn new(
        world: &Shared,
        ledger: Arc<Mutex<Ledger>>,
        acknowledger: Acknowledger,
        publisher: Publisher<ModelOutlet>,
        reporter: Reporter,
    ) -> Publishing {
        let publisher = Some((publisher, reporter));
        let state = State { publisher, batch: None, spare: None, ended: false, error: None };
        Publishing { world: world.clone(), ledger, acknowledger, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.try_lock().expect("one hold at a time")
    }

    pub fn has_batch(&self) -> bool {
        self.state().batch.is_some()
    }

    /// Publishes the batch in hand, as the publisher's thread does.
    pub fn work(&self) {
        let taken = {
            let mut state = self.state();
            let State { publisher, batch, .. } = &mut *state;
            if batch.is_some() { publisher.take().zip(batch.take()) } else { None }
        };
        let Some(((mut publisher, mut reporter), batch)) = taken else { return };
        let position_before = self.world.lock().last.clone();
        let result = publishing::one(&mut publisher, &batch, &self.ledger, &self.acknowledger, &mut reporter);
        let mut world = self.world.lock();
        if let Err(publishing::Error::Publish(publish::Error::NotCommitted(_))) = &result
            && publisher.position().seq + 1 == world.last.as_ref().map_or(0, |last| last.seq)
            && world.last != position_before
            && world.last.as_ref().is_some_and(|last| last.instance == publisher.position().instance)
        {
            world.violated(|| "nothing of a batch was to be visible, and it is".to_owned());
        }
        drop(world);
        let mut state = self.state();
        match result {
            Ok(()) => {
                state.publisher = Some((publisher, reporter));
                state.spare = Some(batch);
            }
            Err(error) => {
                state.ended = true;
                state.error = Some(error);
            }
        }
    }

    pub fn error(&self) -> Option<publishing::Error> {
        self.state().error.take()
    }
}

impl Downstream for Publishing {
    fn ring_when_free(&self, _: Nudge) {}

    fn publisher_free(&self) -> Result<bool, PublisherEnded> {
        let state = self.state();
        if state.ended { Err(PublisherEnded) } else { Ok(state.batch.is_none()) }
    }

    fn wait_free(&self, _: Duration) -> Result<bool, PublisherEnded> {
        self.work();
        self.publisher_free()
    }

    fn give(&self, batch: Batch) -> Batch {
        let mut state = self.state();
        assert!(state.batch.replace(batch).is_none(), "the publisher was not free");
        state.spare.take().unwrap_or_default()
    }

    fn end_road(&self) {}
}

/// The stream, as an instance reads it.
pub struct ModelFeed {
    pub world: Shared,
    pub instance: Arc<Instance>,
    pub publishing: Arc<Publishing>,
    /// Of the walsender it reads from.
    pub number: u64,
    pub shutdown: Shutdown,
    /// A rival does not stay for long.
    pub looks_left: u32,
}

impl ModelFeed {
    /// What comes next: frames, or nothing for now.
    fn turn(&mut self) -> Result<Option<Vec<u8>>, source::Error> {
        let busy = self.publishing.has_batch();
        let mut world = self.world.lock();
        let mut roll = world.dice.below(12);
        if world.calm && !self.instance.is_rival {
            match (world.postgres.has_more(), busy) {
                (true, true) => roll = if roll < 8 { 0 } else { 8 },
                (true, false) => roll = if roll < 8 { 0 } else { 10 },
                (false, _) => {
                    self.shutdown.ask();
                    return Ok(None);
                }
            }
        }
        let World { postgres, dice, .. } = &mut *world;
        match roll {
            0..=4 if postgres.has_more() => {
                let mut chunk = Vec::new();
                for _ in 0..dice.between(1, 12) {
                    match postgres.send(dice) {
                        Ok(Some(frames)) => chunk.extend(frames),
                        Ok(None) => break,
                        Err(_) if !chunk.is_empty() => break,
                        Err(refused) => return Err(server_error(refused.0)),
                    }
                    // The reader's chunks end anywhere between two messages, and keepalives come in between.
                    if dice.percent(10) {
                        chunk.extend(postgres.keepalive(dice).unwrap_or_default());
                    }
                }
                Ok((!chunk.is_empty()).then_some(chunk))
            }
            5..=7 => Ok(postgres.keepalive(dice)),
            8..=9 if busy => {
                drop(world);
                self.publishing.work();
                Ok(None)
            }
            _ => {
                if world.dice.percent(1) && !world.calm {
                    world.story.tell("the connector is asked to leave", || self.instance.name.clone());
                    self.shutdown.ask();
                }
                Ok(None)
            }
        }
    }
}

fn server_error(sqlstate: &str) -> source::Error {
    source::Error::Server(walpost::postgres::ServerError {
        severity: "ERROR".to_owned(),
        sqlstate: sqlstate.to_owned(),
        message: "publication \"walpost\" does not exist".to_owned(),
        detail: None,
        hint: None,
    })
}

impl Feed for ModelFeed {
    fn next(&mut self, _: Instant) -> Result<Option<Chunk>, source::Error> {
        happen(&self.world, &self.instance);
        if self.instance.is_rival {
            self.looks_left = self.looks_left.saturating_sub(1);
            if self.looks_left == 0 {
                self.instance.die();
            }
        }
        if self.instance.is_dead() || self.instance.is_paused() {
            return Err(source::Error::Ended);
        }
        let number = self.world.lock().postgres.walsender.as_ref().map(|walsender| walsender.number);
        if number != Some(self.number) {
            return Err(source::Error::Ended);
        }
        let frames = self.turn()?;
        Ok(frames.map(|frames| Chunk::new(Bytes::from(frames), None)))
    }

    fn nudge(&self) -> Nudge {
        Nudge::new(|| {})
    }
}
