//! What a row becomes, and which rows pass no event.
//!
//! - `routing`       topic, partition, headers, timestamp, tombstones
//! - `tables`        several outbox tables, partitioned ones, other tables, updates, schema changes
//! - `bytes`         keys and values by converter, whatever the server's settings; large ones
//! - `changes`       tables that are no outbox, beside one
//! - `transactions`  COPY, savepoints, rollbacks, and one too large for a batch
//! - `heartbeats`    their topic and their query
//! - `messages`      logical decoding messages that are events
//! - `refusals`      events and topics that stop the connector, and how it goes on

mod bytes;
mod changes;
mod heartbeats;
pub mod messages;
mod refusals;
mod routing;
mod tables;
mod transactions;
