//! Client settings: Java names in, librdkafka names out.
