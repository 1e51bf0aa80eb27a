//! Back to Debezium: the offset from which it goes on, and our position forgotten, in one Kafka transaction.

use super::forward::{STREAM_PATIENCE, hold, lost};
use super::source::Source;
use super::{Args, require_stopped, store, told_topic};
use crate::cli::context::{Context, KAFKA_PATIENCE, connect};
use crate::cli::offsets::{no_position, stored_position};
use crate::cli::slot::{find, require_confirmation, require_idle, require_ours, take_lead};
use crate::clock::unix_ms;
use crate::config::Config;
use crate::config::catalog::foreign as declared;
use crate::encode::Outgoing;
use crate::error::{Exit, Failure, blocking};
use crate::migrate::back::{self, LastRow};
use crate::migrate::offset::Offset;
use crate::migrate::search;
use crate::migrate::store::{self as stores, Kept, Owner, Store};
use crate::pipeline::decided;
use crate::pipeline::facts::Facts;
use crate::pipeline::startup::Decision;
use crate::pipeline::trouble::Trouble;
use crate::position::{Partial, Position};
use crate::postgres::replication::Connection;
use crate::postgres::session::Session;
use serde_json::json;
use std::time::Duration;

/// The name that Debezium Server gives its one connector: its sink's.
const SERVER_NAME: &str = declared::SERVER_SINK.1;
/// How long the server may take to give the slot up.
const RELEASE_PATIENCE: Duration = Duration::from_secs(10);

/// What is written.
struct Handed {
    offset: Offset,
    kept: Kept,
    store: Store,
    position: Position,
}

pub(super) fn run(args: &Args, context: &Context<'_>) -> Result<Exit, Failure> {
    let loaded = context.load()?;
    let file = loaded.written_as(declared::OFFSETS_FILE).map(|path| path.trim().into());
    let store = store(args, told_topic(&loaded), file)?;
    let config = context.quietly(loaded)?;
    let source = args.from.as_deref().map(Source::read).transpose()?;
    require_stopped(source.as_ref())?;
    let name = match (&args.connector, &store) {
        (Some(name), _) => Some(name.clone()),
        (None, Store::Topic(_)) => Some(config.name.clone()),
        (None, Store::File(_)) => None,
    };
    let owner = Owner { name, server: config.topic_prefix.clone() };
    let handed = context.wait(hand_back(args, &config, store, owner))?;
    let (slot, console) = (&config.source.slot, &context.console);
    let key = String::from_utf8_lossy(&handed.kept.key).into_owned();
    if console.is_json() {
        let offset = handed.offset.json();
        let to = handed.store.to_string();
        let told =
            json!({ "slot": slot, "to": to, "key": key, "offset": offset, "position": handed.position });
        console.json("handed_back", &told);
    } else {
        console.print(&format!(
            "handed slot {slot:?} back: {key} = {} in {}",
            handed.offset.json(),
            handed.store
        ));
        console.say("walpost's position is forgotten. Next: start (resume) the old connector");
    }
    Ok(Exit::Ok)
}

async fn hand_back(args: &Args, config: &Config, store: Store, owner: Owner) -> Result<Handed, Failure> {
    // Held to the end: a connector of ours that starts meanwhile stands by.
    let session = connect(config).await?;
    take_lead(&session, config).await?;
    let slot = find(&session, &config.source.slot).await?;
    require_ours(&slot, config, false)?;
    require_idle(&slot)?;
    let is_confirmed = args.confirm.as_deref() == Some(config.source.slot.as_str());
    let asked = config.clone();
    let stored = blocking(move || read(&asked, is_confirmed)).await?;
    let position = stored.filter(|stored| !stored.creating).ok_or_else(|| no_position(config))?;
    back::check_whole(&position)?;

    let opening = |error| Failure::from_postgres(&error, "opening a replication connection");
    let mut connection = Connection::connect(&config.postgres).await.map_err(opening)?;
    let facts = Facts::ask(config, &session, &mut connection).await.map_err(Trouble::into_failure)?;
    match facts.decide(config, Some(&position)) {
        Decision::Resume => {}
        Decision::Stop(failure) => return Err(*failure),
        _ => return Err(unsettled()),
    }
    let offset = match &position.partial {
        None => back::after(&position),
        Some(partial) => within(config, &session, connection, &position, partial, &facts).await?,
    };
    let (asked, kept) = (config.clone(), store.clone());
    let name = owner.name.clone().unwrap_or_else(|| SERVER_NAME.to_owned());
    let key = owner.key(&name);
    let kept = blocking(move || kept.read(&asked.kafka.admin, &owner)).await?;
    let kept = kept.unwrap_or(Kept { key, partition: None, offset: None });
    if let Some(theirs) = &kept.offset {
        back::check_older(theirs, &offset)?;
    }
    let risk = format!("{} would hold offset {}, and walpost no position", store, offset.json());
    require_confirmation("slot", &slot.name, args.confirm.as_deref(), &risk)?;
    let handed = Handed { offset, kept, store, position };
    let asked = config.clone();
    blocking(move || write(&asked, handed)).await
}

