//! Servers that are not there, and what needs none.

use crate::kit::{Answer, Files};
use std::time::{Duration, Instant};

/// What happened, what is at risk, what to do.
fn in_three_parts(answer: Answer, what: &str, hint: &str) {
    let parts = ["error: ", "\n  detail: nothing is lost", "\n  hint: "];
    answer.says(&parts).says(&[what, hint]);
}

#[test]
fn without_postgres_every_command_that_needs_it_ends_at_once_in_exit_code_6_and_three_parts() {
    let files = Files::with("database.password=p");
    for command in [
        "slot create",
        "slot list",
        "slot show",
        "slot drop --confirm walpost",
        "slot advance --to current --confirm walpost",
        "offsets forget --confirm walpost",
        "offsets set --to slot --confirm walpost",
        "repair",
        "repair --confirm walpost",
        "publication accept --confirm walpost",
        "publication create",
        "publication show",
        "init --apply",
        "verify",
        "asyncapi",
    ] {
        let began = Instant::now();
        for output in ["", " --output json"] {
            let answer = files.ask(&format!("{command}{output}"), 6).silent();
            in_three_parts(
                answer,
                "cannot reach Postgres at 127.0.0.1:1",
                "database.hostname, database.port",
            );
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{command}: {:?}", began.elapsed());
    }
}

#[test]
fn without_kafka_offsets_ends_in_exit_code_7_and_says_what_it_knows_all_the_same() {
    let files = Files::with("");
    let answer = files.ask("offsets show --output json", 7);
    let told = answer.json();
    assert_eq!(told["position_topic"], "__walpost.position.app.walpost");
    for unknown in ["position", "server", "lag_bytes", "next_start"] {
        assert!(told[unknown].is_null(), "{unknown}: {told:#}");
    }
    assert!(told["slot"]["exists"].is_null(), "whether there is a slot is not known: {told:#}");
    in_three_parts(answer, "127.0.0.1:1", "bootstrap.servers");
}

#[test]
fn a_kafka_that_refuses_is_not_waited_for_as_one_that_is_slow_and_only_the_command_speaks_of_it() {
    let files = Files::with("");
    for level in ["", " --log-level warn"] {
        let began = Instant::now();
        let answer = files.ask(&format!("offsets show{level}"), 7);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        assert!(answer.stderr.starts_with("error: ") && !answer.stderr.contains("librdkafka"), "{answer:?}");
        assert!(answer.stderr.contains("Connection refused"), "the client's last trouble: {answer:?}");
    }
    let doctor = files.ask("doctor", 3);
    assert_eq!(doctor.stderr.lines().count(), 1, "{doctor:?}");
    files.ask("offsets show --log-level info", 7).says(&["librdkafka"]);
}

#[test]
fn doctor_finds_both_servers_missing_and_says_what_it_could_not_look_at() {
    let files = Files::with("");
    let checks = files.ask("doctor --output json", 3).json();
    let found: Vec<(&str, &str)> = checks["checks"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|check| (check["name"].as_str().expect("a name"), check["finding"].as_str().expect("a word")))
        .collect();
    assert_eq!(
        found,
        [
            ("config", "ok"),
            ("postgres.connect", "fail"),
            ("postgres", "skipped"),
            ("kafka.connect", "fail"),
            ("kafka", "skipped"),
            ("start", "skipped")
        ]
    );
    files.ask("doctor --offline", 0);
}

#[test]
fn what_verify_cannot_work_with_is_refused_before_anything_is_connected_to() {
    let files = Files::with("");
    for bound in ["--since 2026-11-01", "--until now"] {
        files.ask(&format!("verify {bound}"), 2).silent().says(&["error: --since", "--time-column COLUMN"]);
    }
    files.ask("verify --since 2026-11-01 --time-column at", 6);
    files.ask("verify --temp-dir /does/not/exist", 2).silent().says(&["/does/not/exist", "--temp-dir"]);
    Files::with("transforms.outbox.table.field.event.timestamp=at").ask("verify --until now", 6);
}

#[test]
fn what_asyncapi_cannot_compare_with_is_refused_before_anything_is_connected_to() {
    let files = Files::new(&[
        ("c.properties", &crate::kit::with("")),
        ("old.yaml", "asyncapi: 2.6.0\n"),
        ("other.yaml", "openapi: 3.0.0\n"),
        ("broken.yaml", "asyncapi: [\n"),
        ("good.yaml", "asyncapi: 3.0.0\n"),
    ]);
    for (file, word) in [
        ("absent.yaml", "cannot be read"),
        ("old.yaml", "AsyncAPI 2.6.0"),
        ("other.yaml", "no AsyncAPI document"),
        ("broken.yaml", "neither YAML nor JSON"),
    ] {
        let hint = "\n  hint: ";
        files.ask(&format!("asyncapi --check {file}"), 2).silent().says(&["error: ", file, word, hint]);
        // What is no such document is not written over; what is not there may be made.
        let code = if file == "absent.yaml" { 6 } else { 2 };
        files.ask(&format!("asyncapi --write {file}"), code).silent();
    }
    files.ask("asyncapi --check good.yaml", 6).silent();
    assert_eq!(std::fs::read_to_string(files.path("good.yaml")).expect("the file"), "asyncapi: 3.0.0\n");
    assert!(!files.path("absent.yaml").exists());
}

#[test]
fn init_prints_sql_and_nothing_else_on_stdout() {
    let files = Files::with("transforms.outbox.table.fields.additional.placement=traceparent:header");
    let script = files.ask("init --with-roles --app-role shop --log-level trace", 0).stdout;
    let lines: Vec<&str> = script.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let statements = lines.join("\n");
    let statements: Vec<&str> =
        statements.split(';').map(str::trim).filter(|statement| !statement.is_empty()).collect();
    let begin: Vec<&str> = statements.iter().filter_map(|statement| statement.split(' ').next()).collect();
    assert_eq!(
        begin,
        [
            "CREATE", "ALTER", "CREATE", "CREATE", "GRANT", "CREATE", "ALTER", "GRANT", "GRANT", "CREATE",
            "GRANT", "GRANT"
        ],
        "{script}"
    );
    assert!(
        script.ends_with('\n') && statements.iter().all(|statement| !statement.contains('\\')),
        "{script}"
    );
    // The same for programs, in one JSON object.
    let told = files.ask("init --with-roles --app-role shop --output json", 0).json();
    assert_eq!(told["sql"].as_str().map(str::trim_end), Some(script.trim_end()));
}

#[test]
fn a_destructive_command_says_in_its_help_what_is_lost_and_how_it_is_meant() {
    let files = Files::new(&[]);
    for (command, loss) in [
        ("slot drop", "what it has not delivered is lost"),
        ("slot advance", "what lies between is never sent"),
        ("offsets forget", "what is published is then known nowhere"),
        ("publication accept", "events that it did not send are then given up"),
    ] {
        let help = files.run(&format!("{command} --help")).expect(0).stdout;
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains(loss) && help.contains("--confirm <NAME>"), "{help}");
    }
}
