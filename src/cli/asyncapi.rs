//! `walpost asyncapi`: what is published, as an AsyncAPI document, and whether a file of it still holds.

use super::context::Context;
use crate::asyncapi::{self, Difference, Format, Made, Options, drift, text};
use crate::error::{Exit, Failure};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  walpost asyncapi --config connector.json                          the document, as YAML
  walpost asyncapi --config connector.json --write asyncapi.yaml --title Shop
  walpost asyncapi --config connector.json --write asyncapi.yaml --sample 1000
  walpost asyncapi --config connector.json --check asyncapi.yaml    exit code 3 if it is outdated
";

/// Write an AsyncAPI 3 document of what is published, or check that one still holds; exit code 3 if it does not
///
/// Servers and security come from the configuration, channels from the topics that look like the route's, keys and
/// headers from placements and column types, payloads from the schemas that the registry has for the topics, or from a
/// sample of what they carry (--sample). No password is in it, and of records nothing but the names of their types and
/// members. The order depends on nothing but what it says, so that it can live in git.
///
/// A file that is written again keeps its title and version, what people wrote into it (descriptions, tags, x-…), and with
/// --sample also what it knows of records that were not read this time. --check compares it with what would be written.
/// Changes nothing but the file; a connector may run beside it.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Write the document here, instead of printing it: .json as JSON, else YAML; one that is there is written again
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Compare this file with the document, and print what was added, removed and changed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["write", "format"])]
    check: Option<PathBuf>,
    /// What the document is written in [default: by the file's name, else yaml]
    #[arg(long, value_enum)]
    format: Option<FormatArg>,
    /// Read up to so many of the last records of each topic, under read_committed, and tell what event types, keys, headers
    /// and payloads look like [default: as the file was written, else none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=10_000_000))]
    sample: Option<u64>,
    /// A topic beside those that look like the route's; can be repeated [default: as the file was written]
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// The document's title [default: the file's, else "Events of" and the connector's name]
    #[arg(long)]
    title: Option<String>,
    /// The version of what is published [default: the file's, else 1.0.0]
    #[arg(long, value_name = "VERSION")]
    api_version: Option<String>,
}

/// How the document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// YAML
    Yaml,
    /// JSON
    Json,
}

impl Args {
    fn format(&self) -> Format {
        match (self.format, &self.write) {
            (Some(FormatArg::Yaml), _) => Format::Yaml,
            (Some(FormatArg::Json), _) => Format::Json,
            (None, Some(path)) => Format::of(path),
            (None, None) => Format::Yaml,
        }
    }
}

pub(super) fn run(args: &Args, context: &Context<'_>) -> Result<Exit, Failure> {
    let config = context.load_quietly()?;
    let file = match (&args.check, args.write.as_deref().filter(|path| path.exists())) {
        (Some(path), _) => Some(text::read(path)?),
        (None, Some(path)) => Some(text::read(path)?),
        (None, None) => None,
    };
    let mut options = Options::of(&config, file.as_ref());
    options.title = args.title.clone().unwrap_or(options.title);
    options.version = args.api_version.clone().unwrap_or(options.version);
    options.sample = args.sample.unwrap_or(options.sample);
    if !args.topics.is_empty() {
        options.topics.clone_from(&args.topics);
    }
    let made = context.wait(asyncapi::make(&config, &options, file.as_ref()))?;
    made.notes.iter().for_each(|note| context.console.say(&format!("note: {note}")));
    match (&args.check, &args.write) {
        (Some(path), _) => Ok(check(path, &file.unwrap_or_default(), &made, context)),
        (None, Some(path)) => write(path, args.format(), &made, context),
        (None, None) => print(args.format(), &made, context),
    }
}

fn print(format: Format, made: &Made, context: &Context<'_>) -> Result<Exit, Failure> {
    if context.console.is_json() {
        context.console.json_object(json!({ "document": made.document, "notes": made.notes }));
    } else {
        context.console.print(format.write(&made.document)?.trim_end_matches('\n'));
    }
    Ok(Exit::Ok)
}

fn write(path: &Path, format: Format, made: &Made, context: &Context<'_>) -> Result<Exit, Failure> {
    let text = format.write(&made.document)?;
    let is_new = std::fs::read(path).ok().as_deref() != Some(text.as_bytes());
    if is_new {
        std::fs::write(path, text).map_err(|error| {
            let what = format!("writing {}: {error}", path.display());
            Failure::new(Exit::Failure, what, "", "name a file that can be written")
        })?;
    }
    let ((channels, messages), console) = (made.counts(), &context.console);
    if console.is_json() {
        console.json_object(json!({
            "file": path, "changed": is_new, "channels": channels, "messages": messages, "notes": made.notes
        }));
    } else {
        let becomes = if is_new { "written" } else { "as it was" };
        console.print(&format!("{}: {becomes}; {channels} channels, {messages} messages", path.display()));
    }
    Ok(Exit::Ok)
}

fn check(path: &Path, file: &Value, made: &Made, context: &Context<'_>) -> Exit {
    let differences = drift::differences(file, &made.document);
    let (console, name) = (&context.console, path.display());
    if console.is_json() {
        let told =
            |it: &Difference| json!({ "kind": it.kind(), "path": it.path, "was": it.was, "is": it.is });
        let differences: Vec<Value> = differences.iter().map(told).collect();
        console.json_object(json!({ "file": path, "differences": differences, "notes": made.notes }));
    } else if differences.is_empty() {
        let (channels, messages) = made.counts();
        console.print(&format!("{name} holds: {channels} channels, {messages} messages"));
    } else {
        differences.iter().for_each(|difference| console.print(&difference.words()));
        let count = match differences.len() {
            1 => "1 difference".to_owned(),
            count => format!("{count} differences"),
        };
        console.print(&format!("{name} does not hold any more: {count}; --write {name} takes them over"));
    }
    if differences.is_empty() { Exit::Ok } else { Exit::Findings }
}
