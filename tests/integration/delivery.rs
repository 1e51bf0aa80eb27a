//! What Postgres is told, and when: never more than Kafka holds, and no less, idle included.
