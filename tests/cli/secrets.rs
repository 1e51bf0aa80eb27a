//! What is never shown: passwords, and what came out of placeholders.

use crate::kit::{ENOUGH, Files, over};

/// Each stands in the configuration somewhere, and may stand nowhere else.
const SECRETS: &[&str] = &["hush-database", "hush-jaas", "hush-key", "hush-env", "hush-file", "hush-typo"];

const JAAS: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"u\"";

/// A configuration that is full of them; these lines come first, and in place of others.
fn files(lines: &str) -> Files {
    let secrets = format!(
        "database.password=hush-database\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n\
         sasl.jaas.config={JAAS} password=\"hush-jaas\";\nssl.key.password=hush-key\n\
         heartbeat.action.query=select '${{env:TOKEN}}'\nclient.id=${{file:secrets.properties:id}}"
    );
    Files::new(&[
        ("c.properties", &over(lines, &over(&secrets, ENOUGH))),
        ("secrets.properties", "id=hush-file\n"),
    ])
    .env("TOKEN", "hush-env")
}

fn unseen(told: &str) {
    for secret in SECRETS {
        assert!(!told.contains(secret), "{secret} is seen in\n{told}");
    }
}

#[test]
fn config_print_masks_every_secret_for_people_and_for_programs() {
    let files = files("");
    let masked =
        ["database.password", "sasl.jaas.config", "ssl.key.password", "heartbeat.action.query", "client.id"];
    let table = files.ask("config print", 0);
    unseen(&table.all());
    let rows: Vec<Vec<&str>> = table.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["property", "value", "from", "support"]);
    let answer = files.ask("config print --output json", 0);
    unseen(&answer.all());
    assert_eq!(answer.stderr, "");
    let told = answer.json();
    let properties = told["properties"].as_array().expect("a list");
    for key in masked {
        let row = rows.iter().find(|row| row[0] == key).expect("a row");
        assert_eq!((row[1], row[3]), ("********", "honoured"), "{key}");
        let property = properties.iter().find(|property| property["key"] == key).expect("a property");
        assert_eq!((&property["value"], &property["origin"]), (&"********".into(), &row[2].into()));
    }
    assert_eq!(rows.len(), properties.len() + 1);
    assert_eq!(properties.iter().filter(|property| property["value"] == "********").count(), masked.len());
}

#[test]
fn no_error_shows_a_secret_whatever_is_wrong() {
    let wrong = [
        "database.passwrd=hush-typo",
        "producer.override.sasl.jaas.confg=hush-typo",
        "database.port=${env:TOKEN}",
        "walpost.batch.max.events=${file:secrets.properties:id}",
        "snapshot.mode=${env:TOKEN}",
        "slot.failover=${env:TOKEN}",
        "table.include.list=(${env:TOKEN}",
        "transforms.outbox.route.topic.regex=(${env:TOKEN}",
        "bootstrap.servers=${env:TOKEN}",
        "batch.size=${env:TOKEN}",
        "max.in.flight.requests.per.connection=${env:TOKEN}",
        "compression.type=${env:TOKEN}",
        "ssl.truststore.location=${env:TOKEN}.jks",
        "database.sslkey=${env:TOKEN}",
        "sasl.mechanism=${env:TOKEN}",
        "slot.stream.params=${env:TOKEN}",
        "slot.name=${env:TOKEN}",
        "topic.prefix=${env:TOKEN}!",
        "skipped.operations=${env:TOKEN}",
        "walpost.http.listen=${env:TOKEN}",
        "walpost.log.level=${env:TOKEN}=${env:TOKEN}",
        "transforms.outbox.table.fields.additional.placement=${env:TOKEN}",
        "transforms.outbox.predicate=${env:TOKEN}",
    ];
    // A password that is not quoted, and falls into pieces; one that is all there is.
    let jaas = [
        format!("{JAAS} password=two hush-jaas;"),
        format!("{JAAS} password=two hush-jaas=;"),
        format!("{JAAS} password=\"hush-jaas;"),
        "hush-jaas is the password".to_owned(),
        "hush-jaas".to_owned(),
    ];
    let jaas = jaas.iter().map(|jaas| format!("sasl.jaas.config={jaas}"));
    for line in wrong.iter().map(|line| (*line).to_owned()).chain(jaas) {
        let key = line.split('=').next().expect("a key");
        let files = files(&line);
        for command in ["config validate", "config validate --output json", "run --log-level trace"] {
            let answer = files.run(&format!("{command} --config c.properties"));
            assert!(answer.code == Some(2) && answer.all().contains(key), "{line}\n{answer:?}");
            unseen(&answer.all());
        }
        unseen(&files.ask("doctor --offline", 3).all());
    }
}

#[test]
fn no_command_shows_a_secret_while_it_looks_for_servers() {
    let files = files("security.protocol=SASL_PLAINTEXT");
    for (command, code) in [("slot list", 6), ("doctor", 3)] {
        unseen(&files.ask(&format!("{command} --log-level trace"), code).all());
    }
}

#[test]
fn names_are_shown_where_they_are_spoken_of_even_out_of_a_placeholder_and_masked_where_all_is_printed() {
    let lines = "name=${env:NAME}\ndatabase.hostname=${env:HOST}\nslot.name=${env:SLOT}\ndatabase.password=${env:PASSWORD}";
    let files = files(lines).env("NAME", "told-name").env("HOST", "127.0.0.2").env("SLOT", "told_slot");
    let files = files.env("PASSWORD", "hush-env");
    for (command, code, told) in
        [("config validate", 0, "told-name"), ("slot list", 6, "127.0.0.2"), ("init", 0, "told_slot")]
    {
        let answer = files.ask(command, code).all();
        assert!(answer.contains(told), "{command}: {answer}");
        unseen(&answer);
    }
    let printed = files.ask("config print", 0).stdout;
    let rows: Vec<Vec<&str>> = printed.lines().map(|line| line.split_whitespace().collect()).collect();
    for masked in ["name", "database.hostname", "slot.name", "database.password"] {
        let row = rows.iter().find(|row| row[0] == masked).expect("a row");
        assert_eq!(row[1], "********", "{masked}");
    }
}
