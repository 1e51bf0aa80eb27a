//! A way, in words.

use crate::connector::{Phase, Step};
use crate::explore::Way;
use crate::kafka::{Kafka, POSITIONS, Record, What, is_decided};
use crate::source::Stored;
use crate::world::{Model, Move, Network, World};
use std::fmt::Write as _;
use walpost::publish::transaction::Action;

/// Every step, and what came of it.
pub fn tell(model: &Model, way: &Way) -> String {
    let mut story = String::new();
    let mut world = model.first();
    for (number, step) in (1..).zip(&way.moves) {
        let words = words(model, &world, *step);
        (world, _) = model.make(&world, *step);
        let _ = writeln!(story, "{number:4}. {words}");
    }
    let _ = writeln!(story, "   => {}", outcome(&world));
    story
}

fn words(model: &Model, world: &World, step: Move) -> String {
    let name = |who: u8| if who == 0 { "A" } else { "B" };
    let connector = |who: u8| &world.connectors[who as usize];
    match step {
        Move::Start(who) => {
            let number = match connector(who).phase {
                Phase::Starting(number) => number as usize,
                _ => 0,
            };
            let high = connector(who).high.into();
            let what = match model.rules.order()[number] {
                Step::Fence(producer) => format!("fences producer {producer}"),
                Step::Watermark => "asks for the high watermark".to_owned(),
                Step::Position => format!("reads the position: {}", position(&world.kafka.position(high).0)),
                Step::Facts => format!("looks at the slot, which stands at {}", world.postgres.confirmed),
                Step::Stream => "starts to stream".to_owned(),
            };
            format!("{} {what}", name(who))
        }
        Move::FenceUnanswered { who, is_late } => {
            format!(
                "{} fences; {}",
                name(who),
                if is_late { "that will come late" } else { "the answer is lost" }
            )
        }
        Move::Take(who) => {
            let piece = model.plans.next(connector(who).plan).map(|(piece, _)| piece);
            match piece {
                Some(piece) if !piece.is_keepalive() => {
                    format!("{} reads {} up to {}", name(who), events(piece.events), piece.end)
                }
                _ => format!("{} reads a keepalive", name(who)),
            }
        }
        Move::Pass(_) => "the server sends no keepalive".to_owned(),
        Move::HandOver(who) => {
            format!("{} hands {} over", name(who), events(connector(who).batch.events))
        }
        Move::Go { who, lane, network } => {
            let lane = &connector(who).lanes[lane as usize];
            let what = match lane.action {
                Some(Action::Send(nth)) => format!("sends event {}", lane.events.0 + nth as u8),
                Some(Action::SendPosition) => format!("sends position {}", position(&lane.stored)),
                Some(action) => format!("asks for {action:?}").to_lowercase(),
                None => "does nothing".to_owned(),
            };
            let fate = match network {
                Network::Answered => "",
                Network::Lost => "; that is lost",
                Network::HalfLost => "; the partition is added, the record is lost",
                Network::Unheard => "; that is done, the answer is lost",
                Network::Late => "; that will come late",
                Network::Repeated => "; that is done, and will come once more",
            };
            format!("{} {what}{fate}", name(who))
        }
        Move::Tell(who) => format!("{} tells Postgres {}", name(who), connector(who).confirmed),
        Move::GiveUp(who) => format!("{} ends its session", name(who)),
        Move::Crash(who) => format!("{} crashes", name(who)),
        Move::Cut(who) => format!("Postgres breaks off {}'s connections", name(who)),
        Move::PostgresCrash { slot } => format!("Postgres crashes; the slot stands at {slot}"),
        Move::TimeOut { producer } => {
            format!("the coordinator aborts the transaction of producer {producer}")
        }
        Move::Markers { producer } => format!("the markers of producer {producer} are written"),
        Move::Arrive(request) => match request.what {
            What::Fence => "the late fence arrives".to_owned(),
            What::Produce { record, .. } => format!("the late {record:?} arrives"),
            What::End { commit } => format!("the late {} arrives", if commit { "commit" } else { "abort" }),
        },
        Move::NeighbourBegins => "another connector sends a position to the same topic".to_owned(),
        Move::NeighbourEnds => "the other connector's transaction ends".to_owned(),
        Move::Advance { slot } => format!("somebody advances the slot to {slot}"),
    }
}

fn events((from, to): (u8, u8)) -> String {
    match to - from {
        0 => "a position without events".to_owned(),
        1 => format!("event {from}"),
        _ => format!("events {from} to {}", to - 1),
    }
}

fn position(stored: &Stored) -> String {
    match stored.ordinal {
        None => stored.end.to_string(),
        Some(ordinal) => format!("{} and {ordinal} changes", stored.end),
    }
}

/// What is committed, and what is wrong with it.
fn outcome(world: &World) -> String {
    let committed = |kafka: &Kafka, partition: u8| -> Vec<u8> {
        let entries = kafka.partitions[partition as usize].iter().filter(|entry| is_decided(entry));
        entries
            .filter_map(|entry| match entry.record {
                Record::Event(event) => Some(event),
                _ => None,
            })
            .collect()
    };
    let partitions: Vec<Vec<u8>> =
        (0..POSITIONS).map(|partition| committed(&world.kafka, partition)).collect();
    format!(
        "events {partitions:?} and position {} are committed: {}",
        position(&world.kafka.decided()),
        world.wrong.map_or("and there it ends".to_owned(), |wrong| format!("{wrong:?}"))
    )
}
