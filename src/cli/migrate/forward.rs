//! From Debezium: the report, our file, and the position that the old connector left.

use super::source::Source;
use super::{Args, report, require_stopped, store, told_topic};
use crate::cli::console::or_dash;
use crate::cli::context::{Context, KAFKA_PATIENCE, connect};
use crate::cli::offsets::stored_position;
use crate::cli::slot::{find, require_confirmation, require_idle, require_ours, take_lead};
use crate::config::foreign::{self, Migrated, Old};
use crate::config::{Config, Loaded};
use crate::error::{Exit, Failure, blocking};
use crate::kafka::producer::Producer;
use crate::lsn::Lsn;
use crate::migrate::anchor::{self, Anchor};
use crate::migrate::offset::Offset;
use crate::migrate::search::{self, Place, RowSearch};
use crate::migrate::store::{Owner, Store};
use crate::pipeline::decided;
use crate::pipeline::facts::Facts;
use crate::pipeline::startup::Decision;
use crate::pipeline::trouble::Trouble;
use crate::position::Position;
use crate::postgres::replication::Connection;
use crate::source::Acknowledger;
use crate::source::stream::{self, StreamFeed};
use serde_json::{Value, json};
use std::time::Duration;

/// How long the slot's stream may say nothing.
pub(super) const STREAM_PATIENCE: Duration = Duration::from_secs(60);
/// How long ending the old connector's transaction may take.
const FENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// Who the position says it was written by.
const WRITTEN_BY: &str = "walpost migrate";

pub(super) fn run(args: &Args, context: &Context<'_>) -> Result<Exit, Failure> {
    let from = args.from.as_deref().unwrap_or_default();
    let source = Source::read(from)?;
    let environment = |name: &str| std::env::var(name).ok();
    let migrated =
        foreign::migrate(&source.name, &source.text, context.worker_file(), &args.set, &environment);
    let console = &context.console;
    if !console.is_json() {
        report::print(console, &migrated);
    }
    let mut taken = Value::Null;
    let outcome = go_on(args, context, &source, &migrated).map(|position| {
        taken = json!(position);
    });
    if console.is_json() {
        let mut told = report::json(&migrated);
        told["written"] = json!(args.write.as_ref().filter(|path| path.exists()));
        told["position"] = taken;
        console.json("migration", &told);
    }
    outcome.map(|()| Exit::Ok)
}

/// Writes the file and takes over, as far as that was asked for.
fn go_on(
    args: &Args,
    context: &Context<'_>,
    source: &Source,
    migrated: &Migrated,
) -> Result<Option<Position>, Failure> {
    report::require_movable(migrated)?;
    if let Some(path) = &args.write {
        report::write(path, &source.name, migrated)?;
        context.console.say(&format!("wrote {}", path.display()));
    }
    if !args.take_over {
        if args.write.is_some() {
            context.console.say("next: stop the old connector, then the same with --take-over");
        }
        return Ok(None);
    }
    let loaded = ours(args, context, migrated)?;
    require_stopped(Some(source))?;
    let old = &migrated.old;
    let topic = old.offsets_topic.clone().or_else(|| told_topic(&loaded));
    let config = context.quietly(loaded)?;
    let owner = Owner {
        name: args.connector.clone().or_else(|| old.name.clone()),
        server: old.prefix.clone().unwrap_or_else(|| config.topic_prefix.clone()),
    };
    let kept = store(args, topic, old.offsets_file.clone())?;
    let position = context.wait(take_over(args, &config, old, kept, owner))?;
    context.console.say(&format!("took over slot {:?}: {}", config.source.slot, in_words(&position)));
    context.console.say("next: walpost run. The way back: walpost migrate --back");
    Ok(Some(position))
}

