//! `walpost offsets`: where the connector stands, seen from Kafka and from Postgres.

use super::console::{bytes, or_dash};
use super::context::{Context, KAFKA_PATIENCE, blocking, connect};
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::kafka::admin::Admin;
use crate::lsn::Lsn;
use crate::pipeline::startup::{self, Decision, Seen};
use crate::position::Position;
use crate::postgres::facts::{SystemIdentity, TimelineSwitch};
use crate::postgres::replication::Connection;
use crate::postgres::slot::{self, SlotFacts};
use crate::publish::offsets;
use clap::Subcommand;
use serde_json::{Value, json};

const EXAMPLES: &str = "\
Examples:
  walpost offsets show --config connector.json
  walpost offsets show --config connector.json --output json | jq .lag_bytes
";

/// Where the connector stands
#[derive(Debug, Subcommand)]
#[command(before_help = EXAMPLES)]
pub enum Command {
    /// The position that Kafka holds (exit code 5 without one), the slot's, the server's, and what the next start would do
    #[command(before_help = EXAMPLES)]
    Show,
}

/// What Postgres says about the slot and itself.
pub(super) struct Source {
    pub slot: Option<SlotFacts>,
    pub server: SystemIdentity,
    pub history: Vec<TimelineSwitch>,
}

pub(super) fn run(command: &Command, context: &Context<'_>) -> Result<Exit, Failure> {
    let Command::Show = command;
    let config = context.load_quietly()?;
    let (stored, source) = context.wait(async {
        let asked = config.clone();
        Ok(tokio::join!(blocking(move || stored_position(&asked)), source(&config)))
    })?;
    // One side that is silent is no reason to keep back what the other said.
    let next = match (&stored, &source) {
        (Ok(stored), Ok(source)) => Some(next_start(&config, stored.as_ref(), source)),
        _ => None,
    };
    let known = (stored.as_ref().ok().cloned().flatten(), source.as_ref().ok());
    show(context, &config, known.0.as_ref(), known.1, next.as_ref());
    let stored = stored?;
    source?;
    stored.map(|_| Exit::Ok).ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            "Kafka holds no position of this connector",
            format!("topic {} has none: nothing is published yet", config.publish.position_topic),
            "walpost slot create or the first walpost run writes one",
        )
    })
}

/// The position that Kafka holds. Blocks.
pub(super) fn stored_position(config: &Config) -> Result<Option<Position>, Failure> {
    // The topic is the first start's to make: until then there is no position.
    let looking = |error| Failure::from_kafka(&error, "looking for the position topic");
    let admin = Admin::connect(&config.kafka.admin, KAFKA_PATIENCE).map_err(looking)?;
    if admin.topic(&config.publish.position_topic).map_err(looking)?.is_none() {
        return Ok(None);
    }
    offsets::read(&config.kafka.admin, &config.publish, KAFKA_PATIENCE.answer).map_err(|error| match error {
        offsets::Error::Kafka(error) => Failure::from_kafka(&error, "reading the stored position"),
        offsets::Error::Broken { .. } => Failure::new(
            Exit::Stream,
            error.to_string(),
            "two connectors wrote to one position topic, or Kafka lost records of it",
            "give each connector a walpost.position.topic of its own",
        ),
    })
}

/// Asks Postgres what a start asks.
pub(super) async fn source(config: &Config) -> Result<Source, Failure> {
    let session = connect(config).await?;
    let slot = slot::find(&session, &config.source.slot)
        .await
        .map_err(|error| Failure::from_postgres(&error, "looking for the slot"))?;
    let mut connection = Connection::connect(&config.postgres)
        .await
        .map_err(|error| Failure::from_postgres(&error, "opening a replication connection"))?;
    let server = connection
        .identify_system()
        .await
        .map_err(|error| Failure::from_postgres(&error, "IDENTIFY_SYSTEM"))?;
    let history = if server.timeline > 1 {
        connection
            .timeline_history(server.timeline)
            .await
            .map_err(|error| Failure::from_postgres(&error, "TIMELINE_HISTORY"))?
    } else {
        Vec::new()
    };
    Ok(Source { slot, server, history })
}

