//! Encoding one event: the converters of typical outbox deployments, with Debezium's context headers.

mod payloads;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Elements(1000));
    for case in payloads::cases() {
        let name = case.name;
        case.run(|encoder, event, out| {
            group.bench_function(name, |b| {
                b.iter(|| {
                    out.clear(8 << 20);
                    for _ in 0..1000 {
                        encoder.encode(black_box(event), 0, out).expect("a record");
                    }
                    out.len()
                });
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
