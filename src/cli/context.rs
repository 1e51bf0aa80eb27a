//! What every command is given: where the configuration is, how to print, how to log, and a runtime to wait on.

use super::console::Console;
use crate::config::{Config, Loaded, Problems};
use crate::error::{Exit, Failure};
use crate::kafka::admin::Patience;
use crate::observe::logging;
use crate::postgres::session::{self, Session};
use clap::ValueEnum;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a one-shot command waits for Kafka: for an answer that is slow, and where nobody is to give one.
pub const KAFKA_PATIENCE: Patience =
    Patience { answer: Duration::from_secs(10), refusal: Duration::from_secs(3) };

/// Flags that every command has.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The connector's configuration: Kafka Connect JSON, or .properties
    #[arg(long, short, global = true, value_name = "FILE", env = "WALPOST_CONFIG")]
    pub config: Option<PathBuf>,
    /// A Connect worker's .properties: what the connector's file does not say is taken from here
    #[arg(long, global = true, value_name = "FILE", env = "WALPOST_WORKER")]
    pub worker: Option<PathBuf>,
    /// How results are printed on stdout
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// How logs are printed on stderr [default: walpost.log.format, else text]
    #[arg(long, global = true, value_enum)]
    pub log_format: Option<LogFormat>,
    /// What is logged: error, warn, info, debug, trace, or tracing directives
    /// [default: RUST_LOG, walpost.log.level, else info; commands other than run: warn]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// No colours; so do the environment's NO_COLOR, TERM=dumb, and anything but a terminal
    #[arg(long, global = true)]
    pub no_color: bool,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people: tables and sentences
    Text,
    /// For programs: one JSON object with schema_version
    Json,
}

/// How logs are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// What a command works with.
pub struct Context<'a> {
    global: &'a Global,
    /// Where results go.
    pub console: Console,
}

impl<'a> Context<'a> {
    pub(super) fn new(global: &'a Global) -> Context<'a> {
        let colorful = !global.no_color
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Context { global, console: Console::new(global.output, colorful) }
    }

    /// The configuration's file, where one was named.
    pub fn config_file(&self) -> Option<&Path> {
        self.global.config.as_deref()
    }

    /// The worker's file, where one was named.
    pub fn worker_file(&self) -> Option<&Path> {
        self.global.worker.as_deref()
    }

    /// The configuration, with everything that is worth knowing about it.
    pub fn load(&self) -> Result<Loaded, Failure> {
        self.try_load()?.map_err(|problems| wrong_configuration(&problems))
    }

    /// The same, or everything that is wrong with it.
    pub fn try_load(&self) -> Result<Result<Loaded, Problems>, Failure> {
        let Some(config) = &self.global.config else {
            return Err(Failure::new(
                Exit::Usage,
                "no configuration was named",
                "",
                "add --config FILE, or set WALPOST_CONFIG. FILE is a connector's configuration as Kafka Connect takes it \
                 (JSON), or .properties",
            ));
        };
        let environment = |name: &str| std::env::var(name).ok();
        Ok(crate::config::load(config, self.global.worker.as_deref(), &environment))
    }

    /// Logs as a long-running process does: what the flags, RUST_LOG and the configuration say, in this order.
    pub fn log_as(&self, configured: &logging::Options) -> Result<(), Failure> {
        let format = match self.global.log_format {
            Some(LogFormat::Text) => logging::Format::Text,
            Some(LogFormat::Json) => logging::Format::Json,
            None => configured.format,
        };
        let level = self.global.log_level.clone().or_else(rust_log).or_else(|| configured.level.clone());
        let (color, brief) = (self.console.colorful(), configured.brief);
        Ok(logging::init(&logging::Options { format, level, color, brief })?)
    }

    /// Logs as a command does that does one thing: only this level, unless the flags or RUST_LOG say otherwise.
    pub fn log_briefly(&self, level: &str, configured: &logging::Options) -> Result<(), Failure> {
        self.log_as(&logging::Options { level: Some(level.into()), brief: true, ..configured.clone() })
    }

    /// The configuration, for a command that does one thing: only warnings are logged.
    pub fn load_quietly(&self) -> Result<Config, Failure> {
        self.load().and_then(|loaded| self.quietly(loaded))
    }

    /// The same, when it is loaded already.
    pub fn quietly(&self, loaded: Loaded) -> Result<Config, Failure> {
        self.log_briefly("warn", &loaded.config.log)?;
        Ok(loaded.config)
    }

    /// Waits for `work`, or for Ctrl-C.
    pub fn wait<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(
                |error| Failure::new(Exit::Failure, "no threads to run on", error.to_string(), ""),
            )?;
        let result = runtime.block_on(async {
            tokio::select! {
                result = work => result,
                _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Interrupted, "interrupted", "", "")),
            }
        });
        // A blocking call into a Kafka that does not answer must not keep the process.
        runtime.shutdown_background();
        result
    }
}

/// An SQL session for a one-shot command.
pub async fn connect(config: &Config) -> Result<Session, Failure> {
    session::connect(&config.postgres)
        .await
        .map_err(|error| Failure::from_postgres(&error, "connecting to Postgres"))
}

fn rust_log() -> Option<String> {
    std::env::var("RUST_LOG").ok().filter(|level| !level.is_empty())
}

fn wrong_configuration(problems: &Problems) -> Failure {
    let count = problems.0.len();
    let what = match count {
        1 => "the configuration has a problem".to_owned(),
        _ => format!("the configuration has {count} problems"),
    };
    Failure::new(
        Exit::Usage,
        what,
        problems.to_string(),
        "mend what is named, then ask again: walpost config validate",
    )
}
