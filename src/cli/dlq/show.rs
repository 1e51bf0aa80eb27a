//! `walpost dlq show`: everything that one letter says.

use super::{SourceArgs, object};
use crate::cli::console::or_dash;
use crate::cli::context::Context;
use crate::config::Config;
use crate::decode::value::utc;
use crate::dlq::{self, Index, LOOK_PATIENCE, State, index};
use crate::error::{Exit, Failure, blocking};
use crate::kafka::scan::Span;
use crate::publish::letters::{Letter, Place};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

const EXAMPLES: &str = "\
Examples:
  walpost dlq show 0:17 --config connector.json
  walpost dlq show 0:17 --config connector.json --payload --output json | jq -r .payload
";

/// Show everything that one dead letter says; its payload only when that is asked for
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Where it stands, as walpost dlq list shows it
    #[arg(value_name = "PARTITION:OFFSET")]
    place: Place,
    /// The payload, too: as text, or in hexadecimal where it is none
    #[arg(long)]
    payload: bool,
    #[command(flatten)]
    source: SourceArgs,
}

/// A letter as it stands there.
struct Shown {
    letter: Letter,
    state: State,
    headers: Vec<(String, Option<Vec<u8>>)>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

pub(super) fn run(args: &Args, context: &Context<'_>, config: &Config) -> Result<Exit, Failure> {
    let source = args.source.source(config)?;
    let (asked, topic, place) = (config.clone(), source.topic.clone(), args.place);
    let shown = context.wait(blocking(move || {
        let reading = |error| Failure::from_kafka(&error, "reading the dead letters");
        let scan = dlq::scan(&asked)?;
        let index = Index::read(&scan, &topic, LOOK_PATIENCE).map_err(reading)?;
        if index.is_missing() {
            return Err(index::missing(&topic));
        }
        let letter = index.letter(place).cloned().ok_or_else(|| no_letter(place, &topic))?;
        let Place { partition, offset } = place;
        let span = Span { partition, first: offset, end: offset + 1, is_open: false };
        let (mut key, mut value, mut headers) = (None, None, Vec::new());
        scan.read(&topic, &[span], |record| {
            (key, value) = (record.key().map(<[u8]>::to_vec), record.value().map(<[u8]>::to_vec));
            headers =
                record.headers().map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec))).collect();
            Ok(())
        })
        .map_err(reading)?;
        Ok(Shown { letter, state: index.state(place), headers, key, value })
    }))?;
    print(args, context, &shown);
    Ok(Exit::Ok)
}

fn print(args: &Args, context: &Context<'_>, shown: &Shown) {
    let Shown { letter, state, headers, key, value } = shown;
    let console = &context.console;
    if console.is_json() {
        let mut object = object(letter, *state);
        let told: Map<String, Value> =
            headers.iter().map(|(name, value)| (name.clone(), json!(value.as_deref().map(text)))).collect();
        object["key"] = json!(key.as_deref().map(text));
        object["headers"] = Value::Object(told);
        let payload = args.payload.then(|| json!(value.as_deref().map(text)));
        let mut members = json!({ "letter": object });
        if let Some(payload) = payload {
            members["payload"] = payload;
        }
        console.json_object(members);
        return;
    }
    let mut pairs = vec![
        ("place", letter.place.to_string()),
        ("state", state.word().to_owned()),
        ("committed", utc(letter.commit_ms)),
        ("key", or_dash(key.as_deref().map(text))),
    ];
    pairs.extend(TOLD.iter().filter_map(|name| header(name, headers)));
    console.pairs(&pairs);
    if args.payload {
        console.print("");
        console.print(&or_dash(value.as_deref().map(text)));
    }
}

/// What is shown, in this order.
const TOLD: &[&str] = &[
    "reason",
    "detail",
    "table",
    "topic",
    "aggregate.type",
    "aggregate.id",
    "event.type",
    "event.id",
    "commit.lsn",
    "xid",
    "change",
    "attempts",
    "payload",
    "payload.bytes",
    "row",
];

fn header(name: &'static str, headers: &[(String, Option<Vec<u8>>)]) -> Option<(&'static str, String)> {
    let is_it = |header: &str| header.strip_prefix("outbox.dlt.") == Some(name);
    let (_, value) = headers.iter().find(|(header, _)| is_it(header))?;
    Some((name, or_dash(value.as_deref().map(text))))
}

/// Text as it is, anything else in hexadecimal.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().fold("\\x".to_owned(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        }),
    }
}

fn no_letter(place: Place, topic: &str) -> Failure {
    Failure::new(
        Exit::NotFound,
        format!("there is no dead letter at {place} of topic {topic}"),
        "it may be a mark or somebody else's record, or be gone",
        "walpost dlq list --all shows the letters there are",
    )
}
