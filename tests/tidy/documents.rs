//! README and examples say what the program does.
//!
//! `UPDATE_README=1 cargo test --test tidy` writes the README's table of properties, and its figures, anew.

use super::sources::{files, root, sources};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use walpost::config;
use walpost::config::catalog::{self, Choice, Default, Kind, Property, Support};

const PROPERTIES: (&str, &str) = ("<!-- properties:begin -->\n", "<!-- properties:end -->");
const BENCH: (&str, &str) = ("<!-- bench:begin -->\n", "<!-- bench:end -->");
const SUMMARY: (&str, &str) = ("<!-- summary:begin -->\n", "<!-- summary:end -->");
const EXITS: (&str, &str) = ("<!-- exits:begin -->\n", "<!-- exits:end -->");

#[test]
fn the_readmes_table_of_properties_is_the_catalogue() {
    assert_in_readme(PROPERTIES, &table());
}

#[test]
fn the_readmes_figures_are_those_of_the_last_bench() {
    // Until the first whole run has been kept there is nothing to show.
    let Ok(results) = fs::read_to_string(root().join("benches/results/results.md")) else { return };
    let (_, summary, _) = between(&results, SUMMARY).expect("markers for the summary in results.md");
    assert_in_readme(BENCH, &summary.replace("](results.", "](benches/results/results."));
}

#[test]
fn the_readmes_exit_codes_are_the_programs() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    // Until the README speaks of exit codes there is nothing to compare.
    let Some((_, written, _)) = between(&readme, EXITS) else { return };
    let documented: Vec<&str> = written
        .lines()
        .filter_map(|line| line.trim_start_matches(['|', ' ', '`']).split(['`', ' ', '|']).next())
        .filter(|cell| cell.parse::<u8>().is_ok())
        .collect();
    let declared = exit_codes();
    assert!(declared.len() > 20, "{declared:?}");
    assert_eq!(documented, declared);
}

#[test]
fn every_example_is_a_configuration_without_problems() {
    let examples = files("deploy", &["json", "properties"]);
    let (workers, connectors): (Vec<_>, Vec<_>) = examples
        .iter()
        .filter(|file| file.path.starts_with("deploy/examples/") || file.text.contains("\"connector.class\""))
        .partition(|file| file.path.contains("worker"));
    assert!(connectors.len() >= 2 && !workers.is_empty(), "where are the examples?");
    // Nothing but what stands in the files: a variable that an example names is there.
    let environment = |_: &str| Some("example".to_owned());
    let mut used = 0;
    for file in &connectors {
        let load = |worker: Option<&Path>| config::load(&root().join(&file.path), worker, &environment);
        let alone = load(None);
        let loaded = match workers.iter().find(|_| !file.text.contains("bootstrap.servers")) {
            Some(worker) => {
                used += 1;
                load(Some(&root().join(&worker.path)))
            }
            None => alone,
        };
        if let Err(problems) = loaded {
            panic!("{problems}");
        }
    }
    assert!(used > 0, "no example goes with the worker's file");
}

#[test]
fn every_converter_has_a_page_and_every_page_is_in_their_table() {
    let index = fs::read_to_string(root().join("docs/formats/README.md")).expect("the pages' README");
    for place in [&catalog::converters::KEY, &catalog::converters::VALUE] {
        let Kind::Class(choices) = place.kind else { panic!("{} is no class", place.name) };
        for choice in choices.iter().filter(|choice| choice.refused.is_none()) {
            let simple = shown(choice, choices);
            assert!(index.contains(&simple), "docs/formats/README.md lacks {simple}");
        }
    }
    let pages: Vec<_> = files("docs/formats", &["md"]);
    assert!(pages.len() > 1, "where are the pages?");
    for page in pages.iter().filter(|page| !page.path.ends_with("README.md")) {
        let name = page.path.rsplit('/').next().unwrap_or_default();
        assert!(index.contains(&format!("]({name})")), "docs/formats/README.md has no link to {name}");
    }
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    assert!(readme.contains("](docs/formats/README.md)"), "README.md does not lead to the pages");
}

