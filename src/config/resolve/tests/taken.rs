//! What is written, or not written, is taken to mean.

use super::*;

#[test]
fn defaults_are_debeziums_and_connects() {
    let config = config("");
    assert_eq!(config.name, "shop");
    assert_eq!(
        (config.source.slot.as_str(), config.source.publication.as_str()),
        ("debezium", "dbz_publication")
    );
    assert_eq!(config.source.status_interval, Duration::from_secs(10));
    assert_eq!((config.postgres.port, config.postgres.ssl_mode), (5432, SslMode::Prefer));
    assert!(config.postgres.tcp_keepalive);
    assert_eq!(config.publication_autocreate, PublicationAutocreate::AllTables);
    assert!(!config.publish_via_partition_root && !config.slot_failover);
    assert_eq!(config.heartbeat_interval, Duration::ZERO);
    assert_eq!(config.heartbeat_topic, "__debezium-heartbeat.shop");
    let json =
        Converter::Json { schemas: true, decimal: DecimalFormat::Base64, replace_null_with_default: true };
    assert_eq!((&config.encode.key, &config.encode.value), (&json, &json));
    assert_eq!(config.encode.header, HeaderConverter::Simple);
    assert_eq!(config.encode.max_record_bytes, 1_048_576);
    assert_eq!(config.encode.context.expect("context headers").logical_name, "shop");
    let route = config.route;
    assert_eq!(
        [&*route.id, &*route.key, &*route.payload, &*route.route_by],
        ["id", "aggregateid", "payload", "aggregatetype"]
    );
    assert_eq!((route.timestamp, route.schema_version), (None, None));
    assert_eq!(route.topic.regex, "(?<routedByValue>.*)");
    assert_eq!(route.topic.replacement, "outbox.event.${routedByValue}");
    assert_eq!(route.on_update, OnUpdate::Warn);
    assert!(route.placements.is_empty() && !route.ignore_missing && !route.tombstone_on_empty);
    assert_eq!(config.retry_wait_most, Duration::from_secs(10));
}

#[test]
fn every_snapshot_mode_of_debezium_is_taken_that_needs_no_java() {
    for (word, mode) in [
        ("no_data", SnapshotMode::NoData),
        ("never", SnapshotMode::NoData),
        ("initial", SnapshotMode::Initial),
        ("initial_only", SnapshotMode::InitialOnly),
        ("when_needed", SnapshotMode::WhenNeeded),
        ("ALWAYS", SnapshotMode::Always),
    ] {
        assert_eq!(config(&format!("snapshot.mode={word}")).snapshot.mode, mode, "{word}");
    }
    let snapshot =
        config("snapshot.max.threads=7\nsnapshot.include.collection.list=public\\\\.out.*").snapshot;
    assert_eq!((snapshot.threads, snapshot.tables.len()), (7, 1));
    assert!(snapshot.tables[0].is_match("public.outbox").unwrap());
    assert_eq!(config("").snapshot.threads, 4);
    assert_eq!(config("skipped.operations=t,r").snapshot.mode, SnapshotMode::NoData);
}