/// What a start would decide now.
pub(super) fn next_start(config: &Config, stored: Option<&Position>, source: &Source) -> Decision {
    startup::decide(&Seen {
        slot_name: &config.source.slot,
        database: &config.postgres.database,
        stored,
        slot: source.slot.as_ref(),
        server: &source.server,
        history: &source.history,
        adopt_slot: config.adopt.is_some(),
    })
}

/// The decision in a sentence.
pub(super) fn in_words(decision: &Decision, stored: Option<&Position>) -> String {
    match decision {
        Decision::Resume => format!("goes on at {}", or_dash(stored.map(|position| position.end_lsn))),
        Decision::ResumeAtSwitch { switch_lsn } => {
            format!(
                "goes on at {switch_lsn}, where a failover cut the timeline; events after it exist in Kafka only"
            )
        }
        Decision::Create => "makes the slot and begins there".to_owned(),
        Decision::TakeSlot { slot_lsn } => format!("takes the slot over where it stands, at {slot_lsn}"),
        Decision::Stop(failure) => format!("stops with exit code {}: {}", failure.exit as u8, failure.what),
    }
}

fn show(
    context: &Context<'_>,
    config: &Config,
    stored: Option<&Position>,
    source: Option<&Source>,
    next: Option<&Decision>,
) {
    let slot = source.and_then(|source| source.slot.as_ref());
    let confirmed = slot.and_then(|slot| slot.confirmed_flush_lsn);
    let flushed = source.map(|source| source.server.flush_lsn);
    let lag = stored.zip(flushed).map(|(stored, flushed)| flushed.bytes_since(stored.end_lsn));
    let next_words = next.map(|decision| in_words(decision, stored));
    if context.console.is_json() {
        let exit = next.and_then(|decision| match decision {
            Decision::Stop(failure) => Some(failure.exit as u8),
            _ => None,
        });
        context.console.json_object(json!({
            "position_topic": config.publish.position_topic,
            "position": stored,
            "slot": { "name": config.source.slot, "exists": source.map(|_| slot.is_some()), "confirmed_flush_lsn": confirmed },
            "server": source.map(|source| json!({
                "system_id": source.server.system_id.to_string(),
                "timeline": source.server.timeline,
                "flush_lsn": source.server.flush_lsn,
            })),
            "lag_bytes": lag,
            "next_start": next_words.map_or(Value::Null, |words| json!({ "does": words, "exit_code": exit })),
        }));
        return;
    }
    let lsn = |lsn: Option<Lsn>| or_dash(lsn);
    let mut pairs = vec![
        ("position topic", config.publish.position_topic.clone()),
        ("stored position", lsn(stored.map(|position| position.end_lsn))),
    ];
    if let Some(position) = stored {
        pairs.extend(of_position(position));
    }
    pairs.push((
        "slot confirmed",
        if source.is_some() && slot.is_none() { "no slot".into() } else { lsn(confirmed) },
    ));
    pairs.push(("server flushed", lsn(flushed)));
    let lag = lag.map(|lag| {
        format!("{} of WAL after the stored position", bytes(i64::try_from(lag).unwrap_or(i64::MAX)))
    });
    pairs.push(("lag", or_dash(lag)));
    pairs.push(("next start", or_dash(next_words)));
    context.console.pairs(&pairs);
}

fn of_position(position: &Position) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("  number", position.seq.to_string()),
        ("  events", position.events.to_string()),
        ("  transactions", position.transactions.to_string()),
        ("  system id", position.system_id.to_string()),
        ("  timeline", position.timeline.to_string()),
        ("  slot began at", position.slot_birth_lsn.to_string()),
        ("  written by", position.instance.clone()),
    ];
    if position.creating {
        pairs.push(("  state", "the slot is being created; nothing is published yet".to_owned()));
    }
    if let Some(partial) = &position.partial {
        let text = format!(
            "{} changes of transaction {} (commit {}) are published",
            partial.ordinal, partial.xid, partial.commit_lsn
        );
        pairs.push(("  in part", text));
    }
    pairs
}
