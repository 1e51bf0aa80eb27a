//! Drains a slot to nothing, as `pg_recvlogical … -f /dev/null` does, and says what it cost.
//!
//! `cargo run --release --example drain -- HOST PORT DATABASE SLOT PUBLICATION ROWS [WORK_NS]`: until as many inserts
//! came; WORK_NS is spent on each row, as a busy connector would.

use std::time::{Duration, Instant};
use walpost::lsn::Lsn;
use walpost::postgres::replication::Connection;
use walpost::postgres::{Config, SslMode};
use walpost::source::{self, Acknowledger, Feed, Frame, stream};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, port, database, slot, publication, rows, rest @ ..] = &arguments[..] else {
        eprintln!("usage: drain HOST PORT DATABASE SLOT PUBLICATION ROWS [WORK_NS]");
        std::process::exit(2);
    };
    let rows: u64 = rows.parse().expect("ROWS is a number");
    let work = Duration::from_nanos(rest.first().map_or(0, |ns| ns.parse().expect("WORK_NS is a number")));
    let config = Config {
        host: host.clone(),
        port: port.parse().expect("PORT is a number"),
        user: "postgres".into(),
        password: None,
        database: database.clone(),
        ssl_mode: SslMode::Disable,
        ssl_root_cert: None,
        ssl_cert: None,
        ssl_key: None,
        connect_timeout: Duration::from_secs(10),
        tcp_keepalive: true,
        application_name: "walpost-drain".into(),
    };
    let source = source::Config {
        slot: slot.clone(),
        publication: publication.clone(),
        stream_params: Vec::new(),
        status_interval: Duration::from_secs(10),
        queue_bytes: 16 << 20,
        large: walpost::memory::Large::UNLIMITED,
        silence_timeout: Duration::from_secs(60),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let acknowledger = Acknowledger::new(Lsn::ZERO);
    let streaming = runtime.block_on(async {
        let connection = Connection::connect(&config).await.expect("a connection");
        connection
            .start_replication(slot, Lsn::ZERO, publication, &[], source.silence_timeout)
            .await
            .expect("a stream")
    });
    let began = Instant::now();
    let mut feed = stream::start(streaming, &source, acknowledger).expect("a reader");
    let (mut seen, mut bytes, mut chunks, mut first) = (0_u64, 0_usize, 0_u64, None);
    while seen < rows {
        let Some(chunk) = feed.next(Instant::now() + Duration::from_secs(60)).expect("the stream") else {
            continue;
        };
        chunks += 1;
        for frame in chunk.frames() {
            if let Frame::Wal(message) = frame.expect("a frame") {
                bytes += message.len();
                if message.first() == Some(&b'I') {
                    first.get_or_insert_with(Instant::now);
                    seen += 1;
                    let until = Instant::now() + work;
                    while !work.is_zero() && Instant::now() < until {}
                }
            }
        }
    }
    let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds());
    drop(feed);
    println!(
        "{seen} rows, {:.0} MB, {chunks} chunks: {wall:.2} s, {:.0} rows/s; own CPU {:.2} us/row; resident at most {} MB",
        bytes as f64 / 1e6,
        seen as f64 / wall,
        cpu * 1e6 / seen as f64,
        most_resident_kb() / 1024
    );
}

/// User and system time of this process, in clock ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name").split_whitespace().collect();
    (fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime")) / 100.0
}

fn most_resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("VmHWM");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}
