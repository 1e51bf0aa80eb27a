//! Parses arguments, runs one command, prints its error, chooses the exit code.

fn main() {}
