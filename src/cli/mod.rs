//! The commands: one file each, `Args` + `run`.
//!
//! Data goes to stdout, words to stderr. A command ends in an exit code, or in a [`Failure`] that has one.

mod asyncapi;
mod check;
mod config;
mod console;
mod context;
mod dlq;
mod doctor;
mod init;
mod loss;
mod migrate;
mod offsets;
mod publication;
mod repair;
mod run;
mod schema;
mod slot;
mod sql;
mod tables;
mod verify;

use crate::error::{Exit, Failure};
use clap::{Parser, Subcommand};
use context::{Context, Global, LogFormat};

const EXAMPLES: &str = "\
Examples:
  walpost init --config connector.json | psql      set up outbox table and publication
  walpost slot create --config connector.json      make the slot, and its first position in Kafka
  walpost run --config connector.json              publish the outbox, exactly once
  walpost doctor --config connector.json           check everything that the connector relies on
  walpost verify --config connector.json           compare the outbox with its topics
  walpost repair --config connector.json           say what is missing; with --confirm, publish it
  walpost dlq list --config connector.json         look at events that could not be published
  walpost migrate --from connector.json            say what becomes of a Debezium connector
";

const EXIT_CODES: &str = "\
Exit codes:
   0  it went well
   1  something failed that has no code of its own
   2  wrong arguments or configuration
   3  problems were found (doctor, verify, asyncapi), or something was left alone (repair, dlq)
   4  a destructive command without its --confirm, or a loss not accepted; nothing was done
   5  what was asked for does not exist
   6  Postgres refuses for good, or a one-shot command cannot reach it
   7  Kafka refuses for good, or a one-shot command cannot reach it
   8  the schema registry refuses for good, or a one-shot command cannot reach it
  10  an event cannot be published
  11  the replication stream is not what was published before, or broke its own rules
  12  the drain did not end within its deadline, or a second signal came; nothing is lost
  20  the slot is ahead of the stored position: a gap is possible
  21  the stored position is beyond the server's WAL: an older server, or another one
  22  a failover lost published WAL, and the slot is past the switch
  23  the server is on an older timeline than the stored position
  24  another Postgres cluster than the stored position's
  25  the slot is gone
  26  the slot is invalidated: its WAL was removed
  27  a slot, but no stored position, or some that contradict one another
  28  the slot was re-created on a server that had been set back
  29  the publication is missing, younger than the slot, or changed so that events may be missing
  30  a snapshot that was interrupted cannot be gone on with
 130  interrupted (Ctrl-C)
";

/// From a Postgres outbox to Kafka, exactly once.
#[derive(Debug, Parser)]
#[command(name = "walpost", version, before_help = EXAMPLES, after_help = EXIT_CODES, max_term_width = 100)]
#[command(disable_help_subcommand = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Init(init::Args),
    #[command(subcommand)]
    Slot(slot::Command),
    #[command(subcommand)]
    Publication(publication::Command),
    #[command(subcommand)]
    Offsets(offsets::Command),
    #[command(subcommand)]
    Schema(schema::Command),
    Asyncapi(asyncapi::Args),
    #[command(subcommand)]
    Config(config::Command),
    Doctor(doctor::Args),
    Verify(Box<verify::Args>),
    Repair(repair::Args),
    #[command(subcommand)]
    Dlq(dlq::Command),
    Migrate(Box<migrate::Args>),
}

/// Refuses a command that makes records of rows, where there is more in a record than in its row.
fn made_of_rows(config: &crate::config::Config) -> Result<(), Failure> {
    use crate::encode::cloudevents::Mode;
    match &config.encode.cloud {
        Some(cloud) if cloud.mode == Mode::Debezium => Err(Failure::new(
            Exit::Usage,
            "rows cannot be compared with their records",
            "CloudEventsConverter writes the time at which an event was committed, and a row does not tell that",
            "walpost.cloudevents.mode=structured makes everything of the row",
        )),
        _ => Ok(()),
    }
}

/// Runs the command.
pub fn run(cli: &Cli) -> Result<Exit, Failure> {
    let context = Context::new(&cli.global);
    match &cli.command {
        Command::Run(args) => run::run(args, &context),
        Command::Init(args) => init::run(args, &context),
        Command::Slot(command) => slot::run(command, &context),
        Command::Publication(command) => publication::run(command, &context),
        Command::Offsets(command) => offsets::run(command, &context),
        Command::Schema(command) => schema::run(command, &context),
        Command::Asyncapi(args) => asyncapi::run(args, &context),
        Command::Config(command) => config::run(command, &context),
        Command::Doctor(args) => doctor::run(args, &context),
        Command::Verify(args) => verify::run(args, &context),
        Command::Repair(args) => repair::run(args, &context),
        Command::Dlq(command) => dlq::run(command, &context),
        Command::Migrate(args) => migrate::run(args, &context),
    }
}

impl Cli {
    /// Prints what a command failed with: as a log line where a log collector reads, else for people.
    pub fn report(&self, failure: &Failure) {
        if matches!(self.command, Command::Run(_)) && tracing::dispatcher::has_been_set() && self.logs_json()
        {
            let Failure { exit, what, detail, hint } = failure;
            tracing::error!(exit = *exit as u8, what, detail, hint, "stopped");
        } else {
            eprintln!("{failure}");
        }
    }

    fn logs_json(&self) -> bool {
        self.global.log_format == Some(LogFormat::Json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_every_flag_is_explained() {
        fn look(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} has no help", command.get_name());
            for argument in command.get_arguments() {
                let explained = argument.get_help().is_some();
                assert!(explained, "{} {} has no help", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(look);
        }
        let mut command = Cli::command();
        command.build();
        look(&command);
    }

    #[test]
    fn every_exit_code_is_in_the_help() {
        for exit in Exit::ALL {
            let code = format!("\n{:>4}  ", *exit as u8);
            assert!(EXIT_CODES.contains(&code), "{exit:?}");
        }
        assert_eq!(EXIT_CODES.lines().count(), Exit::ALL.len() + 1);
    }
}