/// The position; under a fence where that is allowed, as the transaction that walpost had open when it was killed would hide
/// it until it times out. Blocks.
fn read(config: &Config, is_confirmed: bool) -> Result<Option<Position>, Failure> {
    if !is_confirmed {
        return stored_position(config);
    }
    let mut found = None;
    let look = |stored: Option<&Position>| {
        found = stored.cloned();
        Ok(None)
    };
    decided::follow(config, KAFKA_PATIENCE, look)?;
    Ok(found)
}

/// The offset inside a transaction: its last row is looked up, and the slot comes to the end of the one before.
async fn within(
    config: &Config,
    session: &Session,
    connection: Connection,
    position: &Position,
    partial: &Partial,
    facts: &Facts,
) -> Result<Offset, Failure> {
    let end_lsn = position.end_lsn;
    // Kafka holds this position: the slot may have it.
    let mut feed = hold(config, connection, end_lsn, end_lsn).await?;
    let (mut rows, until) = (LastRow::new(partial), facts.server.flush_lsn);
    let found = blocking(move || {
        let found = search::read(&mut feed, until, STREAM_PATIENCE, |step| rows.step(step))?;
        feed.stop().map_err(|error| lost(&error))?;
        Ok(found)
    })
    .await?;
    let last = found.ok_or_else(|| {
        Failure::new(
            Exit::Stream,
            format!("transaction {}, which is published in part, is not in the slot's stream", partial.xid),
            "",
            "walpost verify tells what is published; nothing was changed",
        )
    })?;
    released(config, session, position).await?;
    Ok(back::within(position, partial, last))
}

/// Until the server has given the slot up, which must have come to the position then.
async fn released(config: &Config, session: &Session, position: &Position) -> Result<(), Failure> {
    let deadline = std::time::Instant::now() + RELEASE_PATIENCE;
    loop {
        let slot = find(session, &config.source.slot).await?;
        let is_there = slot.confirmed_flush_lsn == Some(position.end_lsn);
        if is_there && !slot.active {
            return Ok(());
        }
        if std::time::Instant::now() >= deadline {
            require_idle(&slot)?;
            return Err(Failure::new(
                Exit::Postgres,
                format!("slot {:?} did not come to {}", slot.name, position.end_lsn),
                "Debezium must not be sent the transaction before the one that it goes on in",
                "ask again",
            ));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// In one transaction; a file is written first, and asking again writes the same once more. Blocks.
fn write(config: &Config, handed: Handed) -> Result<Handed, Failure> {
    let Handed { offset, kept, store, position } = &handed;
    let left = |stored: Option<&Position>| -> Result<Outgoing, Failure> {
        if stored != Some(position) {
            return Err(unsettled());
        }
        match store {
            Store::Topic(topic) => Ok(stores::record(topic, kept, offset, unix_ms())),
            Store::File(path) => stores::write_file(path, &kept.key, offset).map(|()| Outgoing::default()),
        }
    };
    decided::leave(config, KAFKA_PATIENCE, left)?;
    Ok(handed)
}

fn unsettled() -> Failure {
    Failure::new(
        Exit::Failure,
        "the position is about to change",
        "another instance has written one, or a failover has to be dealt with first. Nothing was done",
        "start walpost once more, stop it, and go back then",
    )
}
