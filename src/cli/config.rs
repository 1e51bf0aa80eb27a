//! `walpost config`: what the configuration says, without connecting to anything.

use super::context::Context;
use crate::config::{Notice, Problem};
use crate::error::{Exit, Failure};
use clap::Subcommand;
use serde_json::{Value, json};

const EXAMPLES: &str = "\
Examples:
  walpost config validate --config connector.json
  walpost config print --config connector.json --output json | jq .properties
";

/// Check or print the configuration, without connecting to anything
#[derive(Debug, Subcommand)]
#[command(before_help = EXAMPLES)]
pub enum Command {
    /// Name everything that is wrong (exit code 2), and everything that is ignored and why
    #[command(before_help = EXAMPLES)]
    Validate,
    /// Print every property that has a value, where it comes from, and whether it is honoured; secrets are masked
    #[command(before_help = EXAMPLES)]
    Print,
}

pub(super) fn run(command: &Command, context: &Context<'_>) -> Result<Exit, Failure> {
    match command {
        Command::Validate => validate(context),
        Command::Print => print(context),
    }
}

fn validate(context: &Context<'_>) -> Result<Exit, Failure> {
    let console = &context.console;
    if !console.is_json() {
        let loaded = context.load()?;
        for notice in &loaded.notices {
            console.print(&format!("notice: {notice}"));
        }
        console.print(&format!("the configuration of {:?} is right", loaded.config.name));
        return Ok(Exit::Ok);
    }
    match context.try_load()? {
        Ok(loaded) => {
            let notices: Vec<Value> = loaded.notices.iter().map(notice_json).collect();
            console.json_object(json!({ "valid": true, "problems": [], "notices": notices }));
            Ok(Exit::Ok)
        }
        Err(problems) => {
            let problems: Vec<Value> = problems.0.iter().map(problem_json).collect();
            console.json_object(json!({ "valid": false, "problems": problems, "notices": [] }));
            Ok(Exit::Usage)
        }
    }
}

fn print(context: &Context<'_>) -> Result<Exit, Failure> {
    let printed = crate::config::print(&context.load()?);
    if context.console.is_json() {
        let properties: Vec<Value> = printed
            .iter()
            .map(|property| {
                json!({
                    "key": property.key, "value": property.value,
                    "origin": property.origin, "support": property.support,
                })
            })
            .collect();
        context.console.json("properties", &properties);
    } else {
        let rows = printed
            .into_iter()
            .map(|property| vec![property.key, property.value, property.origin, property.support.to_owned()]);
        context.console.table(&["property", "value", "from", "support"], rows.collect());
    }
    Ok(Exit::Ok)
}

fn problem_json(problem: &Problem) -> Value {
    json!({
        "key": problem.key, "value": problem.value, "origin": problem.origin.to_string(),
        "problem": problem.what, "instead": problem.instead,
    })
}

fn notice_json(notice: &Notice) -> Value {
    json!({
        "key": notice.key, "value": notice.value, "origin": notice.origin.as_ref().map(ToString::to_string),
        "notice": notice.text,
    })
}
