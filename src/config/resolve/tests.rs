//! What a configuration promises, from files to [`Config`].

use super::*;
use crate::config::{Adopt, PublicationAutocreate};
use crate::encode::{Converter, DecimalFormat, HeaderConverter};
use crate::observe::logging::Format;
use crate::postgres::SslMode;
use crate::route::{OnUpdate, Place};
use std::fmt::Write as _;
use std::time::Duration;

const ENOUGH: &str = "
    topic.prefix=shop
    database.hostname=db.example
    database.user=walpost
    database.password=hush
    database.dbname=shop
    bootstrap.servers=kafka:9092
    plugin.name=pgoutput
    snapshot.mode=no_data
    transforms=outbox
    transforms.outbox.type=io.debezium.transforms.outbox.EventRouter
";

/// Files in a directory of their own.
struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Files {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        Files(directory)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn load(&self, config: &str, worker: Option<&str>) -> Result<Loaded, Problems> {
        let environment = |name: &str| match name {
            "PORT" => Some("none".to_owned()),
            "HOST" => Some("db.example".to_owned()),
            _ => None,
        };
        let worker = worker.map(|worker| self.0.path().join(worker));
        load(&self.0.path().join(config), worker.as_deref(), &environment)
    }

    /// Each problem or notice without the directory's name.
    fn short(&self, text: impl ToString) -> String {
        text.to_string().replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// What is enough, and these lines over it.
fn with(lines: &str) -> Result<Loaded, Problems> {
    let key = |line: &str| line.trim().split('=').next().unwrap_or_default().to_owned();
    let written: Vec<String> = lines.lines().map(key).collect();
    let mut text = lines.to_owned();
    for line in ENOUGH.lines().filter(|line| !written.contains(&key(line))) {
        let _ = write!(text, "\n{line}");
    }
    Files::new(&[("c.properties", &text)]).load("c.properties", None)
}

fn config(lines: &str) -> Config {
    match with(lines) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{problems}"),
    }
}

/// The problems of these lines, each without file and line.
fn problems(lines: &str) -> Vec<String> {
    let Err(problems) = with(lines) else { panic!("nothing is wrong with {lines}") };
    let short = |problem: &crate::config::Problem| {
        let text = problem.to_string();
        text.strip_prefix(&format!("{}: ", problem.origin)).unwrap_or(&text).to_owned()
    };
    problems.0.iter().map(short).collect()
}

/// The one problem of these lines.
fn problem(lines: &str) -> String {
    let problems = problems(lines);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems[0].clone()
}

fn notices(lines: &str) -> Vec<String> {
    let loaded = with(lines).unwrap_or_else(|problems| panic!("{problems}"));
    loaded.notices.iter().map(|notice| format!("{}: {}", notice.key, notice.text)).collect()
}

// === what is taken ===

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
fn walposts_own_properties_have_their_defaults() {
    let config = config("slot.name=s1");
    assert_eq!(config.publish.position_topic, "__walpost.position.shop.s1");
    assert_eq!(config.publish.position_key, r#"{"v":1,"prefix":"shop","database":"shop","slot":"s1"}"#);
    assert_eq!(config.publish.transactional_id, "walpost-shop-s1");
    assert_eq!((config.publish.limits.events, config.publish.limits.bytes), (20_000, 8 << 20));
    assert_eq!(config.publish.limits.age, Duration::from_millis(100));
    assert_eq!(config.source.queue_bytes, 8 << 20);
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
    let params = [("origin".to_owned(), "none".to_owned()), ("x".to_owned(), "y".to_owned())];
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
        let of = |own: &std::collections::BTreeMap<String, String>| {
            own.get(name).or(kafka.common.get(name)).cloned()
        };
        (of(&kafka.producer), of(&kafka.admin))
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

// === files ===

#[test]
fn json_and_properties_say_the_same() {
    let json = r#"{"name": "orders", "config": {
        "topic.prefix": "shop", "database.hostname": "h", "database.port": 5433, "database.user": "u",
        "database.dbname": "d", "bootstrap.servers": "k:1", "transforms": "outbox",
        "transforms.outbox.type": "io.debezium.transforms.outbox.EventRouter",
        "transforms.outbox.route.tombstone.on.empty.payload": true}}"#;
    let loaded = Files::new(&[("c.json", json)]).load("c.json", None).unwrap();
    assert_eq!((loaded.config.name.as_str(), loaded.config.postgres.port), ("orders", 5433));
    assert!(loaded.config.route.tombstone_on_empty);
    // A file of another name is known by its first character.
    assert!(Files::new(&[("connector", json)]).load("connector", None).is_ok());
}

#[test]
fn the_connector_wins_over_the_worker() {
    let files = Files::new(&[
        ("c.properties", ENOUGH),
        ("w.properties", "bootstrap.servers=other:1\nproducer.linger.ms=5\nslot.name=w\ngroup.id=g\n"),
    ]);
    let loaded = files.load("c.properties", Some("w.properties")).unwrap();
    assert_eq!(loaded.config.kafka.common["bootstrap.servers"], "kafka:9092");
    assert_eq!(loaded.config.source.slot, "w");
    let notice = loaded.notices.iter().find(|notice| notice.key == "group.id").expect("a notice");
    assert_eq!(files.short(notice), "w.properties:4: group.id = g: ignored: there is no group of workers");
}

#[test]
fn a_converter_has_the_options_of_the_file_that_names_it() {
    let files = Files::new(&[
        (
            "c.properties",
            &format!("{ENOUGH}\nvalue.converter=JsonConverter\nkey.converter.schemas.enable=true"),
        ),
        (
            "w.properties",
            "key.converter=JsonConverter\nkey.converter.schemas.enable=false\nvalue.converter=StringConverter\n\
             value.converter.schemas.enable=false\n",
        ),
    ]);
    let loaded = files.load("c.properties", Some("w.properties")).unwrap();
    let schemas = |converter: &Converter| matches!(converter, Converter::Json { schemas: true, .. });
    assert!(!schemas(&loaded.config.encode.key), "the worker names key.converter");
    assert!(schemas(&loaded.config.encode.value), "the connector names value.converter");
    let dropped: Vec<&str> = loaded.notices.iter().map(|notice| notice.key.as_str()).collect();
    assert_eq!(dropped, ["key.converter.schemas.enable", "value.converter.schemas.enable"]);
}

#[test]
fn a_workers_heartbeat_is_not_the_connectors() {
    let files = Files::new(&[("c.properties", ENOUGH), ("w.properties", "heartbeat.interval.ms=3000")]);
    let loaded = files.load("c.properties", Some("w.properties")).unwrap();
    assert_eq!(loaded.config.heartbeat_interval, Duration::ZERO);
}

#[test]
fn a_file_that_is_torn_or_missing_is_the_only_problem() {
    let files = Files::new(&[("c.json", "{\n \"topic.prefix\": \"a\"\n \"b\": 1}")]);
    let problems = files.load("c.json", None).unwrap_err();
    assert_eq!(
        files.short(&problems),
        "c.json:3: this is not JSON: expected `,` or `}` (column 2)",
        "{problems}"
    );
    let problems = files.load("none.json", None).unwrap_err();
    assert_eq!(problems.0.len(), 1);
    assert!(files.short(&problems).starts_with("none.json: cannot be read: "), "{problems}");
}

// === what is wrong ===

#[test]
fn all_problems_are_reported_at_once_by_file_and_line() {
    let json = "{\n  \"name\": \"orders\",\n  \"slot.nmae\": \"s\",\n  \"database.port\": \"x\",\n  \
                \"snapshot.mode\": \"initial\",\n  \"transforms\": \"outbox,flat\",\n  \
                \"transforms.outbox.type\": \"io.debezium.transforms.outbox.EventRouter\",\n  \
                \"transforms.flat.type\": \"io.debezium.transforms.ExtractNewRecordState\",\n  \
                \"transforms.flat.drop.tombstones\": true,\n  \"slot.name\": \"S\"\n}";
    let files = Files::new(&[("c.json", json), ("w.properties", "key.converter=Avro\nacks=1\n")]);
    let problems = files.load("c.json", Some("w.properties")).unwrap_err();
    let lines = files.short(&problems);
    let found: Vec<&str> = lines.lines().map(|line| line.split(" = ").next().unwrap()).collect();
    assert_eq!(found, [
        "c.json: bootstrap.servers: it is missing; write bootstrap.servers=… (Brokers to ask first: `host:port`, between commas)",
        "c.json: database.dbname: it is missing; write database.dbname=… (Database)",
        "c.json: database.hostname: it is missing; write database.hostname=… (Host, or the directory of a unix socket)",
        "c.json: database.user: it is missing; write database.user=… (Role to log in as; it needs REPLICATION)",
        "c.json: topic.prefix: it is missing; write topic.prefix=… (Logical name: part of schema names, of the position's key and of heartbeat topics)",
        "c.json:3: slot.nmae",
        "c.json:4: database.port",
        "c.json:5: snapshot.mode",
        "c.json:8: transforms.flat.type",
        "c.json:10: slot.name",
        "w.properties:1: key.converter",
        "w.properties:2: acks",
    ].map(|line| line.split(" = ").next().unwrap()), "{lines}");
}

#[test]
fn a_misspelt_key_gets_the_nearest_known_one() {
    for (written, meant) in [
        ("slot.nmae", "slot.name"),
        ("database.hostnam", "database.hostname"),
        ("transforms.outbox.route.by.feild", "transforms.outbox.route.by.field"),
        ("value.converter.schema.enable", "value.converter.schemas.enable"),
        ("producer.override.compresion.type", "producer.override.compression.type"),
        ("sasl.mechansim", "sasl.mechanism"),
        ("walpost.batch.max.event", "walpost.batch.max.events"),
    ] {
        let problem = problem(&format!("{written}=x"));
        assert_eq!(problem, format!("{written} = x: no property of this name is known; write {meant}"));
    }
    assert_eq!(
        problem("quite.another=x"),
        "quite.another = x: no property of this name is known; take it out"
    );
    let unnamed = problem("transforms.outbx.route.by.field=x");
    assert!(
        unnamed.ends_with("transforms does not name outbx; write transforms.outbox.route.by.field"),
        "{unnamed}"
    );
}

#[test]
fn every_refused_property_says_what_to_write() {
    for property in catalog::all() {
        let Support::Refused(refusal) = property.support else { continue };
        let key = property
            .key(if property.name.starts_with("transforms") { "outbox" } else { "sha" })
            .replace("<salt>", "s");
        let found = problem(&format!("{key}=1"));
        let value = if catalog::is_secret_key(&key) { MASK } else { "1" };
        assert_eq!(found, format!("{key} = {value}: {}; {}", refusal.why, refusal.instead));
        assert!(with(&format!("{key}=")).is_ok(), "{key} written empty is as if it were not there");
    }
}

#[test]
fn every_refused_value_says_what_to_write() {
    let mut seen = 0;
    for property in catalog::all() {
        let (catalog::Kind::Choice(choices) | catalog::Kind::Class(choices)) = property.kind else {
            continue;
        };
        for choice in choices {
            let Some(refusal) = choice.refused else { continue };
            let fill = match property.name {
                name if name.starts_with('<') => "key.converter",
                name if name.starts_with("predicates") => "p",
                _ => "outbox",
            };
            let lines = format!(
                "{}={}\nkey.converter{}\npredicates=p\npredicates.p.pattern=x\ntransforms.outbox.predicate=p{}",
                property.key(fill),
                choice.word,
                if property.name == "key.converter" { ".x=1" } else { "=BinaryDataConverter" },
                if property.name.starts_with("predicates") {
                    ""
                } else {
                    "\npredicates.p.type=TopicNameMatches"
                },
            );
            let found = problems(&lines);
            let expected =
                format!("{} = {}: {}; {}", property.key(fill), choice.word, refusal.why, refusal.instead);
            assert_eq!(found, [expected]);
            assert!(
                refusal.instead.starts_with("write ") || refusal.instead.starts_with("leave "),
                "{}",
                refusal.instead
            );
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn every_ignored_property_is_said_to_be_without_effect() {
    for property in catalog::all() {
        let Support::Ignored(why) = property.support else { continue };
        let key = property.key(match property.name {
            name if name.starts_with("transforms") => "outbox",
            name if name.starts_with("predicates") => "p",
            name if name.starts_with('<') => "key.converter",
            _ => "x",
        });
        let key = key.replace("<option>", "x");
        let lines = format!(
            "{key}=1\npredicates=p\npredicates.p.type=TopicNameMatches\npredicates.p.pattern=x\ntransforms.outbox.predicate=p"
        );
        let found = notices(&lines);
        assert!(found.contains(&format!("{key}: ignored: {why}")), "{key}: {found:#?}");
    }
}

#[test]
fn values_are_checked_by_their_kind() {
    for (line, what) in [
        ("database.port=0", "it is less than 1; write a number from 1 to 65535"),
        ("database.port=70000", "it is more than 65535; write a number from 1 to 65535"),
        (
            "walpost.batch.max.events=many",
            "it is not a whole number; write a number of events from 1 to 1000000",
        ),
        ("heartbeat.interval.ms=-1", "it is less than 0; write a number of milliseconds, at least 0"),
        ("slot.failover=yes", "it is neither true nor false; write true or false"),
        ("database.sslmode=verify_full", "there is no such value; write verify-full"),
        ("exactly.once.support=maybe", "there is no such value; write one of requested, required"),
        (
            "connector.class=io.debezium.connector.mysql.MySqlConnector",
            "no class of this name is known here; write io.debezium.connector.postgresql.PostgresConnector",
        ),
        (
            "database.sslrootcert=/nowhere/root.pem",
            "the file cannot be opened: No such file or directory (os error 2); check the name and who may read it",
        ),
        (
            "topic.prefix=a b",
            "there are letters in it that a topic's name may not have; write letters, digits, dots, underscores and hyphens",
        ),
        (
            "slot.name=Big",
            "Postgres has no slots of such a name; write up to 63 lower-case letters, digits and underscores",
        ),
        (
            "slot.stream.params=proto_version=2",
            "proto_version is set by walpost itself; take proto_version out",
        ),
        ("slot.stream.params=x", "an item is not name=value; write name=value;name=value"),
        (
            "skipped.operations=c",
            "with c no event would ever be published; write some of u, d, t, r, or none",
        ),
        (
            "walpost.http.listen=9187",
            "it is not an address and a port; write 127.0.0.1:9187, or 0.0.0.0:9187 for every interface",
        ),
        (
            "walpost.log.level=verbose",
            "it is neither a level nor a filter; write error, warn, info, debug or trace, or info,walpost::source=debug",
        ),
        ("bootstrap.servers=kafka", "`kafka` is not host:port; write host:port,host:port"),
        (
            "transforms.outbox.predicate=p",
            "predicates does not name it; add predicates and its type, or leave this out",
        ),
    ] {
        let (key, value) = line.split_once('=').unwrap();
        assert_eq!(problem(line), format!("{key} = {value}: {what}"));
    }
}

#[test]
fn a_regex_that_java_would_not_take_is_named() {
    for line in [
        "table.include.list=public.outbox,(",
        "transforms.outbox.route.topic.regex=(",
        "transforms.outbox.route.topic.regex=[a",
    ] {
        let problem = problem(line);
        assert!(problem.contains("is not a Java regular expression"), "{problem}");
    }
}

#[test]
fn each_placement_that_cannot_be_used_is_named() {
    let found = problems(
        "transforms.outbox.table.fields.additional.placement=type,a:header:b:c,x:haeder,ok:header:,:envelope",
    );
    assert_eq!(found.len(), 4, "{found:#?}");
    for (item, what) in [
        ("`type`", "is not column:place"),
        ("`a:header:b:c`", "is not column:place"),
        ("`x:haeder`", "has no place haeder (meant is header?)"),
        ("`:envelope`", "is not column:place"),
    ] {
        assert!(
            found.iter().any(|problem| problem.contains(&format!("{item} {what}"))),
            "{item}: {found:#?}"
        );
    }
}

#[test]
fn without_an_event_router_the_two_lines_to_add_are_given() {
    let lines = "add transforms=outbox and transforms.outbox.type=io.debezium.transforms.outbox.EventRouter";
    let missing = problem("transforms=\ntransforms.outbox.type=");
    assert!(missing.ends_with(&format!("the outbox event router is missing; {lines}")), "{missing}");
    let found =
        problems("transforms=a\ntransforms.a.type=RegexRouter\ntransforms.outbox.type=\ntransforms.a.x=1");
    assert_eq!(found, [
        format!("transforms = a: none of these is the outbox event router; {lines}"),
        "transforms.a.type = RegexRouter: no transform runs here but the outbox event router; take a out of transforms".into(),
    ]);
}

#[test]
fn two_event_routers_are_one_too_many() {
    let found = problem("transforms=outbox,again\ntransforms.again.type=EventRouter");
    assert!(
        found.contains("there is an event router already: outbox; take again out of transforms"),
        "{found}"
    );
}

#[test]
fn include_and_exclude_lists_do_not_go_together() {
    let found = problem("table.include.list=a\ntable.exclude.list=b");
    assert_eq!(
        found,
        "table.exclude.list = b: table.include.list is there already; leave one of the two out"
    );
}

#[test]
fn keys_of_a_refused_converter_are_not_reported_one_by_one() {
    let found = problem(
        "value.converter=io.confluent.connect.avro.AvroConverter\nvalue.converter.schema.registry.url=http://x\nvalue.converter.auto.register.schemas=false",
    );
    assert!(found.starts_with("value.converter = io.confluent"), "{found}");
    let found = problem("converters=isbn\nisbn.type=com.example.Isbn\nisbn.schema.name=x");
    assert!(found.starts_with("converters = isbn"), "{found}");
}

#[test]
fn a_key_in_javas_form_is_told_how_to_become_pem() {
    let files = Files::new(&[
        ("k.pk8", "\x30\x02"),
        ("c.pem", "-----BEGIN CERTIFICATE-----"),
        ("e.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----"),
    ]);
    let certificate = format!("database.sslcert={}", files.path("c.pem"));
    let found = problem(&format!("{certificate}\ndatabase.sslkey={}", files.path("k.pk8")));
    assert!(found.contains("the file is not PEM; convert it: openssl pkcs8 -inform DER"), "{found}");
    let found = problem(&format!("{certificate}\ndatabase.sslkey={}", files.path("e.pem")));
    assert!(found.contains("the key is encrypted; decrypt it: openssl pkey"), "{found}");
    assert!(problem(&certificate).contains("its key is missing; write database.sslkey=…"));
}

#[test]
fn defaults_that_are_not_debeziums_are_said() {
    let found = notices("snapshot.mode=\nplugin.name=");
    assert!(found.iter().any(|notice| notice.starts_with("snapshot.mode: no_data is taken")), "{found:?}");
    assert!(found.iter().any(|notice| notice.starts_with("plugin.name: pgoutput is taken")), "{found:?}");
    assert!(notices("").is_empty());
}

// === placeholders and secrets ===

#[test]
fn placeholders_are_filled_in_and_what_they_gave_is_not_shown() {
    let loaded = with("database.hostname=${env:HOST}").unwrap();
    assert_eq!(loaded.config.postgres.host, "db.example");
    let printed = print(&loaded);
    let host = printed.iter().find(|line| line.key == "database.hostname").unwrap();
    assert_eq!(host.value, MASK);
    assert_eq!(
        problem("database.port=${env:PORT}"),
        "database.port = ********: it is not a whole number; write a number from 1 to 65535"
    );
    assert_eq!(problem("producer.batch.size=${env:PORT}").matches("none").count(), 0);
}

#[test]
fn a_placeholder_that_gives_nothing_names_key_file_line_and_itself() {
    let files = Files::new(&[("c.properties", &format!("\nslot.name=${{env:NOBODY}}{ENOUGH}"))]);
    let problems = files.load("c.properties", None).unwrap_err();
    assert_eq!(
        files.short(&problems),
        "c.properties:2: slot.name: ${env:NOBODY}: the environment has no NOBODY; set NOBODY"
    );
}

#[test]
fn a_placeholder_of_an_unknown_provider_stays_and_is_noted() {
    let loaded = with("database.password=${vault:db:pw}").unwrap();
    assert_eq!(loaded.config.postgres.password.as_ref().unwrap().reveal(), "${vault:db:pw}");
    assert!(loaded.notices.iter().any(|notice| notice.text.contains("${vault:db:pw} stays as it is")));
}

#[test]
fn a_provider_of_another_name_is_known_by_its_class() {
    let loaded = with(
        "config.providers=vars\nconfig.providers.vars.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider\n\
         database.hostname=${vars:HOST}",
    );
    assert_eq!(loaded.unwrap().config.postgres.host, "db.example");
}

#[test]
fn the_routers_own_placeholder_is_left_alone() {
    let rule = config("transforms.outbox.route.topic.replacement=${env:HOST}.${routedByValue}").route.topic;
    assert_eq!(rule.replacement, "db.example.${routedByValue}");
}

#[test]
fn secrets_are_shown_nowhere() {
    let lines = "database.password=hush\nsasl.mechanism=PLAIN\nsecurity.protocol=SASL_PLAINTEXT\n\
                 sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password=\"hush\";";
    let loaded = with(lines).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.config.postgres.password.as_ref().unwrap().reveal(), "hush");
    let printed = print(&loaded);
    for key in ["database.password", "sasl.jaas.config"] {
        assert_eq!(printed.iter().find(|line| line.key == key).unwrap().value, MASK, "{key}");
    }
    assert!(!format!("{loaded:?} {printed:?} {:?}", loaded.notices).contains("hush"));
    let wrong = problems(
        "database.pasword=hush\nsasl.jaas.config=hush\nssl.key.pasword=hush\nsecurity.protocol=SASL_SSL",
    );
    assert!(!wrong.iter().any(|problem| problem.contains("hush")), "{wrong:#?}");
}

#[test]
fn what_is_printed_has_origins_defaults_and_support() {
    let loaded = with("max.batch.size=1").unwrap();
    let printed = print(&loaded);
    let of = |key: &str| {
        let line = printed.iter().find(|line| line.key == key).unwrap_or_else(|| panic!("{key}"));
        let origin = line.origin.rsplit('/').next().unwrap().to_owned();
        (line.value.clone(), origin, line.support)
    };
    assert_eq!(of("max.batch.size"), ("1".into(), "c.properties:1".into(), "ignored"));
    assert_eq!(of("slot.name"), ("debezium".into(), "default".into(), "honoured"));
    assert_eq!(of("name"), ("shop".into(), "default".into(), "honoured"));
    assert_eq!(
        of("transforms.outbox.route.by.field"),
        ("aggregatetype".into(), "default".into(), "honoured")
    );
    assert_eq!(
        of("walpost.position.topic"),
        ("__walpost.position.shop.debezium".into(), "default".into(), "honoured")
    );
    assert!(printed.is_sorted_by(|left, right| left.key < right.key));
}
