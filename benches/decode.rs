//! Decoding: a thousand Insert messages of an outbox, payloads of 300 bytes.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use walpost::decode::{Change, Decoder, testing};

const EVENTS: u64 = 1000;

fn inserts() -> Vec<Vec<u8>> {
    let payload = format!("{{\"filler\": \"{}\"}}", "x".repeat(285));
    let row = |number| {
        let id = format!("59a42efd-b015-44a9-9dde-{number:012}");
        testing::insert_text(1, &[&id, "User", &format!("customer-{number}"), "UserCreated", &payload])
    };
    (0..EVENTS).map(row).collect()
}

fn decode(criterion: &mut Criterion) {
    let messages = inserts();
    let mut decoder = Decoder::new();
    decoder.decode(&testing::relation(&testing::outbox(1))).expect("a relation");
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(EVENTS));
    group.bench_function("insert", |bencher| {
        bencher.iter(|| {
            for message in &messages {
                let Ok(Change::Insert { new, .. }) = decoder.decode(message) else { panic!("not an insert") };
                black_box(new.get(4));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
