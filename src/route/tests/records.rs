//! What a record is made of: columns, topic, partition, timestamp, tombstone.

use super::*;
use crate::decode::value::{self, Modes, Times};
use proptest::prelude::*;

#[test]
fn by_default_the_payload_is_keyed_by_aggregateid_and_routed_by_aggregatetype() {
    insert(defaults(), &USER_CREATED, |event| {
        assert_eq!((event.route, &**event.topic), ("User", "outbox.event.User"));
        assert_eq!(text(&event, &event.plan.key), "10711fa5");
        assert_eq!(event.plan.key.kind, Kind::String);
        assert_eq!(text(&event, &event.plan.payload), "{}");
        assert_eq!(text(&event, &event.plan.id), ID);
        assert_eq!(event.plan.table, "public.outbox");
        assert_eq!(event.plan.schema_stem, "app.public.outbox");
        assert_eq!((event.partition, event.timestamp_ms, event.schema_version), (None, None, None));
        assert!(!event.tombstone && event.plan.headers.is_empty() && event.plan.envelope.is_none());
    });
}

#[test]
fn each_value_of_the_route_column_has_its_topic() {
    let mut outbox = outbox(defaults(), &USER_CREATED);
    for (route, topic) in [
        ("User", "outbox.event.User"),
        ("User", "outbox.event.User"),
        ("Address", "outbox.event.Address"),
        ("User", "outbox.event.User"),
    ] {
        let row = with(&[("aggregatetype", VARCHAR, Some(route))]);
        outbox.insert(&row, |event| assert_eq!(&**event.topic, topic));
    }
}

#[test]
fn the_key_is_any_column_with_its_type() {
    let config = Config { key: "type".to_owned(), ..defaults() };
    insert(config, &USER_CREATED, |event| assert_eq!(text(&event, &event.plan.key), "UserCreated"));
    for (oid, cell, kind) in [(BYTEA, "\\x6162", Kind::Bytes), (INT4, "54321", Kind::Int32)] {
        let row = with(&[("aggregateid", oid, Some(cell))]);
        insert(defaults(), &row, |event| {
            assert_eq!((&event.plan.key.kind, text(&event, &event.plan.key)), (&kind, cell));
        });
    }
}

#[test]
fn every_column_is_configured_by_name() {
    let config = Config {
        id: "event_id".to_owned(),
        key: "payload_id".to_owned(),
        payload: "payload_body".to_owned(),
        route_by: "payload_id".to_owned(),
        ..defaults()
    };
    let row = [
        ("event_id", VARCHAR, Some(ID)),
        ("payload_id", VARCHAR, Some("10711fa5")),
        ("event_type", VARCHAR, Some("UserCreated")),
        ("payload_body", JSONB, Some("{}")),
    ];
    insert(config, &row, |event| {
        assert_eq!(text(&event, &event.plan.id), ID);
        assert_eq!(text(&event, &event.plan.payload), "{}");
        assert_eq!(&**event.topic, "outbox.event.10711fa5");
    });
}

#[test]
fn the_types_of_the_columns_are_the_tables() {
    let config = Config {
        id: "event_id".to_owned(),
        key: "payload_id".to_owned(),
        payload: "payload_body".to_owned(),
        route_by: "my_route_field".to_owned(),
        placements: vec![place("some_boolean", Place::Envelope, "bool")],
        ..defaults()
    };
    let row = [
        ("event_id", INT4, Some("2")),
        ("payload_id", INT4, Some("1232")),
        ("payload_body", BYTEA, Some("\\x7b7d")),
        ("my_route_field", TEXT, Some("routename")),
        ("some_boolean", BOOL, Some("t")),
    ];
    insert(config, &row, |event| {
        assert_eq!(&**event.topic, "outbox.event.routename");
        let Plan { id, key, payload, envelope, .. } = event.plan;
        assert_eq!((&id.kind, &key.kind, &payload.kind), (&Kind::Int32, &Kind::Int32, &Kind::Bytes));
        let [(alias, flag)] = envelope.as_deref().unwrap() else { panic!("{envelope:?}") };
        assert_eq!((alias.as_str(), &flag.kind, flag.index), ("bool", &Kind::Boolean, 4));
    });
}

