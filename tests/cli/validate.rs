//! Every problem of a configuration at once, and nothing that is none.

use crate::kit::{Files, over};
use serde_json::Value;
use walpost::config::catalog::{self, Kind, Property, Support};
use walpost::kafka::settings;

/// Key, value, line, and what to write instead.
const WRONG: &[(&str, &str, usize, &str)] = &[
    ("slot.nmae", "s", 4, "write slot.name"),
    ("database.port", "x", 5, "write a number from 1 to 65535"),
    ("snapshot.mode", "custom", 6, "write snapshot.mode=initial"),
    ("database.sslfactory", "x.Y", 7, "database.sslmode says what is checked"),
    ("slot.failover", "yes", 8, "write true or false"),
    ("value.converter", "com.blueapron.connect.protobuf.ProtobufConverter", 9, "StringConverter"),
    ("acks", "1", 10, "write that, or remove it"),
    ("batch.size", "lots", 11, "write one from 0 to 2147483647"),
    ("producer.override.compresion.type", "lz4", 12, "write producer.override.compression.type"),
];

fn wrong() -> Files {
    let mut lines = vec!["{".to_owned(), "  \"name\": \"shop\",".to_owned(), "  \"config\": {".to_owned()];
    lines.extend(WRONG.iter().map(|(key, value, ..)| format!("    \"{key}\": \"{value}\",")));
    lines.push("    \"topic.prefix\": \"app\"\n  }\n}".to_owned());
    Files::new(&[("c.json", &lines.join("\n"))])
}

#[test]
fn all_problems_are_told_at_once_each_with_key_line_value_and_what_to_write() {
    let told = wrong().run("config validate --config c.json").expect(2).silent().stderr;
    for (key, value, line, instead) in WRONG {
        let begins = format!("c.json:{line}: {key} = {value}: ");
        let found = told.lines().find(|told| told.contains(&begins));
        assert!(found.is_some_and(|told| told.contains(instead)), "{begins}… {instead}\n{told}");
    }
    for missing in ["bootstrap.servers", "database.hostname", "database.user", "database.dbname"] {
        assert!(told.contains(&format!("c.json: {missing}: it is missing; write {missing}=")), "{told}");
    }
    assert!(told.starts_with("error: the configuration has 13 problems"), "{told}");
}

#[test]
fn programs_are_told_the_same_as_one_json_object() {
    let answer = wrong().run("config validate --output json --config c.json").expect(2);
    assert_eq!(answer.stderr, "");
    let told = answer.json();
    assert_eq!(told["valid"], false);
    let problems = told["problems"].as_array().expect("a list");
    assert_eq!(problems.len(), 13, "{told:#}");
    for (key, value, line, instead) in WRONG {
        let problem = problems.iter().find(|problem| problem["key"] == *key).expect("one problem to a key");
        assert_eq!(problem["value"], *value);
        assert_eq!(problem["origin"], format!("c.json:{line}"));
        assert!(problem["instead"].as_str().expect("words").contains(instead), "{problem:#}");
        assert_ne!(problem["problem"], "", "{problem:#}");
    }
}

#[test]
fn every_command_refuses_a_wrong_configuration_before_it_does_anything() {
    let files = wrong();
    for command in ["run", "init", "slot list", "publication create", "offsets show", "config print"] {
        files
            .run(&format!("{command} --config c.json"))
            .expect(2)
            .silent()
            .says(&["13 problems", "slot.nmae"]);
    }
    let doctor = files.run("doctor --config c.json").expect(3);
    assert_eq!(doctor.stdout.lines().filter(|line| line.starts_with("fail ")).count(), 13, "{doctor:?}");
    assert!(!doctor.stdout.contains("postgres."), "nothing is asked of servers: {doctor:?}");
}

#[test]
fn a_key_that_nobody_knows_gets_the_nearest_that_is_known() {
    for (written, meant) in [
        ("databse.hostname", "database.hostname"),
        ("transforms.outbox.route.by.feild", "transforms.outbox.route.by.field"),
        ("sasl.mechansim", "sasl.mechanism"),
        ("walpost.batch.max.event", "walpost.batch.max.events"),
        ("publication.autocreate.mod", "publication.autocreate.mode"),
    ] {
        let line =
            format!("c.properties:1: {written} = x: no property of this name is known; write {meant}\n");
        Files::with(&format!("{written}=x")).ask("config validate", 2).says(&[&line]);
    }
    Files::with("nothing.like.this=x")
        .ask("config validate", 2)
        .says(&["nothing.like.this = x: no property of this name is known; take it out"]);
}

#[test]
fn properties_without_effect_are_no_error_and_are_told_with_their_reason() {
    let lines = "tasks.max=1\nmax.queue.size=100\nsnapshot.fetch.size=7\nproducer.override.linger.ms=5";
    let files = Files::with(lines);
    let told = files.ask("config validate", 0).stdout;
    for (line, key, why) in [
        (1, "tasks.max = 1", "one slot is one stream"),
        (2, "max.queue.size = 100", "walpost.source.queue.bytes"),
        (3, "snapshot.fetch.size = 7", "rows are read by COPY"),
        (4, "producer.override.linger.ms = 5", "walpost.batch.max.age.ms"),
    ] {
        let begins = format!("notice: c.properties:{line}: {key}: ignored: ");
        let found = told.lines().find(|told| told.starts_with(&begins));
        assert!(found.is_some_and(|told| told.contains(why)), "{begins}… {why}\n{told}");
    }
    let told = files.ask("config validate --output json", 0).json();
    assert_eq!((&told["valid"], &told["problems"]), (&Value::Bool(true), &Value::Array(Vec::new())));
    let notices = told["notices"].as_array().expect("a list");
    let queue = notices.iter().find(|notice| notice["key"] == "max.queue.size").expect("its notice");
    assert_eq!(queue["origin"], "c.properties:2");
    let printed = files.ask("config print --output json", 0).json();
    let ignored = printed["properties"].as_array().expect("a list").iter();
    assert_eq!(ignored.filter(|property| property["support"] == "ignored").count(), 4, "{printed:#}");
}

