//! Instructions per event of the road's parts, counted by callgrind, beside those that are kept in `instructions.json`.
//!
//! A count hardly depends on the machine, so that a drift shows which a time would hide. It fails nothing.
//! `cargo bench --bench instructions` counts and compares, `-- --keep` writes the file anew, `-- PART PASSES` is what
//! callgrind runs. What is not a pass over the recorded events is subtracted: each part is counted with two numbers of them.

mod ends;
mod payloads;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use walpost::decode::{Change, Decoder};
use walpost::encode::{Encoder, Outgoing};
use walpost::route::{Routed, Router, TableFacts};
use walpost::source::{Chunk, Frame};

/// Each with the rows of a transaction.
const PARTS: [(&str, u64); 5] =
    [("decode", 1000), ("route", 1000), ("encode", 1000), ("road", 1000), ("road, one row a transaction", 1)];
/// One event again and again: cases of the bench `encode`.
const CASES: [&str; 5] =
    ["string", "expanded", "avro_registered", "json_schema_registered", "protobuf_registered"];
/// In one pass.
const EVENTS: u64 = 4_000;
const FEW: u64 = 1;
const MANY: u64 = 4;

fn main() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return println!("instructions: nothing is counted without valgrind (Debian's package of that name)");
    }
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match &arguments[..] {
        [] => compare(&count()),
        [keep] if keep == "--keep" => write(&count()),
        [part, passes] => run(part, passes.parse().expect("a number of passes")),
        _ => panic!("nothing, --keep, or PART PASSES"),
    }
}

/// What callgrind counts.
fn run(part: &str, passes: u64) {
    if CASES.contains(&part) {
        return one(part, passes);
    }
    let (_, rows) = PARTS.into_iter().find(|(name, _)| *name == part).expect("a part");
    let chunks = ends::recording(EVENTS, rows, None);
    for _ in 0..passes {
        match part {
            "decode" | "route" | "encode" => alone(part, &chunks),
            _ => assert_eq!(ends::drive(&chunks), ends::end_of(EVENTS / rows)),
        }
    }
}

/// The acts up to `last`, without what stands between them.
fn alone(last: &str, chunks: &[Bytes]) {
    let (mut decoder, mut router) = (Decoder::new(), Router::new(ends::route_config()));
    let (mut encoder, mut out) = (Encoder::new(ends::encode_config()), Outgoing::default());
    for bytes in chunks {
        let chunk = Chunk::new(bytes.clone(), None);
        for frame in chunk.frames() {
            let Frame::Wal(message) = frame.expect("a frame") else { continue };
            let change = decoder.decode(message).expect("a message");
            match &change {
                Change::Relation(relation) => router.learn(relation, &TableFacts::default()),
                Change::Insert { new, .. } if last == "decode" => drop(black_box(new.get(4))),
                Change::Insert { .. } => {
                    let Routed::Event(event) = router.route(&change) else { panic!("not an event") };
                    if last == "encode" {
                        encoder.encode(&event, 0, &mut out).expect("a record");
                    }
                    if out.len() == 1000 {
                        out.clear(8 << 20);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Encodes the event of this case.
fn one(name: &str, passes: u64) {
    let case = payloads::cases().into_iter().find(|case| case.name == name).expect("a case");
    case.run(|encoder, event, out| {
        for _ in 0..passes * EVENTS {
            encoder.encode(black_box(event), 0, out).expect("a record");
            if out.len() == 1000 {
                out.clear(8 << 20);
            }
        }
    });
}

/// Instructions per event of each part.
fn count() -> Map<String, Value> {
    let per_event = |part: &str| {
        let (few, many) = (instructions(part, FEW), instructions(part, MANY));
        (many - few) as f64 / ((MANY - FEW) * EVENTS) as f64
    };
    let parts = PARTS.into_iter().map(|(part, _)| part).chain(CASES);
    parts.map(|part| (part.to_owned(), json!(per_event(part).round()))).collect()
}

/// All instructions of a run.
fn instructions(part: &str, passes: u64) -> u64 {
    let itself = std::env::current_exe().expect("a path");
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(itself)
        .args([part, &passes.to_string()])
        .output()
        .expect("valgrind runs");
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    let (_, number) = collected.unwrap_or_else(|| panic!("callgrind says what it collected:\n{said}"));
    number.trim().parse().expect("a number")
}

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.json")
}

fn write(counts: &Map<String, Value>) {
    let text = serde_json::to_string_pretty(counts).expect("JSON");
    std::fs::write(kept(), text + "\n").expect("the file can be written");
    compare(counts);
}

fn compare(counts: &Map<String, Value>) {
    let kept: Map<String, Value> = std::fs::read_to_string(kept())
        .map(|text| serde_json::from_str(&text).expect("JSON"))
        .unwrap_or_default();
    println!("{:<32}{:>12}{:>12}{:>10}", "instructions per event", "now", "kept", "drift");
    for (part, now) in counts {
        let now = now.as_f64().expect("a number");
        match kept.get(part).and_then(Value::as_f64) {
            Some(kept) => {
                println!("{part:<32}{now:>12.0}{kept:>12.0}{:>9.1}%", (now / kept - 1.0) * 100.0)
            }
            None => println!("{part:<32}{now:>12.0}{:>12}", "none"),
        }
    }
}
