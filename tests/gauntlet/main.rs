//! The gauntlet's load, checker and report.
#![allow(dead_code, reason = "for the faults, which are not here yet")]

#[path = "../support/mod.rs"]
mod support;

mod checker;
mod random;
mod report;
mod workload;
