//! What is wrong is said all at once, each with what to write instead.

use super::*;

#[test]
fn all_problems_are_reported_at_once_by_file_and_line() {
    let json = "{\n  \"name\": \"orders\",\n  \"slot.nmae\": \"s\",\n  \"database.port\": \"x\",\n  \
                \"snapshot.mode\": \"custom\",\n  \"transforms\": \"outbox,flat\",\n  \
                \"transforms.outbox.type\": \"io.debezium.transforms.outbox.EventRouter\",\n  \
                \"transforms.flat.type\": \"io.debezium.transforms.ExtractNewRecordState\",\n  \
                \"transforms.flat.drop.tombstones\": true,\n  \"slot.name\": \"S\"\n}";
    let files = Files::new(&[("c.json", json), ("w.properties", "key.converter=CloudEvents\nacks=1\n")]);
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
        ("snapshot.mod", "snapshot.mode"),
        ("topic.creation.default.partition", "topic.creation.default.partitions"),
        ("topic.creation.default.cleanup.polcy", "topic.creation.default.cleanup.policy"),
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
        let fill = match property.name {
            name if name.starts_with("transforms") => "outbox",
            name if name.starts_with('<') => "key.converter",
            _ => "sha",
        };
        let key = property.key(fill).replace("<option>", "x").replace("<salt>", "s");
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
        let value = if matches!(property.kind, catalog::Kind::Choice(_)) { "poll" } else { "1" };
        let lines = format!(
            "{key}={value}\npredicates=p\npredicates.p.type=TopicNameMatches\npredicates.p.pattern=x\ntransforms.outbox.predicate=p"
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
fn what_contradicts_the_bound_on_memory_is_refused_with_the_bound_it_needs() {
    let parts =
        "walpost.batch.max.bytes 8388608, walpost.batch.max.events 10000, walpost.source.queue.bytes 4194304";
    let found = problem("producer.override.max.request.size=30000000");
    let (what, least) = found.split_once("; write ").unwrap();
    assert!(what.ends_with(&format!(
        "walpost.memory.max.bytes: 134217728 bytes are not enough for {parts} and max.request.size 30000000"
    )));
    let least: u64 = least.strip_suffix(" or more, or lower one of those").unwrap().parse().unwrap();
    let of =
        |bound: u64| format!("producer.override.max.request.size=30000000\nwalpost.memory.max.bytes={bound}");
    assert!(with(&of(least)).is_ok());
    let found = problem(&of(least - 1));
    assert!(
        found.starts_with(&format!("walpost.memory.max.bytes = {}: {}", least - 1, least - 1)),
        "{found}"
    );

    for line in [
        "walpost.batch.max.bytes=100000000",
        "walpost.batch.max.events=1000000",
        "walpost.source.queue.bytes=100000000",
    ] {
        assert!(problem(line).contains("134217728 bytes are not enough for"), "{line}");
    }
    assert!(with("walpost.memory.max.bytes=67108864").is_ok());
}

#[test]
fn a_buffer_without_room_for_the_largest_record_is_refused() {
    let lines = "producer.override.max.request.size=3000000\nproducer.override.buffer.memory=";
    let found = problem(&format!("{lines}2000000"));
    assert!(found.contains("buffer.memory: a record of max.request.size 3000000 does not fit"), "{found}");
    assert!(with(&format!("{lines}3000000")).is_ok());
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
fn members_of_an_envelope_have_names_of_their_own() {
    let found = problems(
        "transforms.outbox.table.fields.additional.placement=a:envelope:x,b:header:x,c:envelope:x,d:Envelope:payload",
    );
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains("`c:envelope:x` would be a second member x of the envelope"), "{found:#?}");
    assert!(found[1].contains("`d:Envelope:payload` would be a second member payload"), "{found:#?}");
}

#[test]
fn transforms_without_an_event_router_are_told_the_two_lines_to_add() {
    let lines = "add transforms=outbox and transforms.outbox.type=io.debezium.transforms.outbox.EventRouter";
    let found =
        problems("transforms=a\ntransforms.a.type=RegexRouter\ntransforms.outbox.type=\ntransforms.a.x=1");
    assert_eq!(found, [
        format!("transforms = a: none of these is the outbox event router; {lines}"),
        "transforms.a.type = RegexRouter: it would rename topics; take a out of transforms; write route.topic.regex and \
         route.topic.replacement of the event router"
            .into(),
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
        "value.converter=io.apicurio.registry.utils.converter.AvroConverter\nvalue.converter.schema.registry.url=http://x\nvalue.converter.auto.register.schemas=false",
    );
    assert!(found.starts_with("value.converter = io.apicurio"), "{found}");
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
fn a_snapshot_whose_rows_would_all_be_skipped_is_refused_and_so_is_one_of_chosen_rows() {
    let found = problem("snapshot.mode=initial\nskipped.operations=r");
    assert!(found.contains("no row of it would be published"), "{found}");
    let found = problem("snapshot.select.statement.overrides=public.outbox");
    assert!(found.contains("CREATE PUBLICATION … WHERE"), "{found}");
}

#[test]
fn defaults_that_are_not_debeziums_are_said() {
    let found = notices("snapshot.mode=\nplugin.name=");
    assert!(found.iter().any(|notice| notice.starts_with("snapshot.mode: no_data is taken")), "{found:?}");
    assert!(found.iter().any(|notice| notice.starts_with("plugin.name: pgoutput is taken")), "{found:?}");
    let found = notices("");
    assert!(found[0].starts_with("key.converter: JsonConverter is taken"), "{found:?}");
    assert!(found[1].starts_with("value.converter: JsonConverter is taken"), "{found:?}");
    assert!(notices("key.converter=Json\nvalue.converter=Json").is_empty());
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    #[test]
    fn no_configuration_makes_it_panic(
        picks in proptest::collection::vec((0usize..1000, "[\\PC,:=$(){}\\[\\]. a-z0-9-]{0,12}"), 0..12),
        mangled in "[a-z.é<>]{0,20}",
    ) {
        let properties: Vec<_> = catalog::all().collect();
        let mut entries = serde_json::Map::new();
        for (at, value) in picks {
            let property = properties[at % properties.len()];
            entries.insert(property.key("outbox"), serde_json::Value::String(value));
        }
        entries.insert(mangled, serde_json::Value::Null);
        let text = serde_json::Value::Object(entries).to_string();
        let _ = Files::new(&[("c.json", &text)]).load("c.json", None).map(|loaded| print(&loaded));
    }
}

#[test]
fn what_walposts_own_producer_cannot_do_is_refused_with_the_one_that_can() {
    let lines = "walpost.kafka.producer=native\nsecurity.protocol=SSL\nssl.keystore.type=PKCS12\n\
                 ssl.keystore.location=/k.p12\nssl.keystore.password=hush\ncompression.type=lz4\ncompression.lz4.level=9";
    let found = problems(lines);
    assert_eq!(found.len(), 2, "{found:?}");
    for (problem, setting) in found.iter().zip(["compression.level", "ssl.keystore.location"]) {
        assert!(problem.starts_with(setting), "{problem}");
        assert!(problem.ends_with("write walpost.kafka.producer=librdkafka"), "{problem}");
    }
    let lines = lines.replace("native", "librdkafka");
    assert_eq!(config(&lines).kafka.kind, ProducerKind::Librdkafka);
}
