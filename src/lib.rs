//! walpost
