//! TLS, certificates and passwords, to Postgres and to Kafka.
