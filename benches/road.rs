//! The whole road between fake ends: recorded frames in, both of the road's threads, an outlet that takes everything;
//! transactions of a thousand rows and of one, payloads of 300 bytes; and with a dead letter in every thousand rows.

mod ends;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const EVENTS: u64 = 20_000;

fn road(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("road");
    group.throughput(Throughput::Elements(EVENTS)).sample_size(20);
    for (name, rows, poison) in [
        ("a thousand rows a transaction", 1000, None),
        ("one row a transaction", 1, None),
        ("a thousand rows a transaction, one of them a dead letter", 1000, Some(1000)),
    ] {
        let chunks = ends::recording(EVENTS, rows, poison);
        assert_eq!(
            ends::drive(&chunks),
            ends::end_of(EVENTS / rows),
            "everything is published and confirmed"
        );
        group.bench_function(name, |bencher| {
            bencher.iter(|| ends::drive(&chunks));
        });
    }
    group.finish();
}

criterion_group!(benches, road);
criterion_main!(benches);
