//! Transforms beside the event router: refused by name, or passed over with a reason.

use super::*;

const UNWRAP: &str = "io.debezium.transforms.ExtractNewRecordState";
const RENAME: &str = "org.apache.kafka.connect.transforms.RegexRouter";

fn chain(transforms: &str, class: &str, further: &str) -> String {
    format!("transforms={transforms}\ntransforms.other.type={class}\ntransforms.other.regex=x\n{further}")
}

#[test]
fn what_would_change_an_event_is_refused_by_name() {
    for (class, why) in [
        (UNWRAP, "what the event router makes of a row is none any more; take other out of transforms"),
        ("org.apache.kafka.connect.transforms.InsertHeader", "with table.fields.additional.placement"),
        ("org.apache.kafka.connect.transforms.ExtractField$Value", "it would change the event"),
        (
            "io.debezium.transforms.Filter",
            "it would drop events; take other out of transforms; insert no row",
        ),
        (RENAME, "it would rename topics; take other out of transforms; write route.topic.regex"),
        ("com.example.Secret", "no transform runs here but the outbox event router; take other out of"),
    ] {
        let found = problem(&chain("outbox,other", class, ""));
        assert!(found.contains(class) && found.contains(why), "{found}");
    }
}

#[test]
fn what_changes_nothing_is_passed_over_with_its_reason() {
    let passed = |lines: &str| {
        let found = notices(lines);
        found.iter().find(|notice| notice.starts_with("transforms.other.type: ignored: ")).cloned()
    };
    let filter = "io.debezium.transforms.SchemaChangeEventFilter";
    assert!(passed(&chain("outbox,other", filter, "")).unwrap().contains("no schema change events"));
    assert!(passed(&chain("other,outbox", RENAME, "")).unwrap().contains("names the topic anew"));

    // Asked for everything but the outbox, it sees no event.
    let predicates = "predicates=p\npredicates.p.type=TopicNameMatches\npredicates.p.pattern=x\n\
                      transforms.outbox.predicate=p\ntransforms.other.predicate=p\ntransforms.other.negate=true";
    assert!(
        passed(&chain("other,outbox", UNWRAP, predicates))
            .unwrap()
            .contains("leaves the outbox's events alone")
    );
    assert!(passed(&chain("other,outbox", RENAME, predicates)).is_some());
}

#[test]
fn a_predicate_or_a_heartbeat_that_sees_the_new_topic_makes_a_difference() {
    let of_router = "predicates=p\npredicates.p.type=TopicNameMatches\npredicates.p.pattern=x\n\
                     transforms.outbox.predicate=p";
    assert!(problem(&chain("other,outbox", RENAME, of_router)).contains("rename topics"));
    assert!(problem(&chain("other,outbox", RENAME, "heartbeat.interval.ms=1000")).contains("rename topics"));
    // Behind the router, an event's topic is no table's: the negated predicate is fulfilled.
    let opposite = format!("{of_router}\ntransforms.other.predicate=p\ntransforms.other.negate=true");
    assert!(problem(&chain("outbox,other", UNWRAP, &opposite)).contains("none any more"));
    let same = format!("{of_router}\ntransforms.other.predicate=p");
    assert!(problem(&chain("other,outbox", UNWRAP, &same)).contains("none any more"));
}