#[test]
fn placements_keep_their_order_and_their_aliases() {
    let config = placing(vec![
        place("type", Place::Envelope, "payloadType"),
        place("aggregateid", Place::Envelope, "payloadId"),
        place("type", Place::Header, "a"),
        place("aggregateid", Place::Header, "a"),
    ]);
    insert(config, &USER_CREATED, |event| {
        let headers: Vec<_> =
            event.plan.headers.iter().map(|(alias, field)| (&**alias, &*field.name)).collect();
        assert_eq!(headers, [("a", "type"), ("a", "aggregateid")], "nothing is deduplicated");
        let envelope = event.plan.envelope.as_ref().unwrap();
        let envelope: Vec<_> = envelope.iter().map(|(alias, field)| (&**alias, &*field.name)).collect();
        assert_eq!(envelope, [("payloadType", "type"), ("payloadId", "aggregateid")]);
    });
}

#[test]
fn a_schema_version_counts_only_with_an_envelope() {
    let config = Config { schema_version: Some("version".to_owned()), ..defaults() };
    let row = with(&[("version", INT4, Some("3"))]);
    insert(config.clone(), &row, |event| assert_eq!(event.schema_version, None));
    insert(config.clone(), &USER_CREATED, |event| assert_eq!(event.schema_version, None));
    let config = Config { placements: vec![place("type", Place::Envelope, "type")], ..config };
    insert(config.clone(), &row, |event| assert_eq!(event.schema_version, Some(3)));
    let row = with(&[("version", INT4, None)]);
    insert(config.clone(), &row, |event| assert_eq!(event.schema_version, None));
    assert_eq!(refused(config.clone(), &USER_CREATED).reason, Reason::ColumnMissing);
    let row = with(&[("version", INT8, Some("3"))]);
    assert!(
        refused(config, &row).detail.contains("column version is INT64, but a schema version is an INT32")
    );
}

#[test]
fn a_column_is_optional_unless_it_is_not_null_or_of_the_primary_key() {
    let not_null = ColumnFacts { name: "type".to_owned(), not_null: true, ..ColumnFacts::default() };
    let config = Config { key: "type".to_owned(), ..defaults() };
    Outbox::new(config, &relation(&USER_CREATED), &facts(vec![not_null])).insert(&USER_CREATED, |event| {
        let Plan { id, key, payload, .. } = event.plan;
        assert_eq!((id.optional, key.optional, payload.optional), (false, false, true));
    });
}

#[test]
fn the_catalogue_tells_what_types_of_the_database_itself_are() {
    let mood = TypeFacts {
        name: "mood".to_owned(),
        oid: 16_500,
        enum_labels: vec!["sad".to_owned(), "happy".to_owned()],
        ..TypeFacts::default()
    };
    let facts = facts(vec![ColumnFacts {
        name: "aggregatetype".to_owned(),
        type_facts: mood,
        ..ColumnFacts::default()
    }]);
    let row = with(&[("aggregatetype", 16_500, Some("happy"))]);
    Outbox::new(defaults(), &relation(&row), &facts)
        .insert(&row, |event| assert_eq!(&**event.topic, "outbox.event.happy"));
    let unknown = refused(defaults(), &row);
    assert_eq!(unknown.reason, Reason::ColumnMissing);
    assert!(unknown.detail.contains("column aggregatetype is of type OID 16500"), "{}", unknown.detail);
}

#[test]
fn the_last_partition_placement_names_the_partition() {
    let config = placing(vec![place("p", Place::Partition, "p"), place("q", Place::Partition, "q")]);
    let row = with(&[("p", INT4, Some("7")), ("q", INT4, Some("123"))]);
    insert(config.clone(), &row, |event| assert_eq!(event.partition, Some(123)));
    let row = with(&[("p", INT4, Some("7")), ("q", INT4, None)]);
    insert(config, &row, |event| assert_eq!(event.partition, None, "NULL leaves it to the key"));
}

