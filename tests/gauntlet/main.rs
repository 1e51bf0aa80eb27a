//! The gauntlet's workload and checker, alone.
#![allow(dead_code)]

#[path = "../support/mod.rs"]
mod support;

mod checker;
mod random;
mod report;
mod workload;
