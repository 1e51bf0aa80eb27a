//! Avro: schemas inferred as Kafka Connect does it, byte for byte; or a JSON payload by a registered schema, checked field
//! by field.

pub(super) mod binary;
mod connect;
mod defaults;
mod fill;
mod infer;
pub(super) mod logical;
mod names;
mod plan;
mod scalar;
mod straight;

pub(super) use connect::write as of_connect;
pub(super) use fill::write;
pub(super) use infer::SchemaText;
pub(super) use names::InvalidName;
pub(super) use plan::Plan;
