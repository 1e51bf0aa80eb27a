//! Decoding and routing: a thousand Insert messages of an outbox, payloads of 300 bytes, of one aggregate type and of
//! a thousand.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use walpost::decode::{Decoder, testing};
use walpost::route::testing::defaults;
use walpost::route::{Config, Place, Placement, Routed, Router, TableFacts};

const EVENTS: u64 = 1000;

fn inserts(types: u64) -> Vec<Vec<u8>> {
    let payload = format!("{{\"filler\": \"{}\"}}", "x".repeat(285));
    let row = |number| {
        let id = format!("59a42efd-b015-44a9-9dde-{number:012}");
        let aggregate = format!("Aggregate{}", number % types);
        testing::insert_text(1, &[&id, &aggregate, &format!("customer-{number}"), "UserCreated", &payload])
    };
    (0..EVENTS).map(row).collect()
}

fn config() -> Config {
    let event_type = Placement { column: "type".into(), place: Place::Header, alias: "eventType".into() };
    Config { placements: vec![event_type], tombstone_on_empty: true, ..defaults() }
}

fn route(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode and route");
    group.throughput(Throughput::Elements(EVENTS));
    for (name, types) in [("one type", 1), ("a thousand types", EVENTS)] {
        let messages = inserts(types);
        let relation = testing::outbox(1);
        let (mut decoder, mut router) = (Decoder::new(), Router::new(config()));
        decoder.decode(&testing::relation(&relation)).expect("a relation");
        router.learn(&relation, &TableFacts::default());
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for message in &messages {
                    let change = decoder.decode(message).expect("an insert");
                    let Routed::Event(event) = router.route(&change) else { panic!("not an event") };
                    black_box(event);
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, route);
criterion_main!(benches);
