//! What every file has, and what is written in one place only.

use super::sources::{root, sources};
use walpost::config::catalog::{self, Support};
use walpost::failpoint;
use walpost::kafka::settings;

/// No file is longer. Half of them are under 150 lines; this may only be lowered.
const LINES_MOST: usize = 600;

/// Who speaks to the terminal: the commands; `main`; and a failpoint, whose last words no log would carry.
const SPEAKERS: &[&str] = &["src/main.rs", "src/cli/", "src/failpoint.rs"];

const FOLDERS: &[&str] = &["src", "tests", "benches", "examples"];

#[test]
fn every_file_has_a_front_page() {
    for source in FOLDERS.iter().flat_map(|folder| sources(folder)) {
        let first = source.text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
        assert!(first.is_some_and(|line| line.starts_with("//!")), "{} begins without //!", source.path);
    }
}

#[test]
fn no_file_is_longer_than_a_reader_bears() {
    for source in FOLDERS.iter().flat_map(|folder| sources(folder)) {
        let lines = source.text.lines().count();
        assert!(lines <= LINES_MOST, "{} has {lines} lines; split it", source.path);
    }
}

#[test]
fn only_commands_speak_to_the_terminal() {
    for source in sources("src") {
        if SPEAKERS.iter().any(|speaker| source.path.starts_with(speaker)) {
            continue;
        }
        for (line, code) in source.code() {
            for word in ["println!", "eprintln!", "print!(", "eprint!(", "dbg!"] {
                assert!(!code.contains(word), "{}:{line}: {word}; log it, or return it", source.path);
            }
        }
    }
}

#[test]
fn a_propertys_name_is_written_in_the_catalogue_only() {
    // A test writes configurations. What Kafka's clients know is theirs as well, and a name without a dot is a word like any other.
    let kafka: Vec<&str> = settings::KNOWN.iter().map(|known| known.name).collect();
    let names: Vec<String> = catalog::all()
        .filter(|property| matches!(property.support, Support::Honoured))
        .filter(|property| property.name.contains('.') && !kafka.contains(&property.name))
        .map(|property| property.name.rsplit('>').next().unwrap_or_default().trim_start_matches('.'))
        .filter(|name| name.contains('.'))
        .map(|name| format!("\"{name}\""))
        .collect();
    // What goes wrong is told in `error`, and its hints name what to write.
    for source in sources("src").iter().filter(|source| !["config", "error"].contains(&source.module())) {
        for (line, code) in source.program() {
            if let Some(name) = names.iter().find(|name| code.contains(name.as_str())) {
                panic!("{}:{line}: {name} belongs to src/config/catalog", source.path);
            }
        }
    }
}

#[test]
fn the_catalogue_is_the_only_place_of_names_within_the_configuration_too() {
    let names: Vec<String> = catalog::all()
        .filter(|property| property.name.contains('.') && !property.is_pattern())
        .map(|property| format!("\"{}\"", property.name))
        .collect();
    for source in sources("src/config").iter().filter(|source| !source.path.contains("/catalog")) {
        for (line, code) in source.program() {
            if let Some(name) = names.iter().find(|name| code.contains(name.as_str())) {
                panic!("{}:{line}: {name} belongs to src/config/catalog", source.path);
            }
        }
    }
}

#[test]
fn every_failpoint_is_hit_somewhere() {
    let files = sources("src");
    for name in failpoint::NAMES {
        let call = format!("hit(\"{name}\")");
        let is_hit = files.iter().any(|source| source.code().any(|(_, code)| code.contains(&call)));
        assert!(is_hit, "nothing calls failpoint::{call}");
    }
    for source in &files {
        for (line, code) in source.code().filter(|_| source.module() != "failpoint") {
            let calls = ["failpoint::hit(\"", "failpoint::soon_hit(\""];
            let Some((_, after)) = calls.iter().find_map(|call| code.split_once(call)) else { continue };
            let name = after.split('"').next().unwrap_or_default();
            assert!(
                failpoint::NAMES.contains(&name),
                "{}:{line}: no failpoint is called {name}",
                source.path
            );
        }
    }
}

#[test]
fn every_mutant_breaks_a_rule_somewhere_and_has_a_test_to_find_it_out() {
    let sources = sources("src");
    let ground = sources.iter().find(|source| source.path == "src/mutant.rs").expect("the mutants");
    let listed = |line: &str| line.trim().strip_prefix("Mutant::")?.strip_suffix(',').map(str::to_owned);
    let names: Vec<String> = ground.text.lines().filter_map(listed).collect();
    assert_eq!(names.len(), 20);
    let table = std::fs::read_to_string(root().join("deploy/local/mutants")).expect("the table of tests");
    for (at, name) in names.iter().enumerate() {
        let asked = format!("is_on(Mutant::{name})");
        let others = sources.iter().filter(|source| source.path != ground.path);
        let is_wired =
            others.into_iter().any(|source| source.program().any(|(_, code)| code.contains(&asked)));
        // Whether a row repeats is asked where the rows' LSNs are known.
        assert!(is_wired || name == "RowLsnIsUnique", "nothing asks for {name}");
        assert!(table.contains(&format!("\nm{}|", at + 1)), "no test is named for m{}", at + 1);
    }
}