/// The configuration that walpost will run with: the named file, else what was just written.
fn ours(args: &Args, context: &Context<'_>, migrated: &Migrated) -> Result<Loaded, Failure> {
    let Ok(loaded) = &migrated.outcome else {
        return Err(Failure::new(Exit::Usage, "the connector cannot be moved as it is", "", ""));
    };
    if context.config_file().is_none() {
        if args.write.is_none() {
            return Err(Failure::new(
                Exit::Usage,
                "walpost's own configuration is not named",
                "the position is written where that configuration says",
                "write it first, or now: --write FILE; or name the one that is there: --config FILE",
            ));
        }
        return Ok(loaded.clone());
    }
    let named = context.load()?;
    let (config, theirs) = (&named.config, &loaded.config);
    let pairs = [
        (&config.source.slot, &theirs.source.slot),
        (&config.source.publication, &theirs.source.publication),
        (&config.topic_prefix, &theirs.topic_prefix),
        (&config.postgres.database, &theirs.postgres.database),
    ];
    match pairs.iter().find(|(ours, theirs)| ours != theirs) {
        None => Ok(named),
        Some((ours, theirs)) => Err(Failure::new(
            Exit::Usage,
            format!("walpost's configuration has {ours:?} where the old connector has {theirs:?}"),
            "slot, publication, topic.prefix and database must be the old connector's",
            "correct the one or the other",
        )),
    }
}

/// What is known once the old connector's offset was looked up in the stream.
struct Found {
    offset: Offset,
    place: Place,
}

async fn take_over(
    args: &Args,
    config: &Config,
    old: &Old,
    kept: Store,
    owner: Owner,
) -> Result<Position, Failure> {
    // Held to the end: a connector of ours that starts meanwhile stands by.
    let session = connect(config).await?;
    take_lead(&session, config).await?;
    let slot = find(&session, &config.source.slot).await?;
    require_ours(&slot, config, false)?;
    require_idle(&slot)?;
    let Some(confirmed) = slot.confirmed_flush_lsn.filter(|_| !slot.is_invalidated()) else {
        return Err(Failure::new(
            Exit::SlotLost,
            format!("slot {:?} is invalidated", slot.name),
            "what the old connector had not read yet cannot be read any more",
            "walpost verify tells which rows are missing in their topics",
        ));
    };
    let asked = config.clone();
    require_new(blocking(move || stored_position(&asked)).await?.as_ref(), config)?;

    let postgres = |error| Failure::from_postgres(&error, "opening a replication connection");
    let mut connection = Connection::connect(&config.postgres).await.map_err(postgres)?;
    let facts = Facts::ask(config, &session, &mut connection).await.map_err(Trouble::into_failure)?;
    // From here on nobody else can have the slot. It is told nothing that it did not know.
    let feed = hold(config, connection, confirmed, confirmed).await?;
    let is_confirmed = args.confirm.as_deref() == Some(config.source.slot.as_str());
    let until = facts.server.flush_lsn;
    let (asked, fence, counted) =
        (config.clone(), old.transactional_id.clone().filter(|_| is_confirmed), args.published_at_lsn);
    let (found, feed) = blocking(move || {
        let mut feed = feed;
        if let Some(id) = &fence {
            fence_old(&asked, id);
        }
        let offset = old_offset(&asked, &kept, &owner)?;
        let place = place(&offset, counted, &asked, confirmed, until, &mut feed)?;
        Ok((Found { offset, place }, feed))
    })
    .await?;
    // What is still in memory at the server may be lost in a crash: then the slot falls back, but never behind this.
    let birth = slot.restart_lsn.unwrap_or(confirmed);
    let position = position(&found, birth, &facts);
    // What a start would say of it: the server, its timeline, the slot, the publication.
    match facts.decide(config, Some(&position)) {
        Decision::Resume => {}
        Decision::Stop(failure) if failure.exit == Exit::SlotAhead => {
            return Err(anchor::slot_ahead(&slot.name, position.end_lsn, confirmed));
        }
        Decision::Stop(failure) => return Err(*failure),
        decision => return Err(unexpected(&decision)),
    }
    let consequence = format!(
        "the old connector's last event is at {}; walpost {}. Nothing was done",
        or_dash(found.offset.lsn),
        in_words(&position)
    );
    require_confirmation("slot", &slot.name, args.confirm.as_deref(), &consequence)?;
    let asked = config.clone();
    let written = blocking(move || {
        let write = |stored: Option<&Position>| require_new(stored, &asked).map(|()| Some(position));
        decided::follow(&asked, KAFKA_PATIENCE, write)
    })
    .await?;
    let _ = blocking(move || feed.stop().map_err(|error| lost(&error))).await;
    written.ok_or_else(|| unexpected(&Decision::Resume))
}