#[test]
fn a_partition_is_an_integer_and_not_negative() {
    let config = || placing(vec![place("p", Place::Partition, "p")]);
    let negative = refused(config(), &with(&[("p", INT4, Some("-1"))]));
    assert_eq!(negative.reason, Reason::PartitionIllegal);
    assert!(negative.detail.contains("partition -1"), "{}", negative.detail);
    for (oid, cell) in [(INT2, Some("1")), (INT8, None), (TEXT, Some("1")), (DATE, Some("2024-01-01"))] {
        assert_eq!(
            refused(config(), &with(&[("p", oid, cell)])).reason,
            Reason::PartitionIllegal,
            "type {oid}"
        );
    }
}

#[test]
fn a_timestamp_column_gives_milliseconds() {
    let config = || Config { timestamp: Some("createdat".to_owned()), ..defaults() };
    for (oid, cell, ms) in [
        (TIMESTAMP, Some("2019-03-24 20:52:59"), Some(1_553_460_779_000)),
        (TIMESTAMP, Some("2019-03-24 20:52:59.123999"), Some(1_553_460_779_123)),
        (TIMESTAMPTZ, Some("2019-03-24 22:52:59+02"), Some(1_553_460_779_000)),
        (TIMESTAMP, Some("infinity"), Some(9_223_372_036_825_200)),
        (TIMESTAMP, Some("1970-01-01 00:00:00"), Some(0)),
        (TIMESTAMP, Some("1969-12-31 23:59:59.9995"), Some(0)),
        (TIMESTAMP, Some("1969-12-31 23:59:59.999"), None),
        (TIMESTAMP, None, None),
        // INT64 without a moment in it: only a value tells.
        (INT8, None, None),
        (TIME, None, None),
    ] {
        insert(config(), &with(&[("createdat", oid, cell)]), |event| {
            assert_eq!(event.timestamp_ms, ms, "{cell:?}");
        });
    }
}

#[test]
fn a_timestamp_without_nanoseconds_in_64_bits_is_none() {
    let types = Modes { times: Times::Nanoseconds, ..Modes::default() };
    let config = || Config { timestamp: Some("t".to_owned()), types, ..defaults() };
    for (cell, ms) in [("2019-03-24 20:52:59", Some(1_553_460_779_000)), ("2400-01-01 00:00:00", None)] {
        insert(config(), &with(&[("t", TIMESTAMP, Some(cell))]), |event| {
            assert_eq!(event.timestamp_ms, ms, "{cell:?}");
        });
    }
}

#[test]
fn the_default_of_a_domain_replaces_no_null() {
    const DOMAIN: u32 = 16_400;
    let key = || ColumnFacts {
        type_facts: TypeFacts { name: "varchar".to_owned(), oid: VARCHAR, ..TypeFacts::default() },
        ..default("aggregateid", "'a key'::text")
    };
    for (oid, is_there) in [(VARCHAR, true), (DOMAIN, false)] {
        let columns = with(&[("aggregateid", oid, None)]);
        let mut outbox = Outbox::new(defaults(), &relation(&columns), &facts(vec![key()]));
        outbox.insert(&columns, |event| assert_eq!(event.plan.key.default.is_some(), is_there, "{oid}"));
    }
}

#[test]
fn a_timestamp_before_1970_or_of_another_type_is_refused() {
    let config = || Config { timestamp: Some("t".to_owned()), ..defaults() };
    for (oid, cell) in [
        (TIMESTAMP, Some("1969-12-31 23:59:59.99")),
        (TIMESTAMP, Some("-infinity")),
        (TIMESTAMP, Some("yesterday")),
        (INT8, Some("1")),
        (DATE, Some("2024-01-01")),
        (TIME, Some("01:00:00")),
        (TEXT, Some("2024-01-01 00:00:00")),
    ] {
        assert_eq!(
            refused(config(), &with(&[("t", oid, cell)])).reason,
            Reason::TimestampIllegal,
            "{cell:?}"
        );
    }
    assert_eq!(refused(config(), &USER_CREATED).reason, Reason::ColumnMissing);
}

