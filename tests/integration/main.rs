//! Against real servers: each promise that walpost makes, as a test named for it.
//!
//! Contents
//! - `road`      what a row becomes: topic, partition, key, value, headers, timestamp; what passes no event
//! - `delivery`  what Postgres is told, and when: the slot follows what Kafka holds, idle included
//! - `formats`   Avro, JSON Schema, Protobuf and the schema registry: what consumers read, and what becomes of events when the registry is away
//! - `dead_letters` events that cannot be published: where each goes, once and in its place, and what stops all the same
//! - `dlq`       dead letters after they were written: listed, published after all, given up
//! - `restart`   starts, stops, crashes and servers that go away
//! - `limits`    a full disk, too little memory
//! - `postgres`  sessions and their settings, slots, publications, the catalogue
//! - `login`     getting in to Postgres: sslmode, certificates, passwords
//! - `snapshot`  rows that were there before the slot, and what a crash leaves of them
//! - `stream`    the replication stream: bytes, feedback, silence, goodbyes
//! - `security`  TLS, certificates and passwords, to Postgres and to Kafka
//! - `memory`    the bound on memory holds, whatever comes: huge transactions, large events, a Kafka that stands still
//! - `observe`   metrics, probes and logs
//! - `cli`       the commands that an operator has, and what they print
//! - `asyncapi`  what is published, as a document that others' tools read, and whether it still holds
//! - `migrate`   from Debezium on Kafka Connect and back, under load: every event once and in order
//! - `verify`    the outbox beside its topics: each class of findings, on real tables and topics
//! - `repair`    a gap between the outbox and its topics is closed from the outbox
//! - `outcomes`  requests to Kafka of which nobody knows whether they were carried out
//! - `line`      a broker behind a proxy that loses requests, for those that need one
//! - `proxy`     the faults of the network that the others use, by themselves
//! - `kafka`     the producer, positions and settings by themselves: commits, fences, tails, logins
//!
//! Tests share one Postgres and one Kafka, each with a database, slot and topics of its own; a test that takes a
//! server down starts one for itself.

#[path = "../support/mod.rs"]
mod support;

mod kit;
mod line;

mod asyncapi;
mod cli;
mod dead_letters;
mod delivery;
mod dlq;
mod formats;
mod kafka;
mod limits;
mod login;
mod memory;
mod migrate;
mod observe;
mod outcomes;
mod postgres;
mod proxy;
mod repair;
mod restart;
mod road;
mod security;
mod snapshot;
mod stream;
mod verify;
