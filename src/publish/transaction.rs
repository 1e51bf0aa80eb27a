//! The Kafka transaction as a machine: `step(Input) → Action`. Pure.
