//! `walpost doctor`: looks at everything the connector relies on. One check that fails stops none of the others.

mod dead_letters;
mod kafka;
mod outbox;
mod postgres;
mod registry;
mod server;
mod slot;

use super::check::{Check, Finding};
use super::console::{Console, Tone};
use super::context::Context;
use super::offsets::{in_words, next_start};
use crate::config::Config;
use crate::error::{Exit, Failure, blocking};
use crate::pipeline::facts::Facts;
use crate::pipeline::startup::Decision;
use crate::position::Position;
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  walpost doctor --config connector.json
  walpost doctor --config connector.json --offline              the configuration only
  walpost doctor --config connector.json --output json | jq '.checks[] | select(.finding == \"fail\")'
";

/// Check everything that the connector relies on; exit code 3 if a check fails
///
/// Changes nothing, and disturbs no connector that runs: the trial transaction has a transactional id of its own.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Only the configuration: connect to nothing
    #[arg(long)]
    offline: bool,
}

pub(super) fn run(args: &Args, context: &Context<'_>) -> Result<Exit, Failure> {
    let (mut checks, config) = configuration(context)?;
    if let Some(config) = config.filter(|_| !args.offline) {
        checks.extend(context.wait(async { Ok(look(&config).await) })?);
    }
    report(&checks, &context.console);
    let worst = checks.iter().map(|check| check.finding).max();
    Ok(if worst == Some(Finding::Fail) { Exit::Findings } else { Exit::Ok })
}

fn configuration(context: &Context<'_>) -> Result<(Vec<Check>, Option<Config>), Failure> {
    let name = "config";
    match context.try_load()? {
        Err(problems) => {
            let failed = |problem: &crate::config::Problem| {
                Check::fail(
                    name,
                    format!("{}: {}: {}", problem.origin, problem.key, problem.what),
                    &*problem.instead,
                )
            };
            Ok((problems.0.iter().map(failed).collect(), None))
        }
        Ok(loaded) => {
            context.log_briefly("error", &loaded.config.log)?;
            let notices = match loaded.notices.len() {
                0 => String::new(),
                1 => ", with a notice (walpost config validate)".to_owned(),
                count => format!(", with {count} notices (walpost config validate)"),
            };
            Ok((vec![Check::ok(name, format!("{:?}{notices}", loaded.config.name))], Some(loaded.config)))
        }
    }
}

async fn look(config: &Config) -> Vec<Check> {
    let postgres = postgres::look(config).await;
    let mut checks = postgres.checks;
    let (asked, topics) = (config.clone(), postgres.topics);
    let kafka = blocking(move || Ok(kafka::look(&asked, &topics))).await;
    let stored = match kafka {
        Ok(kafka) => {
            checks.extend(kafka.checks);
            kafka.stored
        }
        Err(failure) => {
            checks.push(Check::failed("kafka", &failure));
            Err(failure)
        }
    };
    let asked = config.clone();
    match blocking(move || Ok(registry::look(&asked))).await {
        Ok(check) => checks.extend(check),
        Err(failure) => checks.push(Check::failed("registry", &failure)),
    }
    checks.push(start(config, &stored, postgres.facts.as_ref()));
    checks
}

fn start(config: &Config, stored: &Result<Option<Position>, Failure>, facts: Option<&Facts>) -> Check {
    let name = "start";
    match next_start(config, stored, facts) {
        None => Check::skipped(name, "what a start would do takes both Postgres and Kafka"),
        Some(Decision::Stop(failure)) => Check::fail(
            name,
            format!(
                "walpost run would stop with exit code {}: {}; {}",
                failure.exit as u8, failure.what, failure.detail
            ),
            failure.hint,
        ),
        Some(going) => {
            let stored = stored.as_ref().ok().and_then(Option::as_ref);
            Check::ok(name, format!("walpost run {}", in_words(&going, stored)))
        }
    }
}

fn report(checks: &[Check], console: &Console) {
    let count = |finding| checks.iter().filter(|check| check.finding == finding).count();
    let (ok, warn, fail) = (count(Finding::Ok), count(Finding::Warn), count(Finding::Fail));
    if console.is_json() {
        console.json_object(json!({ "checks": checks, "summary": { "ok": ok, "warn": warn, "fail": fail } }));
        return;
    }
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for check in checks {
        let (tone, word) = match check.finding {
            Finding::Ok => (Tone::Good, "ok  "),
            Finding::Skipped => (Tone::Doubtful, "skip"),
            Finding::Warn => (Tone::Doubtful, "warn"),
            Finding::Fail => (Tone::Bad, "fail"),
        };
        console.print(&format!("{}  {:width$}  {}", console.toned(tone, word), check.name, check.detail));
        if !check.hint.is_empty() {
            console.print(&format!("      {:width$}  -> {}", "", check.hint));
        }
    }
    console.say(&format!("{ok} ok, {warn} warnings, {fail} failed"));
}