/// Between these markers the README has this text; or it is written there, when that is asked for.
fn assert_in_readme(markers: (&str, &str), text: &str) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock();
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).expect("README.md");
    let (before, written, after) = between(&readme, markers).expect("markers in README.md");
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(&path, format!("{before}{text}{after}")).expect("README.md");
    } else {
        let stale = written.lines().zip(text.lines()).find(|(written, text)| written != text);
        assert!(written == text, "UPDATE_README=1 cargo test --test tidy; the first difference: {stale:?}");
    }
}

/// The codes of `error::Exit`, in the order of their declaration.
fn exit_codes() -> Vec<String> {
    let files = sources("src");
    let error = files
        .iter()
        .find(|source| source.path.starts_with("src/error") && source.text.contains("pub enum Exit"));
    let text = &error.expect("the file that declares Exit").text;
    let (_, after) = text.split_once("pub enum Exit").expect("its declaration");
    let (declaration, _) = after.split_once("\n}").expect("its end");
    let codes = declaration.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = "));
    codes.map(|(_, code)| code.to_owned()).collect()
}

/// What stands before, between and after two markers; the markers belong outside.
fn between<'a>(text: &'a str, (begin, end): (&str, &str)) -> Option<(&'a str, &'a str, &'a str)> {
    let from = text.find(begin)? + begin.len();
    let to = from + text[from..].find(end)?;
    Some((&text[..from], &text[from..to], &text[to..]))
}

fn table() -> String {
    let mut table = String::new();
    for section in catalog::SECTIONS {
        let _ = write!(table, "\n### {}\n\n| Property | Default | | |\n|---|---|---|---|\n", section.title);
        for property in section.named.iter().chain(section.others) {
            let cells = [
                format!("`{}`", property.name),
                default(property),
                property.support.word().to_owned(),
                meaning(property),
            ];
            let cells = cells.map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(table, "| {} |", cells.join(" | "));
        }
    }
    table.push('\n');
    table
}

fn default(property: &Property) -> String {
    match property.default {
        Default::Unset => String::new(),
        Default::Required => "required".to_owned(),
        Default::Value(value) => format!("`{value}`"),
        Default::Derived(words) => words.to_owned(),
    }
}

fn meaning(property: &Property) -> String {
    let mut meaning = match property.support {
        Support::Honoured => property.doc.to_owned(),
        Support::Ignored(why) => format!("{}.", capital(why)),
        Support::Refused(refusal) => format!("{}; {}.", capital(refusal.why), refusal.instead),
    };
    let (Kind::Choice(choices) | Kind::Class(choices)) = property.kind else { return meaning };
    let words = |refused: bool| {
        let chosen = choices.iter().filter(|choice| choice.refused.is_some() == refused);
        let mut words: Vec<String> = Vec::new();
        for word in chosen.map(|choice| shown(choice, choices)) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        words.join(", ")
    };
    if choices.iter().filter(|choice| choice.refused.is_none()).count() > 1 {
        let _ = write!(meaning, " One of {}.", words(false));
    }
    if !words(true).is_empty() {
        let _ = write!(meaning, " Refused: {}.", words(true));
    }
    meaning
}

/// A word; a class by its simple name, unless one that is taken is called the same.
fn shown(choice: &Choice, among: &[Choice]) -> String {
    let simple = |choice: &Choice| match choice.word.len() > 1 {
        true => choice.word.rsplit('.').next().unwrap_or(choice.word),
        false => choice.word,
    };
    let mut taken = among.iter().filter(|other| other.refused.is_none() && other.word != choice.word);
    let is_ambiguous = choice.refused.is_some() && taken.any(|other| simple(other) == simple(choice));
    format!("`{}`", if is_ambiguous { choice.word } else { simple(choice) })
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().collect::<String>() + letters.as_str())
        .unwrap_or_default()
}
