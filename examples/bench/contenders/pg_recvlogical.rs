//! `pg_recvlogical`: Postgres's own client, which throws away what it reads. What the walsender can send.

use crate::arrivals::stamp;
use crate::backlog::Backlog;
use crate::process::Meter;
use crate::results::Drain;
use crate::servers::walsender_now;
use crate::support::{DatabaseHandle, Process, Scratch};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Reads the backlog to its end.
pub fn drain(backlog: &Backlog, slot: &str) -> Drain {
    let scratch = Scratch::new("recvlogical");
    let mut command = command(&backlog.db, slot);
    command.args(["--endpos", &backlog.end, "--file", "/dev/null"]);
    let mut meter = Meter::start(None);
    let mut process = Process::spawn(command, &scratch.join("out.log"));
    meter.own_since_birth(process.id());
    let (mut sender, mut reading) = (None, meter.look());
    let status = loop {
        match process.exit() {
            Some(status) => break status,
            None => reading = meter.look(),
        }
        if sender.is_none() {
            sender = walsender_now(&backlog.db, slot);
            if let Some(pid) = sender {
                meter.walsender_since_birth(pid);
            }
        }
        thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success(), "{}", std::fs::read_to_string(scratch.join("out.log")).unwrap_or_default());
    reading.seconds = meter.look().seconds;
    Drain { events: backlog.rows, reading, disk: None, commits: None }
}

/// A stream whose events are looked at as they come out of a pipe.
pub struct Stream(Child);

impl Stream {
    pub fn start(db: &DatabaseHandle, slot: &str) -> Stream {
        let mut command = command(db, slot);
        command.args(["--file", "-"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Stream(command.spawn().expect("pg_recvlogical runs"))
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// From written to received, ms, of the events with these numbers, the last of which is the last there is.
    pub fn follow(&mut self, epoch: Instant, numbers: std::ops::Range<usize>) -> Vec<f64> {
        let mut output = BufReader::with_capacity(1 << 16, self.0.stdout.take().expect("piped"));
        let (mut line, mut passed) = (Vec::new(), Vec::new());
        loop {
            line.clear();
            // A message ends with a line feed, and may have others before its payload.
            output.read_until(b'\n', &mut line).expect("a pipe");
            assert!(!line.is_empty(), "pg_recvlogical has ended");
            let now = epoch.elapsed().as_secs_f64();
            let start = line.windows(6).position(|window| window == b"{\"n\": ");
            let Some((n, at)) = start.and_then(|start| stamp(&line[start..])) else { continue };
            if n >= numbers.start {
                passed.push((now - at) * 1e3);
            }
            if n + 1 >= numbers.end {
                return passed;
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(db: &DatabaseHandle, slot: &str) -> Command {
    let bin = db.query_one_text("select setting from pg_config where name = 'BINDIR'");
    let mut command = Command::new(bin + "/pg_recvlogical");
    command.args(["--dbname", &db.url(), "--slot", slot, "--start", "--no-loop"]);
    command.args(["-o", "proto_version=1", "-o", "publication_names=walpost"]);
    command
}
