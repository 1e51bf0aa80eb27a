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
use crate::config::catalog::router::{EVENT_ROUTER, TRANSFORMS, TYPE};
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
            let mut checks = vec![Check::ok(name, format!("{:?}{notices}", loaded.config.name))];
            checks.extend(routed(&loaded.config));
            Ok((checks, Some(loaded.config)))
        }
    }
}

/// Whoever forgets the event router has an outbox of which every row is published, and no event.
fn routed(config: &Config) -> Option<Check> {
    config.route.tables.unrouted.then(|| {
        let topic = format!("{}.<schema>.<table>", config.topic_prefix);
        Check::warn(
            "config.router",
            format!(
                "there is no event router; no table is an outbox: a row of one would be published as a change event, envelope and \
                 all, on {topic}, and not as the event that it holds on the topic of its aggregate"
            ),
            format!(
                "add {}=outbox and {}={EVENT_ROUTER}; or leave it so, if change events are what is wanted",
                TRANSFORMS.name,
                TYPE.key("outbox"),
            ),
        )
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing;

    #[test]
    fn a_configuration_without_an_event_router_is_warned_of() {
        assert_eq!(routed(&testing::config()), None);
        let check = routed(&testing::config_with("transforms=\ntransforms.outbox.type=")).expect("a warning");
        assert_eq!((check.name, check.finding), ("config.router", Finding::Warn));
        for words in ["there is no event router", "as a change event", "app.<schema>.<table>"] {
            assert!(check.detail.contains(words), "{}", check.detail);
        }
        let hint =
            "add transforms=outbox and transforms.outbox.type=io.debezium.transforms.outbox.EventRouter";
        assert!(check.hint.starts_with(hint), "{}", check.hint);
    }
}