#[test]
fn a_route_column_without_a_string_names_no_topic() {
    let null = refused(defaults(), &with(&[("aggregatetype", VARCHAR, None)]));
    assert_eq!((null.reason, null.event_id.as_deref()), (Reason::TopicIllegal, Some(ID)));
    assert!(null.detail.contains("column aggregatetype is NULL"), "{}", null.detail);
    let number = refused(defaults(), &with(&[("aggregatetype", INT4, Some("1"))]));
    assert_eq!(number.reason, Reason::TopicIllegal);
    assert!(number.detail.contains("column aggregatetype is INT32"), "{}", number.detail);
}

#[test]
fn a_default_does_not_stand_in_for_a_null_route() {
    let row = with(&[("aggregatetype", VARCHAR, None)]);
    let facts = facts(vec![default("aggregatetype", "'User'::character varying")]);
    let rejection = Outbox::new(defaults(), &relation(&row), &facts).refuse(&row);
    assert_eq!(rejection.reason, Reason::TopicIllegal);
}

#[test]
fn any_string_type_names_a_topic() {
    let row = with(&[("aggregatetype", UUID, Some(ID))]);
    insert(defaults(), &row, |event| assert_eq!(event.route, ID));
    let config = Config { topic: TopicRule::new("(\\d+)-.*", "y$1").unwrap(), ..defaults() };
    let row = with(&[("aggregatetype", TIMESTAMPTZ, Some("2024-02-29 13:51:30.5+02"))]);
    insert(config, &row, |event| {
        assert_eq!((event.route, &**event.topic), ("2024-02-29T11:51:30.500000Z", "y2024"));
    });
}

#[test]
fn a_topic_that_kafka_refuses_is_named_unless_it_could_be_a_payload() {
    let illegal = refused(defaults(), &with(&[("aggregatetype", VARCHAR, Some("My Agg"))]));
    assert_eq!(illegal.reason, Reason::TopicIllegal);
    assert!(illegal.detail.contains("\"outbox.event.My Agg\""), "{}", illegal.detail);
    let config = Config { route_by: "payload".to_owned(), ..defaults() };
    let illegal = refused(config, &with(&[("payload", TEXT, Some("secret value"))]));
    assert!(!illegal.detail.contains("secret"), "{}", illegal.detail);
    let long = "x".repeat(300);
    let illegal = refused(defaults(), &with(&[("aggregatetype", VARCHAR, Some(&long))]));
    assert!(illegal.detail.len() < 300, "{}", illegal.detail);
}

#[test]
fn an_empty_payload_is_a_tombstone_only_where_configured() {
    let tombstones = Config { tombstone_on_empty: true, ..defaults() };
    for (oid, cell, empty) in [
        (JSONB, None, true),
        (VARCHAR, Some(""), true),
        (VARCHAR, Some(" \t\r\n\u{1}\u{0b}"), true),
        (VARCHAR, Some("\u{a0}"), false),
        (VARCHAR, Some("."), false),
        (JSONB, Some("null"), false),
        (JSONB, Some("{}"), false),
        (JSONB, Some("\"\""), false),
        (BYTEA, Some("\\x"), false),
        (BYTEA, None, true),
        (INT4, Some("0"), false),
        (INT4, None, true),
        (NUMERIC, Some("NaN"), true),
        (NUMERIC, Some("0"), false),
        (1009, Some("{}"), false),
    ] {
        let row = with(&[("payload", oid, cell)]);
        insert(tombstones.clone(), &row, |event| assert_eq!(event.tombstone, empty, "{oid} {cell:?}"));
        insert(defaults(), &row, |event| assert!(!event.tombstone));
    }
}