#[test]
fn walposts_own_properties_have_their_defaults() {
    let config = config("slot.name=s1");
    assert_eq!(config.publish.position_topic, "__walpost.position.shop.s1");
    assert_eq!(config.publish.position_key, r#"{"v":1,"prefix":"shop","database":"shop","slot":"s1"}"#);
    assert_eq!(config.publish.transactional_id, "walpost-shop-s1");
    assert_eq!((config.publish.limits.events, config.publish.limits.bytes), (10_000, 8 << 20));
    assert_eq!(config.publish.limits.age, Duration::from_millis(100));
    assert_eq!((config.memory_most, config.source.queue_bytes), (128 << 20, 4 << 20));
    assert_eq!(config.kafka.producer["queue.buffering.max.kbytes"], "9216");
    assert_eq!(config.source.silence_timeout, Duration::from_secs(60));
    assert_eq!(config.idle_position_interval, Duration::from_secs(30));
    assert_eq!(config.idle_position_bytes, 16 << 20);
    assert_eq!(config.shutdown_timeout, Duration::from_secs(15));
    assert_eq!(config.postgres.connect_timeout, Duration::from_secs(10));
    assert_eq!((config.http_listen, config.adopt), (None, None));
    assert_eq!((config.log.format, config.log.level.as_deref()), (Format::Text, Some("info")));
}

#[test]
fn what_is_written_is_taken() {
    let config = config(
        "name=orders\nwalpost.http.listen=localhost:0\nwalpost.adopt=SLOT\nwalpost.log.format=json\n\
         walpost.log.level=warn,walpost::source=debug\nextended.headers.enabled=false\n\
         slot.stream.params=origin=none; x = y ;\nslot.failover=true\nheartbeat.interval.ms=2000\n\
         heartbeat.action.query=SELECT 1\ntopic.heartbeat.name=beats\npublication.autocreate.mode=filtered\n\
         publish.via.partition.root=TRUE\nwalpost.position.topic=p\nwalpost.transactional.id=t\n\
         database.sslmode=verify-full\nwalpost.batch.max.events=7\nschema.include.list=public",
    );
    assert_eq!(config.name, "orders");
    assert_eq!(config.http_listen.map(|address| address.to_string()).as_deref(), Some("127.0.0.1:0"));
    assert_eq!(config.adopt, Some(Adopt::Slot));
    assert_eq!(config.log.format, Format::Json);
    assert!(config.encode.context.is_none());
    let params = [("origin", "none"), ("x", "y"), ("messages", "true")];
    let params = params.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(config.source.stream_params, params);
    assert!(config.slot_failover && config.publish_via_partition_root);
    assert_eq!(config.heartbeat_interval, Duration::from_secs(2));
    assert_eq!(config.heartbeat_action_query.as_deref(), Some("SELECT 1"));
    assert_eq!(config.heartbeat_topic, "beats");
    assert_eq!(config.publication_autocreate, PublicationAutocreate::Filtered);
    assert_eq!(
        (config.publish.position_topic.as_str(), config.publish.transactional_id.as_str()),
        ("p", "t")
    );
    assert_eq!(config.postgres.ssl_mode, SslMode::VerifyFull);
    assert_eq!(config.publish.limits.events, 7);
}

#[test]
fn the_event_routers_properties_are_taken_under_its_name() {
    let config = config(
        "transforms=ob\ntransforms.outbox.type=\ntransforms.ob.type=EventRouter\n\
         transforms.ob.table.field.event.timestamp=at\ntransforms.ob.table.field.event.schema.version=v\n\
         transforms.ob.table.fields.additional.placement= type : Header : eventType ,region:envelope,p:partition:\n\
         transforms.ob.table.field.additional.missing=IGNORE\ntransforms.ob.table.op.invalid.behavior=Fatal\n\
         transforms.ob.route.topic.replacement=${routedByValue}.events\n\
         transforms.ob.route.tombstone.on.empty.payload=true",
    );
    let route = config.route;
    assert_eq!((route.timestamp.as_deref(), route.schema_version.as_deref()), (Some("at"), Some("v")));
    let placed: Vec<_> = route.placements.iter().map(|it| (&*it.column, it.place, &*it.alias)).collect();
    assert_eq!(
        placed,
        [
            ("type", Place::Header, "eventType"),
            ("region", Place::Envelope, "region"),
            ("p", Place::Partition, "p")
        ]
    );
    assert!(route.ignore_missing && route.tombstone_on_empty);
    assert_eq!(route.on_update, OnUpdate::Fatal);
    assert_eq!(route.topic.replacement, "${routedByValue}.events");
}

#[test]
fn the_older_name_of_a_missing_column_is_taken_unless_the_newer_is_written() {
    let old = "transforms.outbox.table.fields.additional.error.on.missing=false";
    assert!(config(old).route.ignore_missing);
    let both = format!("{old}\ntransforms.outbox.table.field.additional.missing=error");
    assert!(!config(&both).route.ignore_missing);
}

#[test]
fn skipped_updates_are_dropped_even_where_updates_are_fatal() {
    let fatal = "transforms.outbox.table.op.invalid.behavior=fatal";
    assert_eq!(config(fatal).route.on_update, OnUpdate::Fatal);
    assert_eq!(config(&format!("{fatal}\nskipped.operations=u, d,t")).route.on_update, OnUpdate::Warn);
}

#[test]
fn include_lists_match_whole_names_in_any_case_and_keep_escaped_commas() {
    let tables = config("table.include.list=public\\\\.outbox, shop\\\\.out.*,a{1\\\\,2}").route.tables;
    let matches = |name: &str| tables.include.iter().any(|regex| regex.is_match(name).unwrap());
    assert_eq!(tables.include.len(), 3);
    assert!(
        matches("public.outbox") && matches("PUBLIC.Outbox") && matches("shop.outbox_2") && matches("aa")
    );
    assert!(!matches("public.outbox2") && !matches("xpublic.outbox"));
}

#[test]
fn a_topic_name_predicate_of_the_router_is_honoured() {
    let lines = "predicates=p\npredicates.p.type=org.apache.kafka.connect.transforms.predicates.TopicNameMatches\n\
                 predicates.p.pattern=shop\\\\.public\\\\.outbox\ntransforms.outbox.predicate=p";
    let (regex, negated) = config(lines).route.tables.predicate.expect("a predicate");
    assert!(regex.is_match("shop.public.outbox").unwrap() && !regex.is_match("shop.public.outbox2").unwrap());
    assert!(!negated);
    let negated = config(&format!("{lines}\ntransforms.outbox.negate=true")).route.tables.predicate;
    assert!(negated.expect("a predicate").1);
}

#[test]
fn a_predicate_on_tombstones_is_fulfilled_by_no_row() {
    let lines = "predicates=t\npredicates.t.type=RecordIsTombstone\ntransforms.outbox.predicate=t";
    assert!(config(&format!("{lines}\ntransforms.outbox.negate=true")).route.tables.predicate.is_none());
    let never = with(lines).unwrap_err().to_string();
    assert!(never.contains("a row is no tombstone"), "{never}");
    assert!(never.contains("write transforms.outbox.negate=true"), "{never}");
}

#[test]
fn converters_have_their_options() {
    let encode = config(
        "key.converter=org.apache.kafka.connect.storage.StringConverter\n\
         value.converter=io.debezium.converters.BinaryDataConverter\n\
         value.converter.delegate.converter.type=org.apache.kafka.connect.json.JsonConverter\n\
         value.converter.delegate.converter.type.schemas.enable=false\n\
         header.converter=JsonConverter\nheader.converter.decimal.format=numeric\n\
         header.converter.replace.null.with.default=false",
    )
    .encode;
    assert_eq!(encode.key, Converter::String);
    let json =
        Converter::Json { schemas: false, decimal: DecimalFormat::Base64, replace_null_with_default: true };
    assert_eq!(encode.value, Converter::Binary { delegate: Some(Box::new(json)) });
    let json =
        Converter::Json { schemas: true, decimal: DecimalFormat::Numeric, replace_null_with_default: false };
    assert_eq!(encode.header, HeaderConverter::As(json));
}

#[test]
fn an_option_of_another_converter_is_without_effect() {
    let found = notices("key.converter=StringConverter\nkey.converter.schemas.enable=false");
    assert!(
        found.contains(
            &"key.converter.schemas.enable: ignored: StringConverter has no such option".to_owned()
        )
    );
}

#[test]
fn topics_are_made_unless_that_is_switched_off() {
    let creation = config("").kafka.topic_creation.expect("on by default");
    assert_eq!((creation.partitions, creation.replication_factor), (-1, -1));
    let lines = "topic.creation.default.partitions=6\ntopic.creation.default.replication.factor=3\n\
                 topic.creation.default.cleanup.policy=compact";
    let creation = config(lines).kafka.topic_creation.expect("on by default");
    assert_eq!((creation.partitions, creation.replication_factor), (6, 3));
    assert_eq!(
        creation.settings.into_iter().collect::<Vec<_>>(),
        [("cleanup.policy".into(), "compact".into())]
    );
    assert!(config(&format!("{lines}\ntopic.creation.enable=false")).kafka.topic_creation.is_none());
}

#[test]
fn client_properties_go_from_bare_to_producer_to_override() {
    let setting = |lines: &str, name: &str| {
        let kafka = config(lines).kafka;
        (kafka.producer.get(name).cloned(), kafka.admin.get(name).cloned())
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(setting("", "bootstrap.servers"), (some("kafka:9092"), some("kafka:9092")));
    let bare = "client.id=a";
    assert_eq!(setting(bare, "client.id"), (some("a"), some("a")));
    let producer = format!("{bare}\nproducer.client.id=b");
    assert_eq!(setting(&producer, "client.id"), (some("b"), some("a")));
    let over = format!("{producer}\nproducer.override.client.id=c\nconsumer.client.id=d");
    assert_eq!(setting(&over, "client.id"), (some("c"), some("d")));
    let admin = format!("{over}\nadmin.override.client.id=e");
    assert_eq!(setting(&admin, "client.id"), (some("c"), some("e")));
    assert_eq!(setting("compression.type=lz4", "compression.type"), (some("lz4"), None));
}

#[test]
fn the_producer_is_walposts_own_unless_librdkafkas_is_asked_for_or_needed() {
    assert_eq!(config("").kafka.kind, ProducerKind::Native);
    assert_eq!(config("walpost.kafka.producer=librdkafka").kafka.kind, ProducerKind::Librdkafka);
    let needed = "compression.type=lz4\ncompression.lz4.level=9";
    assert_eq!(config(needed).kafka.kind, ProducerKind::Librdkafka);
    let told = notices(needed);
    let told = told.iter().find(|notice| notice.starts_with("walpost.kafka.producer")).expect("a notice");
    assert!(told.contains("librdkafka, because of compression.level: lz4 has one level"), "{told}");
    let without_effect =
        |lines: &str| notices(lines).iter().any(|notice| notice.starts_with("producer.retries: ignored"));
    assert!(without_effect("producer.retries=7"));
    assert!(!without_effect("producer.retries=7\nwalpost.kafka.producer=librdkafka"));
}

#[test]
fn the_producers_transactional_id_and_record_size_are_walposts() {
    let config = config("producer.override.transactional.id=connect-1\nproducer.max.request.size=5000000");
    assert_eq!(config.publish.transactional_id, "connect-1");
    assert_eq!(config.encode.max_record_bytes, 5_000_000);
    assert!(!config.kafka.producer.contains_key("transactional.id"));
}

#[test]
fn consumer_properties_of_a_worker_are_no_error() {
    let found = notices("consumer.max.poll.records=5\nconsumer.isolation.level=read_uncommitted");
    assert!(found.iter().any(|notice| notice.starts_with("consumer.max.poll.records: ignored")), "{found:?}");
}
