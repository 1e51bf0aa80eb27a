//! Transforms beside the event router: refused by name, or passed over with a reason.

use super::*;
use crate::encode::Nulls;

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

    // Asked for everything but the outbox, it sees the change events of other tables.
    let predicates = "predicates=p\npredicates.p.type=TopicNameMatches\npredicates.p.pattern=x\n\
                      transforms.outbox.predicate=p\ntransforms.other.predicate=p\ntransforms.other.negate=true";
    assert!(problem(&chain("other,outbox", UNWRAP, predicates)).contains("none any more"));
    assert!(problem(&chain("other,outbox", RENAME, predicates)).contains("rename topics"));
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

const DECODER: &str = "io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent";

fn decoding(further: &str) -> String {
    format!("transforms=decode,outbox\ntransforms.decode.type={DECODER}\n{further}")
}

#[test]
fn messages_are_events_when_the_decoder_stands_before_the_router() {
    let decoding_all = config(&decoding(""));
    assert_eq!(decoding_all.source.stream_params, [("messages".to_owned(), "true".to_owned())]);
    assert_eq!(decoding_all.encode.messages, Some(Nulls::Ignore));
    assert!(decoding_all.route.changes.expect("a rule").messages.is_none());
    let rule = decoding_all.route.messages.expect("a rule");
    assert!(rule.prefixes.takes("anything") && !rule.keep_nulls && !rule.alone);

    let lines = "transforms.decode.fields.null.include=true\nmessage.prefix.include.list=outbox, Orders\\\\..*\n\
                 walpost.messages.without.transaction=publish";
    let some = config(&decoding(lines));
    assert_eq!(some.encode.messages, Some(Nulls::OptionalBytes));
    let rule = some.route.messages.expect("a rule");
    let takes = |prefix| rule.prefixes.takes(prefix);
    assert!(takes("outbox") && takes("orders.x") && !takes("outbox2") && !takes("heartbeat"));
    assert!(rule.keep_nulls && rule.alone);
    let rule =
        config(&decoding("message.prefix.exclude.list=heartbeat\ndebezium.compat=strict")).route.messages;
    assert!(rule.is_some_and(|rule| {
        let takes = |prefix| rule.prefixes.takes(prefix);
        takes("outbox") && !takes("heartbeat") && rule.alone
    }));
}

#[test]
fn messages_that_nothing_decodes_are_told_as_they_are() {
    for lines in ["", "transforms=\ntransforms.outbox.type="] {
        let told = config(&format!("message.prefix.include.list=audit\n{lines}"));
        assert_eq!(told.source.stream_params, [("messages".to_owned(), "true".to_owned())]);
        assert!(told.route.messages.is_none());
        let prefixes = told.route.changes.expect("a rule").messages.expect("prefixes");
        assert!(prefixes.takes("audit") && !prefixes.takes("outbox"));
    }
    let found = notices("message.prefix.include.list=outbox");
    assert!(!found.iter().any(|notice| notice.starts_with("message.prefix")), "{found:?}");
}

#[test]
fn a_decoder_that_would_see_no_message_is_said_to() {
    let behind = format!("transforms=outbox,decode\ntransforms.decode.type={DECODER}");
    assert!(problem(&behind).contains("the event router comes before it"));
    assert!(
        problem(&decoding("message.prefix.include.list=a\nmessage.prefix.exclude.list=b"))
            .contains("already")
    );
}

#[test]
fn predicates_are_asked_with_the_topic_of_messages() {
    let with = |of_decoder: &str, of_router: &str| {
        decoding(&format!(
            "predicates=m,t\npredicates.m.type=TopicNameMatches\npredicates.m.pattern=shop\\\\.message\n\
             predicates.t.type=TopicNameMatches\npredicates.t.pattern=shop\\\\.(message|public\\\\.outbox)\n\
             transforms.decode.predicate={of_decoder}\ntransforms.outbox.predicate={of_router}"
        ))
    };
    assert!(config(&with("m", "t")).route.messages.is_some());
    let negated = format!("{}\ntransforms.decode.negate=true", with("m", "t"));
    let told = config(&negated).route;
    assert!(told.messages.is_none() && told.changes.is_some_and(|rule| rule.messages.is_some()));
    assert!(notices(&negated).iter().any(|notice| notice.contains("its predicate leaves messages alone")));
    let blind = format!("{}\ntransforms.outbox.negate=true", with("m", "m"));
    assert!(problem(&blind).contains("the event router's predicate leaves messages alone"));
}

#[test]
fn without_transforms_every_table_is_told_as_it_changes() {
    let alone = "transforms=\ntransforms.outbox.type=";
    let found = notices(alone);
    assert!(found.iter().any(|notice| notice.contains("no table is an outbox")), "{found:?}");
    let config = config(alone);
    assert!(config.route.tables.unrouted && config.route.changes.is_some());
    assert!(!self::config("").route.tables.unrouted);
}

#[test]
fn change_events_are_as_they_are_configured() {
    let rule = |lines: &str| config(lines).route.changes.expect("a rule");
    let usual = rule("");
    assert!(usual.tombstones && !usual.only_changed && usual.keys.is_empty() && usual.transactions.is_none());
    assert_eq!(
        (usual.placeholder.as_str(), usual.database.as_str()),
        ("__debezium_unavailable_value", "shop")
    );
    assert!(usual.skipped.truncate && !usual.skipped.delete);
    let other = rule(
        "tombstones.on.delete=false\nskip.messages.without.change=true\nskipped.operations=none\n\
         message.key.columns=shop.a:x, y ;(.*).b:z\nprovide.transaction.metadata=true\ntopic.transaction=tx",
    );
    assert!(!other.tombstones && other.only_changed && !other.skipped.truncate);
    assert_eq!(other.transactions.as_deref(), Some("shop.tx"));
    let meant: Vec<bool> = ["shop.a.x", "shop.a.y", "any.b.z"]
        .iter()
        .zip(&other.keys)
        .map(|(column, regex)| regex.is_match(column).unwrap())
        .collect();
    assert_eq!(meant, [true, true, true]);
    assert!(problem("message.key.columns=shop.a").contains("an item is not table:column,column"));
}