#[test]
fn a_payload_that_has_no_value_is_empty() {
    let types = Modes { times: Times::Nanoseconds, ..Modes::default() };
    let config = Config { tombstone_on_empty: true, types, ..defaults() };
    for (cell, empty) in [("2400-01-01 00:00:00", true), ("2019-03-24 20:52:59", false)] {
        let row = with(&[("payload", TIMESTAMP, Some(cell))]);
        insert(config.clone(), &row, |event| assert_eq!(event.tombstone, empty, "{cell}"));
    }
}

#[test]
fn with_compat_strict_an_array_of_bits_is_a_column_without_values() {
    let config = |strict| Config { tombstone_on_empty: true, strict, ..defaults() };
    let row = with(&[("payload", 1561, Some("{101}"))]);
    assert_eq!(refused(config(false), &row).reason, Reason::ColumnMissing);
    insert(config(true), &row, |event| {
        assert!(event.tombstone);
        assert_eq!(event.plan.payload.read(b"{101}"), Ok(value::Value::Null));
    });
    // Inner arrays are lost, and their number is not.
    let row = with(&[("payload", 1007, Some("{{1},{2}}"))]);
    for (strict, inner) in [(false, None), (true, Some(vec![value::Value::Null; 2]))] {
        insert(config(strict), &row, |event| {
            let read = event.plan.payload.read(b"{{1},{2}}").unwrap();
            assert_eq!(read == value::Value::Array(inner.clone().unwrap_or_default()), inner.is_some());
        });
    }
}

#[test]
fn a_tombstone_keeps_key_topic_partition_and_timestamp() {
    let config = Config {
        tombstone_on_empty: true,
        timestamp: Some("t".to_owned()),
        placements: vec![place("p", Place::Partition, "p"), place("is_deleted", Place::Envelope, "deleted")],
        ..defaults()
    };
    let row = with(&[
        ("payload", JSONB, None),
        ("t", TIMESTAMP, Some("1970-01-01 00:00:01")),
        ("p", INT4, Some("2")),
        ("is_deleted", BOOL, Some("t")),
    ]);
    insert(config, &row, |event| {
        assert!(event.tombstone);
        assert_eq!(
            (&**event.topic, event.partition, event.timestamp_ms),
            ("outbox.event.User", Some(2), Some(1000))
        );
        assert_eq!(text(&event, &event.plan.key), "10711fa5");
    });
}

#[test]
fn a_payload_that_is_null_is_its_default_and_empty_only_if_that_is() {
    let tombstone = |oid, expression: &str| {
        let row = with(&[("payload", oid, None)]);
        let facts = facts(vec![default("payload", expression)]);
        let config = Config { tombstone_on_empty: true, ..defaults() };
        Outbox::new(config, &relation(&row), &facts).insert(&row, |event| event.tombstone)
    };
    assert!(!tombstone(JSONB, "'{}'::jsonb"));
    assert!(!tombstone(INT4, "7"));
    assert!(tombstone(VARCHAR, "''::character varying"));
    assert!(tombstone(VARCHAR, "'  '::character varying"));
    assert!(tombstone(VARCHAR, "NULL::character varying"));
}

#[test]
fn a_missing_column_refuses_every_row_and_is_named_with_those_that_are_there() {
    let config = Config { key: "fakefield".to_owned(), payload: "Payload".to_owned(), ..defaults() };
    let rejection = refused(config, &USER_CREATED);
    assert_eq!((rejection.reason, rejection.table.as_str()), (Reason::ColumnMissing, "public.outbox"));
    assert_eq!(
        rejection.detail,
        "column fakefield is not there; column Payload is not there; public.outbox is published with the columns id, \
         aggregatetype, aggregateid, type, payload"
    );
    assert_eq!(rejection.event_id.as_deref(), Some(ID));
}

