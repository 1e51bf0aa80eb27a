//! The replication stream: what the reader promises about bytes, feedback, silence and goodbyes.

use crate::postgres::config;
use crate::support::{Database, DatabaseHandle, PATIENCE, wait_until};
use std::time::{Duration, Instant};
use walpost::lsn::Lsn;
use walpost::postgres::Config;
use walpost::postgres::replication::Connection;
use walpost::postgres::session;
use walpost::source::stream::{self, StreamFeed};
use walpost::source::{self, Acknowledger, Feed, Frame};

pub fn source_config(slot: &str, publication: &str) -> source::Config {
    source::Config {
        slot: slot.into(),
        publication: publication.into(),
        stream_params: Vec::new(),
        status_interval: Duration::from_secs(10),
        queue_bytes: 16 << 20,
        silence_timeout: Duration::from_secs(60),
    }
}

/// Streams from `from`.
pub async fn open(config: &Config, source: &source::Config, from: Lsn) -> (StreamFeed, Acknowledger) {
    let connection = Connection::connect(config).await.expect("a replication connection");
    let streaming = connection
        .start_replication(
            &source.slot,
            from,
            &source.publication,
            &source.stream_params,
            source.silence_timeout,
        )
        .await
        .expect("a stream");
    let acknowledger = Acknowledger::new(from);
    let feed = stream::start(streaming, source, acknowledger.clone()).expect("a reader");
    (feed, acknowledger)
}

/// The first row that is inserted after `from`, as lossy text.
pub async fn first_insert(config: &Config, slot: &str, publication: &str, from: Lsn) -> String {
    let (mut feed, _) = open(config, &source_config(slot, publication), from).await;
    loop {
        let chunk = feed.next(Instant::now() + PATIENCE).expect("a stream").expect("a chunk in time");
        for frame in chunk.frames() {
            match frame.expect("a frame") {
                Frame::Wal(message) if message.first() == Some(&b'I') => {
                    return String::from_utf8_lossy(message).into_owned();
                }
                _ => {}
            }
        }
    }
}
