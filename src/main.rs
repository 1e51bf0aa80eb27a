//! Parses arguments, runs one command, prints its error, chooses the exit code.

use clap::Parser;
use std::process::ExitCode;
use walpost::cli::{self, Cli};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let exit = match cli::run(&cli) {
        Ok(exit) => exit,
        Err(failure) => {
            cli.report(&failure);
            failure.exit
        }
    };
    ExitCode::from(exit as u8)
}