#[test]
fn a_missing_placement_is_refused_or_ignored_as_configured() {
    for kind in [Place::Envelope, Place::Header, Place::Partition] {
        let config = placing(vec![place("nonExistingField", kind, "alias")]);
        assert_eq!(refused(config.clone(), &USER_CREATED).reason, Reason::ColumnMissing);
        insert(Config { ignore_missing: true, ..config }, &USER_CREATED, |event| {
            assert!(event.plan.headers.is_empty() && event.partition.is_none());
            let struct_without_it = (kind == Place::Envelope).then(Vec::new);
            assert_eq!(event.plan.envelope, struct_without_it);
        });
    }
    let config = Config { key: "fakefield".to_owned(), ignore_missing: true, ..defaults() };
    assert_eq!(
        refused(config, &USER_CREATED).reason,
        Reason::ColumnMissing,
        "only placements can be ignored"
    );
}

#[test]
fn a_column_of_a_type_that_connect_does_not_know_is_missing() {
    let config = placing(vec![place("shape", Place::Header, "shape")]);
    let row = with(&[("shape", 604, Some("((0,0),(1,1))"))]);
    let rejection = refused(config.clone(), &row);
    assert!(rejection.detail.contains("column shape is of type OID 604"), "{}", rejection.detail);
    insert(Config { ignore_missing: true, ..config }, &row, |event| assert!(event.plan.headers.is_empty()));
}

#[test]
fn a_rejection_names_the_row_by_its_id_or_the_ids_default() {
    let id = |oid, cell, expression: &str| {
        let row = with(&[("id", oid, cell), ("aggregatetype", VARCHAR, None)]);
        let facts = facts(vec![default("id", expression)]);
        Outbox::new(defaults(), &relation(&row), &facts).refuse(&row).event_id
    };
    assert_eq!(id(INT8, Some("42"), "0").as_deref(), Some("42"));
    assert_eq!(id(INT8, None, "7").as_deref(), Some("7"));
    assert_eq!(id(VARCHAR, None, "'none'::text").as_deref(), Some("none"));
    assert_eq!(id(VARCHAR, None, "NULL::text"), None);
    assert_eq!(id(VARCHAR, Some(&"x".repeat(5000)), "NULL::text").map(|id| id.len()), Some(103));
}

proptest! {
    #[test]
    fn any_row_is_an_event_or_a_rejection(
        texts in proptest::collection::vec(proptest::option::of("[ -~äß\\n]{0,12}|[0-9-]{1,12}|2024-01-01 00:00:00"), 8),
        types in proptest::collection::vec(proptest::sample::select(vec![
            BOOL, BYTEA, INT4, INT8, TEXT, VARCHAR, TIMESTAMP, TIMESTAMPTZ, NUMERIC, UUID, JSONB, 604,
        ]), 8),
        tombstone_on_empty in any::<bool>(),
        ignore_missing in any::<bool>(),
    ) {
        let names = ["id", "aggregatetype", "aggregateid", "payload", "t", "p", "v", "extra"];
        let row: Vec<Column<'_>> = (0..8).map(|i| (names[i], types[i], texts[i].as_deref())).collect();
        let config = Config {
            tombstone_on_empty,
            ignore_missing,
            timestamp: Some("t".to_owned()),
            schema_version: Some("v".to_owned()),
            placements: vec![place("p", Place::Partition, "p"), place("extra", Place::Envelope, "e")],
            ..defaults()
        };
        let mut outbox = outbox(config, &row);
        let message = testing::insert(OID, &cells(&row));
        match outbox.route(&message) {
            Routed::Event(event) => {
                prop_assert!(crate::route::topic::check_topic_name(event.topic).is_ok());
                prop_assert!(event.partition.is_none_or(|partition| partition >= 0));
                prop_assert!(event.timestamp_ms.is_none_or(|ms| ms >= 0));
            }
            Routed::Rejected(rejection) => prop_assert!(!rejection.hint.is_empty()),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