#[test]
fn what_would_change_the_events_is_refused_by_name() {
    for (line, instead) in [
        ("column.mask.with.4.chars=public.outbox.payload", "write the masked value into the outbox row"),
        ("signal.data.collection=public.signals", "insert them again into the outbox table"),
        ("incremental.snapshot.chunk.size=10", "insert them again into the outbox table"),
        ("errors.tolerance=all", "write errors.deadletterqueue.topic.name="),
        ("slot.drop.on.stop=true", "write slot.drop.on.stop=false"),
        ("lsn.flush.mode=manual", "write lsn.flush.mode=connector"),
        ("offset.mismatch.strategy=trust_greater_lsn", "write offset.mismatch.strategy=trust_offset"),
        ("time.precision.mode=structured", "write time.precision.mode=adaptive"),
        ("debezium.source.slot.name=x", "without what stands before it"),
        ("database.server.name=x", "write topic.prefix"),
        ("field.name.adjustment.mode=avro", "write field.name.adjustment.mode=none"),
    ] {
        let (key, value) = line.split_once('=').expect("a property");
        let begins = format!("c.properties:1: {key} = {value}: ");
        let told = Files::with(line).ask("config validate", 2).silent().stderr;
        let found = told.lines().find(|told| told.contains(&begins));
        assert!(found.is_some_and(|told| told.contains(instead)), "{begins}… {instead}\n{told}");
    }
}

#[test]
fn kafka_is_configured_by_the_java_clients_names_and_by_no_others() {
    let taken = "compression.type=zstd\nproducer.acks=all\nsecurity.protocol=PLAINTEXT\nconsumer.client.id=c\n\
                 producer.override.max.request.size=2000000\nadmin.override.request.timeout.ms=5000";
    Files::with(taken).ask("config validate", 0);
    for (line, says) in [
        ("linger.ms=5", "ignored: "),
        ("interceptor.classes=x.Y", "ignored: "),
        ("producer.override.metric.reporters=x.Y", "ignored: "),
    ] {
        let told = Files::with(line).ask("config validate", 0).stdout;
        assert!(told.contains(&format!("c.properties:1: {}: {says}", line.replace('=', " = "))), "{told}");
    }
    for (line, says) in [
        ("producer.enable.idempotence=false", "exactly once needs it"),
        ("partitioner.class=x.Y", "default partitioner"),
        ("ssl.engine.factory.class=x.Y", "remove it"),
        ("max.in.flight.requests.per.connection=6", "not between 1 and 5"),
        // librdkafka's names are not the user's.
        ("queue.buffering.max.ms=5", "no property of this name is known"),
        ("producer.override.message.max.bytes=5000", "no property of this name is known"),
    ] {
        let key = line.split('=').next().expect("a key");
        Files::with(line).ask("config validate", 2).says(&[&format!("c.properties:1: {key} = "), says]);
    }
}

/// Something that no property's value can be, unless it may be any text.
const ABSURD: &str = "(*[absurd";

#[test]
fn an_absurd_value_of_any_honoured_property_is_an_error_that_names_it() {
    let mut refused = 0;
    let honoured = catalog::all().filter(|property| matches!(property.support, Support::Honoured));
    for property in honoured.filter(|property| property.name != catalog::kafka::ANY_CLIENT) {
        let key = key(property);
        let mut lines = format!("{key}={ABSURD}");
        if key.starts_with("predicates.") {
            let further = "predicates=p\ntransforms.outbox.predicate=p\npredicates.p.type=TopicNameMatches\n\
                           predicates.p.pattern=x";
            lines = over(&lines, further);
        }
        let is_checked = !matches!(property.kind, Kind::Text | Kind::List | Kind::Password);
        refused += usize::from(names_it(&key, &lines, is_checked));
    }
    assert!(refused > 60, "{refused}");
}

#[test]
fn an_absurd_value_of_any_kafka_setting_is_an_error_that_names_it() {
    let mut refused = 0;
    for known in settings::KNOWN {
        let is_checked = matches!(known.kind, settings::Kind::Number(..) | settings::Kind::Boolean(_));
        for prefix in ["", "producer.override."] {
            let key = format!("{prefix}{}", known.name);
            refused += usize::from(names_it(&key, &format!("{key}={ABSURD}"), is_checked));
        }
    }
    assert!(refused > 60, "{refused}");
}

/// The property with its patterns filled in as `kit::ENOUGH` has them.
fn key(property: &Property) -> String {
    property.key(match property.name {
        name if name.starts_with("transforms") => "outbox",
        name if name.starts_with("predicates") => "p",
        name if name.starts_with('<') => "value.converter",
        name if name.contains("client property") => "client.id",
        _ => "x",
    })
}

/// Whether the value was refused, as it must be when it is checked. Refused or not, there is an answer about this key.
fn names_it(key: &str, lines: &str, is_checked: bool) -> bool {
    let answer = Files::with(lines).run("config validate --config c.properties");
    let told = answer.all();
    assert!(!told.contains("panicked") && matches!(answer.code, Some(0 | 2)), "{lines}\n{answer:?}");
    let is_refused = answer.code == Some(2);
    assert!(is_refused || !is_checked, "{key} took {ABSURD:?}");
    assert!(!is_refused || told.contains(&format!("c.properties:1: {key} = ")), "{key}\n{told}");
    is_refused
}
