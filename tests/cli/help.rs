//! What can be asked for, and what is answered to what cannot.

use crate::kit::walpost;
use std::collections::BTreeSet;

/// Every command that does something, and the groups they stand in.
const COMMANDS: &[&str] = &[
    "asyncapi",
    "config",
    "config print",
    "config validate",
    "dlq",
    "dlq list",
    "dlq purge",
    "dlq replay",
    "dlq show",
    "doctor",
    "init",
    "migrate",
    "offsets",
    "offsets forget",
    "offsets set",
    "offsets show",
    "publication",
    "publication accept",
    "publication create",
    "publication show",
    "repair",
    "run",
    "schema",
    "schema check",
    "schema enforce",
    "schema list",
    "schema register",
    "schema show",
    "slot",
    "slot advance",
    "slot create",
    "slot drop",
    "slot list",
    "slot show",
    "verify",
];

fn help(command: &str) -> String {
    walpost(&format!("{command} --help")).expect(0).stdout
}

/// The lines of a section of a help text, up to the next empty one.
fn section<'a>(help: &'a str, heading: &str) -> Vec<&'a str> {
    let (_, after) = help.split_once(&format!("{heading}:\n")).unwrap_or_default();
    after.lines().take_while(|line| !line.is_empty()).collect()
}

/// The commands that a help text lists, and theirs, from the top down.
fn listed(command: &str, found: &mut BTreeSet<String>) {
    for line in section(&help(command), "Commands") {
        let Some(name) = line.strip_prefix("  ").filter(|line| !line.starts_with(' ')) else { continue };
        let name = name.split(' ').next().unwrap_or_default();
        let below = format!("{command} {name}").trim().to_owned();
        listed(&below, found);
        found.insert(below);
    }
}

#[test]
fn help_leads_to_every_command() {
    let mut found = BTreeSet::new();
    listed("", &mut found);
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), COMMANDS);
}

#[test]
fn every_command_has_examples_and_each_is_a_command_line_that_is_understood() {
    let mut seen = BTreeSet::new();
    for command in COMMANDS.iter().chain(&[""]) {
        let help = help(command);
        let examples = section(&help, "Examples");
        assert!(!examples.is_empty(), "walpost {command} --help has no examples");
        for line in examples {
            let line = line.strip_prefix("  walpost ").unwrap_or_else(|| panic!("{line:?} is broken off"));
            // What follows is for the reader, or for the shell.
            let end = ["   ", " | ", " > "].iter().filter_map(|end| line.find(end)).min();
            seen.insert(line[..end.unwrap_or(line.len())].to_owned());
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
    for example in seen {
        let answer = walpost(&example);
        let all = answer.all();
        assert!(all.contains("connector.json") && all.contains("cannot be read"), "walpost {example}: {all}");
    }
}

#[test]
fn every_exit_code_of_the_readme_is_explained_by_help() {
    let readme = include_str!("../../README.md");
    let (_, after) = readme.split_once("<!-- exits:begin -->").expect("the exit codes");
    let (table, _) = after.split_once("<!-- exits:end -->").expect("their end");
    let codes: Vec<&str> = table.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim).collect();
    let codes: Vec<&str> = codes.into_iter().filter(|code| code.parse::<u8>().is_ok()).collect();
    assert!(codes.len() > 20, "{codes:?}");
    let help = help("");
    let explained = section(&help, "Exit codes").into_iter();
    let explained: Vec<&str> = explained.filter_map(|line| line.trim().split("  ").next()).collect();
    assert_eq!(explained, codes);
}

#[test]
fn verify_explains_every_finding_and_which_of_them_decide_the_exit_code() {
    let help = help("verify");
    let (wrong, untold) = (
        section(&help, "Wrong for certain; exit code 3"),
        section(&help, "Not judged, and never said to be fine; exit code 3 with --strict"),
    );
    let names = |lines: &[&str]| -> Vec<String> {
        let names =
            lines.iter().filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
        names.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    };
    assert_eq!(names(&wrong), ["missing", "duplicate", "altered", "out_of_order", "unpublishable"]);
    assert_eq!(names(&untold), ["pending", "undecided", "unknown", "newer", "foreign"]);
    assert_eq!(names(&section(&help, "Not published on purpose")), ["dead_letter", "skipped"]);
}

#[test]
fn flags_that_every_command_has_stand_apart_from_its_own() {
    for command in COMMANDS {
        let help = walpost(&format!("{command} -h")).expect(0).stdout;
        let own = section(&help, "\nOptions").join("\n");
        assert!(own.contains("--help"), "{own}");
        for flag in ["--config", "--worker", "--output", "--log-format", "--log-level", "--no-color"] {
            assert!(help.contains(flag) && !own.contains(flag), "{flag} of walpost {command}\n{help}");
        }
    }
}

#[test]
fn the_version_is_told() {
    let version = format!("walpost {}\n", env!("CARGO_PKG_VERSION"));
    for flag in ["--version", "-V"] {
        assert_eq!(walpost(flag).expect(0).stdout, version);
    }
}

#[test]
fn no_command_at_all_is_answered_with_help_and_exit_code_2() {
    walpost("").expect(2).silent().says(&["Usage: walpost", "Commands:", "doctor", "Exit codes:"]);
    for group in ["slot", "publication", "offsets", "config", "dlq"] {
        walpost(group).expect(2).silent().says(&["Usage: walpost", "Commands:"]);
    }
}

#[test]
fn wrong_arguments_end_in_exit_code_2_with_words_on_stderr_only() {
    for (command_line, says) in [
        ("frobnicate", "'frobnicate'"),
        ("slots list", "'slot'"),
        ("slot remove", "'remove'"),
        ("run --confg c.json", "'--config'"),
        ("run --config", "--config"),
        ("run --adopt position", "slot"),
        ("config validate --output yaml", "json"),
        ("slot advance --config c.json", "--to"),
        ("slot advance --config c.json --to now", "16/B374D848; or write stored or current"),
        ("slot drop a b --config c.json", "'b'"),
        ("init --app-role shop --config c.json", "--with-roles"),
        ("init --table outbox --config c.json", "SCHEMA.TABLE"),
        ("verify --table outbox --config c.json", "SCHEMA.TABLE"),
        ("verify --from-lsn now --config c.json", "16/B374D848"),
        ("verify --wait long --config c.json", "--wait"),
        ("verify outbox --config c.json", "'outbox'"),
        ("repair --accept-loss 0/1..0/2 --config c.json", "--confirm"),
        ("repair --accept-loss all --confirm s --config c.json", "as it was named"),
        ("offsets set --config c.json", "--to"),
        ("offsets set --to stored --config c.json", "16/B374D848; or write slot or current"),
        ("slot drop --accept-loss 0/1 --config c.json", "as it was named"),
        ("dlq list --reason large --config c.json", "too_large"),
        ("dlq list --since yesterday --config c.json", "2026-11-01"),
        ("dlq show 17 --config c.json", "PARTITION:OFFSET"),
        ("dlq replay --attempt 0 --config c.json", "--attempt"),
        ("asyncapi --check a.yaml --write b.yaml --config c.json", "--write"),
        ("asyncapi --sample all --config c.json", "--sample"),
        ("asyncapi --format xml --config c.json", "yaml"),
        ("config validate", "WALPOST_CONFIG"),
        ("slot list", "--config FILE"),
    ] {
        walpost(command_line).expect(2).silent().says(&["error: ", says]);
    }
}
