//! The transactional producer: librdkafka behind a few words.
