//! Files, the worker beneath the connector, placeholders, and what is never shown.

use super::*;

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
    assert_eq!(loaded.config.kafka.producer["bootstrap.servers"], "kafka:9092");
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
    let ignored = loaded.notices.iter().filter(|notice| notice.is_ignored());
    let dropped: Vec<&str> = ignored.map(|notice| notice.key.as_str()).collect();
    assert_eq!(dropped, ["key.converter.schemas.enable", "value.converter.schemas.enable"]);
}

#[test]
fn a_workers_heartbeat_is_not_the_connectors() {
    let files = Files::new(&[("c.properties", ENOUGH), ("w.properties", "heartbeat.interval.ms=3000")]);
    let loaded = files.load("c.properties", Some("w.properties")).unwrap();
    assert_eq!(loaded.config.heartbeat_interval, Duration::ZERO);
}

#[test]
fn a_whole_workers_file_is_no_error() {
    let worker = "
        bootstrap.servers=kafka:9092
        group.id=connect-cluster
        key.converter=org.apache.kafka.connect.json.JsonConverter
        value.converter=org.apache.kafka.connect.json.JsonConverter
        key.converter.schemas.enable=true
        value.converter.schemas.enable=true
        internal.key.converter=org.apache.kafka.connect.json.JsonConverter
        internal.key.converter.schemas.enable=false
        offset.storage.topic=connect-offsets
        offset.storage.replication.factor=1
        offset.storage.partitions=25
        offset.storage.file.filename=/tmp/connect.offsets
        config.storage.topic=connect-configs
        config.storage.replication.factor=1
        status.storage.topic=connect-status
        status.storage.partitions=5
        offset.flush.interval.ms=10000
        session.timeout.ms=10000
        heartbeat.interval.ms=3000
        rebalance.timeout.ms=60000
        listeners=HTTP://:8083
        listeners.https.ssl.keystore.location=/nowhere
        rest.advertised.host.name=x
        rest.extension.classes=x
        admin.listeners=http://localhost:8080
        ssl.client.auth=none
        plugin.path=/usr/share/java
        plugin.discovery=only_scan
        connector.client.config.override.policy=All
        exactly.once.source.support=enabled
        topic.creation.enable=true
        topic.tracking.enable=true
        config.providers=file,env
        config.providers.file.class=org.apache.kafka.common.config.provider.FileConfigProvider
        config.providers.file.param.allowed.paths=/etc
        producer.acks=all
        producer.batch.size=32768
        producer.linger.ms=5
        producer.buffer.memory=33554432
        producer.interceptor.classes=x
        producer.key.serializer=x
        consumer.auto.offset.reset=earliest
        consumer.max.poll.records=5
        consumer.fetch.min.bytes=1
        admin.request.timeout.ms=40000
        request.timeout.ms=40000
        retry.backoff.ms=100
        metadata.max.age.ms=300000
        metric.reporters=
        metrics.context.connect.kafka.cluster.id=x
        security.protocol=PLAINTEXT
        task.shutdown.graceful.timeout.ms=5000
    ";
    let files = Files::new(&[("c.properties", ENOUGH), ("w.properties", worker)]);
    if let Err(problems) = files.load("c.properties", Some("w.properties")) {
        panic!("{problems}");
    }
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
fn what_a_placeholder_should_have_given_is_not_reported_missing_as_well() {
    let found = problem("topic.prefix=${env:NOBODY}");
    assert_eq!(found, "topic.prefix: ${env:NOBODY}: the environment has no NOBODY; set NOBODY");
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
