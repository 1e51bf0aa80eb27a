//! walpost: from a Postgres outbox to Kafka, exactly once.
//!
//! An event is **read** from Postgres, **decoded**, **routed**, **encoded**, **published** to Kafka, and **confirmed**
//! back to Postgres:
//!
//! ```text
//! source  →  decode  →  route   →  encode   →  publish  →  confirm
//!  Chunk     Change     Routed     Outgoing    Receipt     Lsn
//! ```
//!
//! The modules, in reading order: the road, the places it leans on, the ground beneath, the frame around.
#![forbid(unsafe_code)]

pub mod source;

pub mod decode;

pub mod route;

pub mod encode;

pub mod publish;

pub mod confirm;

pub mod kafka;
pub mod postgres;
pub mod registry;

pub mod backoff;
pub mod clock;
pub mod failpoint;
pub mod fingerprint;
pub mod freeze;
pub mod lsn;
pub mod memory;
pub mod mutant;
pub mod observe;
pub mod position;
pub mod rejection;
pub mod secret;
pub mod shutdown;

pub mod asyncapi;
pub mod cli;
pub mod config;
pub mod dlq;
pub mod error;
pub mod migrate;
pub mod pipeline;
pub mod repair;
pub mod verify;
