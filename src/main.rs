//! Parses arguments, runs one command, prints its error, chooses the exit code.

use clap::Parser;
use std::process::ExitCode;
use walpost::cli::{self, Cli};

fn main() -> ExitCode {
    // Otherwise OpenSSL frees itself on the way out (atexit), under the hands of a client of librdkafka that is still busy
    // with a handshake: a crash in place of the exit code.
    openssl_sys::init();
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