/// Streams from the slot, and confirms no more than `confirm`: as long as this lasts nobody else has it.
pub(super) async fn hold(
    config: &Config,
    connection: Connection,
    start: Lsn,
    confirm: Lsn,
) -> Result<StreamFeed, Failure> {
    let source = &config.source;
    let streaming = connection
        .start_replication(
            &source.slot,
            start,
            &source.publication,
            &source.stream_params,
            source.silence_timeout / 2,
        )
        .await
        .map_err(|error| Failure::from_postgres(&error, "reading the slot's stream"))?;
    // It asks for a sign of life at this pace, and the end of the stream is told by one.
    let source = crate::source::Config { status_interval: Duration::from_secs(1), ..source.clone() };
    stream::start(streaming, &source, Acknowledger::new(confirm)).map_err(|error| lost(&error))
}

pub(super) fn lost(error: &crate::source::Error) -> Failure {
    Failure::new(Exit::Postgres, format!("reading the slot's stream: {error}"), "", "ask again")
}

/// Ends whatever the old connector had open, so that what is read next is all there is. What hinders it is no hindrance:
/// an open transaction shows in the topic.
fn fence_old(config: &Config, transactional_id: &str) {
    match Producer::fenced(&config.kafka.producer, transactional_id, FENCE_TIMEOUT) {
        Ok(_) => tracing::info!(transactional_id, "fenced the old connector"),
        Err(error) => tracing::warn!(transactional_id, %error, "the old connector could not be fenced"),
    }
}

fn old_offset(config: &Config, kept: &Store, owner: &Owner) -> Result<Offset, Failure> {
    let found = kept.read(&config.kafka.admin, owner)?;
    found.and_then(|found| found.offset).ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            format!("{kept} has no offset of the old connector"),
            format!(
                "looked for connector {} with topic.prefix {:?}",
                owner.name.as_deref().map_or("of any name".to_owned(), |name| format!("{name:?}")),
                owner.server
            ),
            "check --connector and where offsets are kept. A connector that never published anything has none: run once with \
             --adopt slot",
        )
    })
}

/// Where the offset's event is in the stream.
fn place(
    offset: &Offset,
    counted: Option<u64>,
    config: &Config,
    confirmed: Lsn,
    until: Lsn,
    feed: &mut StreamFeed,
) -> Result<Place, Failure> {
    let (xid, lsn, rows) = match anchor::anchor(offset, confirmed)? {
        Anchor::After(end_lsn) => return Ok(Place { end_lsn, partial: None }),
        Anchor::Within { xid, lsn, rows_at_lsn } => (xid, lsn, counted.or(rows_at_lsn)),
    };
    let mut rows = RowSearch::new(xid, lsn, rows, confirmed);
    search::read(feed, until, STREAM_PATIENCE, |step| rows.step(step))?.ok_or_else(|| {
        let ahead = anchor::slot_ahead(&config.source.slot, lsn, confirmed);
        let what =
            format!("transaction {xid}, in which the old connector stopped, is not in the slot's stream");
        Failure { what, ..ahead }
    })
}

fn position(found: &Found, slot_birth_lsn: Lsn, facts: &Facts) -> Position {
    let Found { offset, place } = found;
    Position {
        creating: false,
        end_lsn: place.end_lsn,
        partial: place.partial.clone(),
        slot_birth_lsn,
        last_xid: offset.xid.unwrap_or_default(),
        last_commit_us: offset.commit_us.unwrap_or_default(),
        publication: facts.fingerprint(),
        ..Position::creating(facts.server.system_id, facts.server.timeline, WRITTEN_BY)
    }
}

fn require_new(stored: Option<&Position>, config: &Config) -> Result<(), Failure> {
    let Some(stored) = stored else { return Ok(()) };
    Err(Failure::new(
        Exit::Failure,
        format!("slot {:?} is walpost's already", config.source.slot),
        format!(
            "topic {} holds position {}. Nothing was done",
            config.publish.position_topic, stored.end_lsn
        ),
        "walpost offsets show tells what the next start does. If the position is an old one, and Debezium has run since: \
         walpost offsets forget, then migrate",
    ))
}

fn in_words(position: &Position) -> String {
    match &position.partial {
        None => format!("goes on at {}", position.end_lsn),
        Some(partial) => format!(
            "goes on at {}, in transaction {} (commit {}) after its first {} changes",
            position.end_lsn, partial.xid, partial.commit_lsn, partial.ordinal
        ),
    }
}

fn unexpected(decision: &Decision) -> Failure {
    Failure::new(
        Exit::Failure,
        "a start would not go on at this position",
        format!("it would {}", decision.name()),
        "walpost doctor looks at slot, server and publication",
    )
}
