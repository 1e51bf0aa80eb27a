//! The replication stream: what the reader promises about bytes, feedback, silence and goodbyes.

use crate::postgres::config;
use crate::support::{Certificates, Database, DatabaseHandle, DatabaseOptions, PATIENCE, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};
use walpost::lsn::Lsn;
use walpost::memory::Large;
use walpost::postgres::replication::Connection;
use walpost::postgres::{Config, SslMode, session, slot};
use walpost::source::stream::{self, StreamFeed};
use walpost::source::{self, Acknowledger, Chunk, Error, Feed, Frame};

/// What a connector has by default, but for names.
fn source_config(slot: &str, publication: &str) -> source::Config {
    source::Config {
        slot: slot.into(),
        publication: publication.into(),
        stream_params: Vec::new(),
        status_interval: Duration::from_secs(10),
        queue_bytes: 16 << 20,
        large: Large::UNLIMITED,
        silence_timeout: Duration::from_secs(60),
    }
}

/// Streams from `from`.
async fn open(config: &Config, source: &source::Config, from: Lsn) -> (StreamFeed, Acknowledger) {
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

/// A table `t`, a publication `p`, and a slot with the database's name; where the slot begins.
async fn prepare(db: &DatabaseHandle) -> Lsn {
    db.execute("create table t (id bigint, payload text); alter table t alter payload set storage external; create publication p for table t");
    let session = session::connect(&config(db)).await.expect("a session");
    slot::create(&session, db.name(), false).await.expect("a slot")
}

/// What the tests look at, of what came: keepalives aside.
#[derive(Default)]
struct Seen {
    inserts: u64,
    /// `end_lsn` of the last commit.
    end_lsn: Lsn,
    bytes: usize,
}

impl Seen {
    fn take(&mut self, chunk: &Chunk) {
        for frame in chunk.frames() {
            if let Frame::Wal(message) = frame.expect("a frame") {
                self.bytes += message.len();
                match message[0] {
                    b'I' => self.inserts += 1,
                    b'C' => self.end_lsn = Lsn::new(u64::from_be_bytes(message[10..18].try_into().unwrap())),
                    _ => {}
                }
            }
        }
    }
}

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// Reads until a commit follows the `inserts`-th row.
fn read_transactions(feed: &mut StreamFeed, inserts: u64) -> Seen {
    let mut seen = Seen::default();
    while seen.inserts < inserts || seen.end_lsn == Lsn::ZERO {
        seen.take(&feed.next(soon()).expect("a stream").expect("a chunk in time"));
    }
    seen
}

/// Reads until the stream fails.
fn read_to_the_end(feed: &mut StreamFeed) -> Error {
    let until = soon();
    loop {
        match feed.next(until) {
            Ok(_) => assert!(Instant::now() < until, "the stream goes on"),
            Err(error) => return error,
        }
    }
}

fn confirmed(db: &DatabaseHandle) -> Lsn {
    db.server().slot_confirmed(db.name()).expect("a slot").parse().expect("an LSN")
}

fn walsender(db: &DatabaseHandle) -> i32 {
    let sql =
        format!("select coalesce(active_pid, 0) from pg_replication_slots where slot_name = '{}'", db.name());
    wait_until("a walsender has the slot", PATIENCE, || {
        db.query_one_text(&sql).parse().ok().filter(|pid| *pid != 0)
    })
}

/// The first row that is inserted after `from`, as lossy text.
pub async fn first_insert(config: &Config, slot: &str, publication: &str, from: Lsn) -> String {
    let (mut feed, _) = open(config, &source_config(slot, publication), from).await;
    loop {
        let chunk = feed.next(soon()).expect("a stream").expect("a chunk in time");
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

#[tokio::test]
async fn rows_come_whole_and_in_order_over_plain_and_over_tls() {
    let certificates = Certificates::new();
    let server = Database::with(DatabaseOptions::new().tls(&certificates));
    for ssl_mode in [SslMode::Disable, SslMode::VerifyFull] {
        let db = server.fresh_database();
        let from = prepare(&db).await;
        let config = Config { ssl_mode, ssl_root_cert: Some(certificates.ca.clone()), ..config(&db) };
        let (mut feed, _) = open(&config, &source_config(db.name(), "p"), from).await;
        // Rows of every size around the reader's blocks.
        db.execute(
            "insert into t select i, repeat('x', (i * 7919 % 600000)::int) from generate_series(1, 300) i",
        );
        let expected: usize = (1..=300).map(|i| i * 7919 % 600_000).sum();
        let (mut ids, mut payload) = (Vec::new(), 0);
        while ids.len() < 300 {
            let chunk = feed.next(soon()).expect("a stream").expect("a chunk in time");
            for frame in chunk.frames() {
                let Frame::Wal(message) = frame.expect("a frame") else { continue };
                // I, relation, N, two columns, then t, length, id, t, length, payload
                if message[0] == b'I' {
                    let length = u32::from_be_bytes(message[9..13].try_into().unwrap()) as usize;
                    ids.push(
                        std::str::from_utf8(&message[13..13 + length]).unwrap().parse::<usize>().unwrap(),
                    );
                    payload += message.len() - 13 - length - 5;
                }
            }
        }
        assert_eq!(ids, (1..=300).collect::<Vec<_>>(), "{ssl_mode:?}");
        assert_eq!(payload, expected, "{ssl_mode:?}");
    }
}

#[tokio::test]
async fn names_that_need_quotes_are_quoted() {
    let db = Database::shared().fresh_database();
    let name = format!("1{}", db.name());
    db.execute("create table \"T t\" (id int); create publication \"My \"\"Pub's\" for table \"T t\"");
    let session = session::connect(&config(&db)).await.unwrap();
    let from = slot::create(&session, &name, false).await.unwrap();
    db.execute("insert into \"T t\" values (42)");
    assert!(first_insert(&config(&db), &name, "My \"Pub's", from).await.contains("42"));
}

#[tokio::test]
async fn what_is_confirmed_last_arrives_even_when_the_stream_stops_at_once() {
    let db = Database::shared().fresh_database();
    let mut from = prepare(&db).await;
    for _ in 0..10 {
        let (mut feed, acknowledger) = open(&config(&db), &source_config(db.name(), "p"), from).await;
        db.execute("insert into t values (1)");
        let seen = read_transactions(&mut feed, 1);
        acknowledger.confirm(seen.end_lsn);
        feed.stop().expect("a goodbye");
        assert_eq!(confirmed(&db), seen.end_lsn);
        from = seen.end_lsn;
    }
}

#[tokio::test]
async fn dropping_the_feed_says_goodbye_too() {
    let db = Database::shared().fresh_database();
    let from = prepare(&db).await;
    let (mut feed, acknowledger) = open(&config(&db), &source_config(db.name(), "p"), from).await;
    db.execute("insert into t values (1)");
    let seen = read_transactions(&mut feed, 1);
    acknowledger.confirm(seen.end_lsn);
    drop(feed);
    assert_eq!(confirmed(&db), seen.end_lsn);
}

#[tokio::test]
async fn a_confirmed_position_reaches_the_slot_without_waiting_for_the_interval() {
    let db = Database::shared().fresh_database();
    let from = prepare(&db).await;
    let slow = source::Config { status_interval: Duration::from_secs(3600), ..source_config(db.name(), "p") };
    let (mut feed, acknowledger) = open(&config(&db), &slow, from).await;
    for n in 1..=3 {
        db.execute(&format!("insert into t values ({n})"));
        let seen = read_transactions(&mut feed, 1);
        acknowledger.confirm(seen.end_lsn);
        wait_until("the slot moves", PATIENCE, || (confirmed(&db) == seen.end_lsn).then_some(()));
    }
}

#[tokio::test]
async fn nothing_is_reported_that_was_not_confirmed_or_not_received() {
    let db = Database::shared().fresh_database();
    let from = prepare(&db).await;
    let (mut feed, acknowledger) = open(&config(&db), &source_config(db.name(), "p"), from).await;
    db.execute("insert into t values (1)");
    read_transactions(&mut feed, 1);
    let seen = {
        db.execute("insert into t values (2)");
        read_transactions(&mut feed, 1)
    };
    assert_eq!(confirmed(&db), from);
    // Postgres would believe this, and forget what is yet to come.
    acknowledger.confirm(Lsn::new(seen.end_lsn.as_u64() + (1 << 40)));
    feed.stop().expect("a goodbye");
    let end: Lsn = db.query_one_text("select pg_current_wal_insert_lsn()").parse().unwrap();
    assert!(seen.end_lsn <= confirmed(&db) && confirmed(&db) <= end, "{} <= {end}", confirmed(&db));
}

#[tokio::test]
async fn a_quiet_table_beside_a_busy_one_lets_the_slot_move() {
    let db = Database::shared().fresh_database();
    let from = prepare(&db).await;
    db.execute("create table busy (payload text)");
    let eager = source::Config { silence_timeout: Duration::from_secs(3), ..source_config(db.name(), "p") };
    let (mut feed, acknowledger) = open(&config(&db), &eager, from).await;
    db.execute("insert into busy select repeat('x', 1000) from generate_series(1, 20000)");
    let target: Lsn = db.query_one_text("select pg_current_wal_lsn()").parse().unwrap();
    let until = soon();
    while confirmed(&db) < target {
        assert!(Instant::now() < until, "the slot stays at {}, before {target}", confirmed(&db));
        let Some(chunk) = feed.next(until).expect("a stream") else { continue };
        for frame in chunk.frames() {
            if let Frame::Keepalive { wal_end, .. } = frame.expect("a frame") {
                acknowledger.confirm(wal_end);
            }
        }
    }
}

/// `waited` is true once the walsender has heard from us for that long while we took nothing.
fn hears_us(db: &DatabaseHandle, seconds: u32) {
    let first = "select coalesce(extract(epoch from min(reply_time)), 0) from pg_stat_replication";
    let since: f64 = wait_until("a first status", PATIENCE, || {
        db.query_one_text(first).parse().ok().filter(|time| *time > 0.0)
    });
    db.wait_for(&format!(
        "select extract(epoch from max(reply_time)) > {since} + {seconds} from pg_stat_replication"
    ));
}

#[tokio::test]
async fn a_consumer_that_takes_nothing_is_not_taken_for_dead() {
    let server = Database::with(DatabaseOptions::new().setting("wal_sender_timeout", "1s"));
    let db = server.fresh_database();
    let from = prepare(&db).await;
    let narrow = source::Config { queue_bytes: 100_000, ..source_config(db.name(), "p") };
    let (mut feed, acknowledger) = open(&config(&db), &narrow, from).await;
    let pid = walsender(&db);
    // More than queue and sockets hold.
    db.execute("insert into t select i, repeat('x', 10000) from generate_series(1, 4000) i");
    hears_us(&db, 4);
    let seen = read_transactions(&mut feed, 4000);
    assert_eq!(seen.inserts, 4000);
    assert_eq!(walsender(&db), pid, "it is still the first connection");
    acknowledger.confirm(seen.end_lsn);
    feed.stop().expect("a goodbye");
    assert_eq!(confirmed(&db), seen.end_lsn);
}

#[tokio::test]
async fn a_backlog_of_large_rows_waits_at_the_server_not_here() {
    let db = Database::shared().fresh_database();
    let from = prepare(&db).await;
    db.execute("insert into t select i, repeat('x', 1000000) from generate_series(1, 100) i");
    let queue_bytes = 4_000_000;
    let narrow = source::Config { queue_bytes, ..source_config(db.name(), "p") };
    let (mut feed, _) = open(&config(&db), &narrow, from).await;
    let (mut seen, mut held) = (Seen::default(), Vec::new());
    while seen.inserts < 100 {
        // Chunks that are held keep their bytes; the reader hands over no more than fit.
        match feed.next(Instant::now() + Duration::from_millis(300)).expect("a stream") {
            Some(chunk) => {
                let before = seen.bytes;
                seen.take(&chunk);
                held.push((chunk, seen.bytes - before));
                let bytes: usize = held.iter().map(|(_, bytes)| bytes).sum();
                assert!(bytes <= queue_bytes, "{bytes} bytes are held");
            }
            None => held.clear(),
        }
    }
    assert!(seen.bytes > 100_000_000);
}

#[tokio::test]
async fn a_row_larger_than_the_whole_queue_passes() {
    let db = Database::shared().fresh_database();
    let from = prepare(&db).await;
    let narrow = source::Config { queue_bytes: 1000, ..source_config(db.name(), "p") };
    let (mut feed, _) = open(&config(&db), &narrow, from).await;
    db.execute("insert into t values (1, 'small'), (2, repeat('x', 30000000)), (3, 'small')");
    let seen = read_transactions(&mut feed, 3);
    assert!(seen.inserts == 3 && seen.bytes > 30_000_000);
}

#[tokio::test]
async fn a_large_row_is_not_read_before_there_is_room_and_one_for_which_there_is_none_ends_the_stream() {
    let db = Database::shared().fresh_database();
    let from = prepare(&db).await;
    let large = Large { bytes: 16_000_000, record_bytes: 4_000_000, copies: 3 };
    let (mut feed, _) =
        open(&config(&db), &source::Config { large, ..source_config(db.name(), "p") }, from).await;
    db.execute(
        "insert into t values (1, repeat('x', 4000000)), (2, repeat('x', 4000000)), (3, 'small'), (4, repeat('x', 14000000))",
    );
    let mut seen = Seen::default();
    let mut next = || feed.next(Instant::now() + Duration::from_millis(500));
    let share = loop {
        let mut chunk = next().expect("a stream").expect("a chunk");
        seen.take(&chunk);
        if let Some(share) = chunk.take_share() {
            break share;
        }
    };
    assert_eq!(seen.inserts, 1);
    assert!(next().expect("a stream").is_none(), "there is room for one");
    drop(share);
    let error = loop {
        match next() {
            Ok(chunk) => chunk.iter().for_each(|chunk| seen.take(chunk)),
            Err(error) => break error,
        }
    };
    assert_eq!(seen.inserts, 3, "everything before it comes first");
    assert!(
        matches!(error, source::Error::TooLarge { bytes: 14_000_000.., longest: 8_000_000, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_walsender_that_stopped_answering_is_noticed() {
    let server = Database::start();
    let db = server.fresh_database();
    let from = prepare(&db).await;
    let impatient =
        source::Config { silence_timeout: Duration::from_secs(1), ..source_config(db.name(), "p") };
    let (mut feed, _) = open(&config(&db), &impatient, from).await;
    let pid = Pid::from_raw(walsender(&db)).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let error = read_to_the_end(&mut feed);
    kill_process(pid, Signal::CONT).unwrap();
    assert!(matches!(error, Error::Silent(_)), "{error}");
}

#[tokio::test]
async fn an_idle_server_is_not_taken_for_dead() {
    let server = Database::with(DatabaseOptions::new().setting("wal_sender_timeout", "0"));
    let db = server.fresh_database();
    let from = prepare(&db).await;
    let impatient =
        source::Config { silence_timeout: Duration::from_secs(1), ..source_config(db.name(), "p") };
    let (mut feed, _) = open(&config(&db), &impatient, from).await;
    let until = Instant::now() + Duration::from_secs(4);
    let mut keepalives = 0;
    while let Some(chunk) = feed.next(until).expect("an idle server is alive") {
        keepalives += chunk.frames().filter(|frame| matches!(frame, Ok(Frame::Keepalive { .. }))).count();
    }
    assert!(keepalives >= 3, "{keepalives}");
}

#[tokio::test]
async fn a_terminated_walsender_is_told_by_its_sqlstate() {
    let server = Database::start();
    let db = server.fresh_database();
    let from = prepare(&db).await;
    let (mut feed, _) = open(&config(&db), &source_config(db.name(), "p"), from).await;
    walsender(&db);
    server.terminate_walsenders();
    match read_to_the_end(&mut feed) {
        Error::Server(error) => assert_eq!(error.sqlstate, "57P01", "{error}"),
        error => panic!("{error}"),
    }
    // Afterwards there is nothing to wait for.
    assert!(matches!(feed.next(soon()), Err(Error::Ended)));
}

#[tokio::test]
async fn a_crashed_server_ends_the_stream() {
    let server = Database::start();
    let db = server.fresh_database();
    let from = prepare(&db).await;
    let (mut feed, _) = open(&config(&db), &source_config(db.name(), "p"), from).await;
    walsender(&db);
    server.kill();
    let error = read_to_the_end(&mut feed);
    assert!(matches!(error, Error::Io(_) | Error::Server(_)), "{error}");
}

#[tokio::test]
async fn a_server_that_shuts_down_waits_for_our_confirmation_and_gets_it() {
    let server = Database::start();
    let db = server.fresh_database();
    let from = prepare(&db).await;
    let (mut feed, acknowledger) = open(&config(&db), &source_config(db.name(), "p"), from).await;
    walsender(&db);
    let stopping = std::thread::spawn({
        let server = server.clone();
        move || server.stop_fast()
    });
    let error = loop {
        match feed.next(soon()) {
            Ok(Some(chunk)) => {
                for frame in chunk.frames() {
                    if let Frame::Keepalive { wal_end, .. } = frame.expect("a frame") {
                        acknowledger.confirm(wal_end);
                    }
                }
            }
            Ok(None) => panic!("the server does not stop"),
            Err(error) => break error,
        }
    };
    stopping.join().expect("a stopped server");
    assert!(matches!(error, Error::Ended), "{error}");
}

#[tokio::test]
async fn a_slot_or_publication_that_cannot_be_used_is_told_by_its_sqlstate() {
    let db = Database::shared().fresh_database();
    let from = prepare(&db).await;
    let start = async |slot: &str| {
        let connection = Connection::connect(&config(&db)).await.expect("a connection");
        connection.start_replication(slot, from, "p", &[], Duration::from_secs(60)).await
    };
    let _held = start(db.name()).await.expect("a stream");
    let busy = start(db.name()).await.err().expect("somebody has it");
    assert_eq!(busy.sqlstate(), Some("55006"), "{busy}");
    assert!(busy.is_transient());
    let missing = start("no_such_slot").await.err().expect("no slot");
    assert_eq!(missing.sqlstate(), Some("42704"), "{missing}");

    // From 18 on a missing publication is a warning in the server's log, and its rows are skipped.
    if db.server().major() >= 18 {
        return;
    }
    let other = Database::shared().fresh_database();
    let from = prepare(&other).await;
    let (mut feed, _) =
        open(&config(&other), &source_config(other.name(), "no_such_publication"), from).await;
    other.execute("insert into t values (1)");
    match read_to_the_end(&mut feed) {
        Error::Server(error) => assert_eq!(error.sqlstate, "42704", "{error}"),
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_nudge_ends_the_waiting_for_the_next_chunk() {
    let db = Database::shared().fresh_database();
    let from = prepare(&db).await;
    let (mut feed, _) = open(&config(&db), &source_config(db.name(), "p"), from).await;
    let nudge = feed.nudge();
    let far = Instant::now() + Duration::from_secs(3600);
    let ringing = std::thread::spawn(move || nudge.ring());
    while feed.next(far).expect("a stream").is_some() {}
    ringing.join().unwrap();
}
