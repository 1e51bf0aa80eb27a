//! Who may import whom: data flows one way, an act knows the act before it and its own place, a place knows no act.

use super::sources::{Source, sources};
use std::collections::BTreeSet;

/// Small things with no neighbours but each other.
const GROUND: &[&str] = &[
    "lsn",
    "clock",
    "memory",
    "position",
    "fingerprint",
    "rejection",
    "backoff",
    "shutdown",
    "freeze",
    "secret",
    "failpoint",
    "mutant",
    "observe",
];

/// What comes out of these depends on what goes in alone.
const CLOCKLESS: &[&str] = &["decode", "route"];

/// Each act and place, and what it may import beyond the ground.
const ROAD: &[(&str, &[&str])] = &[
    ("postgres", &[]),
    ("kafka", &[]),
    ("registry", &[]),
    ("source", &["postgres"]),
    ("decode", &[]),
    ("route", &["decode"]),
    // An event still borrows its row: its cells and their types are decode's.
    ("encode", &["route", "decode", "registry"]),
    ("publish", &["encode", "kafka"]),
    ("confirm", &["publish"]),
];

/// What gathers the parts, each with what it may not import.
const FRAME: &[(&str, &[&str])] = &[
    ("config", &["error", "pipeline", "verify", "repair", "dlq", "migrate", "asyncapi", "cli"]),
    ("error", &["pipeline", "verify", "repair", "dlq", "migrate", "asyncapi", "cli"]),
    ("pipeline", &["verify", "repair", "dlq", "migrate", "asyncapi", "cli"]),
    // Beside the pipeline: the same acts, of rows that are read from the table, or from dead letters.
    ("verify", &["repair", "dlq", "migrate", "asyncapi", "cli"]),
    ("repair", &["dlq", "migrate", "asyncapi", "cli"]),
    ("dlq", &["verify", "repair", "migrate", "asyncapi", "cli"]),
    // Beside it, too: where another connector has come to, in the stream of its slot.
    ("migrate", &["verify", "repair", "dlq", "asyncapi", "cli"]),
    // Beside it: what the topics carry, in words; which topics there are, verify knows.
    ("asyncapi", &["repair", "dlq", "migrate", "cli"]),
    ("cli", &[]),
    ("lib", &[]),
    ("main", &[]),
];

#[test]
fn every_module_imports_only_what_its_layer_may() {
    let mut broken = Vec::new();
    for source in sources("src") {
        let module = source.module();
        for (line, imported) in imports(&source) {
            if imported != module && !may_import(module, &imported) {
                broken.push(format!("{}:{line}: {module} imports {imported}", source.path));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn every_module_has_its_layer() {
    let known: BTreeSet<&str> =
        GROUND.iter().copied().chain(ROAD.iter().chain(FRAME).map(|(module, _)| *module)).collect();
    let unknown: BTreeSet<String> = sources("src")
        .iter()
        .map(|source| source.module().to_owned())
        .filter(|it| !known.contains(&**it))
        .collect();
    assert!(unknown.is_empty(), "say in this file where {unknown:?} belongs");
}

#[test]
fn imports_are_found_however_they_are_written() {
    let text = "//! crate::cli\nuse crate::{encode, postgres::Config,\n    route::{self, Plan}};\nuse crate::lsn::Lsn;\n\
                // crate::cli\nfn x(_: &crate::source::Frame) { super::super::kafka::y(); super::z() }\n";
    let source = Source { path: "src/publish/batch.rs".into(), text: text.into() };
    let found: Vec<(usize, String)> = imports(&source);
    let found: Vec<(usize, &str)> = found.iter().map(|(line, module)| (*line, module.as_str())).collect();
    assert_eq!(
        found,
        [(2, "encode"), (2, "postgres"), (2, "route"), (4, "lsn"), (6, "source"), (6, "kafka")]
    );
}

fn may_import(module: &str, imported: &str) -> bool {
    if imported == "clock" && CLOCKLESS.contains(&module) {
        return false;
    }
    if let Some((_, allowed)) = ROAD.iter().find(|(name, _)| *name == module) {
        return GROUND.contains(&imported) || allowed.contains(&imported);
    }
    match FRAME.iter().find(|(name, _)| *name == module) {
        Some((_, forbidden)) => !forbidden.contains(&imported),
        None => GROUND.contains(&imported),
    }
}

/// The top modules a file names through `crate::` or through enough `super::`, with the line.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let depth = depth(&source.path);
    let code: String = source.code().fold(String::new(), |mut code, (line, text)| {
        while code.matches('\n').count() + 1 < line {
            code.push('\n');
        }
        code.push_str(text);
        code
    });
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let line = 1 + code[..at].matches('\n').count();
        let after = &code[at + "crate::".len()..];
        found.extend(heads(after).into_iter().map(|module| (at, line, module)));
    }
    let up = "super::".repeat(depth);
    for (at, _) in code.match_indices(&up) {
        if !code[..at].ends_with("super::") {
            let line = 1 + code[..at].matches('\n').count();
            let after = &code[at + up.len()..];
            found.extend(heads(after).into_iter().map(|module| (at, line, module)));
        }
    }
    found.sort_by_key(|(at, ..)| *at);
    let modules: BTreeSet<String> = sources("src").iter().map(|source| source.module().to_owned()).collect();
    found.into_iter().map(|(_, line, module)| (line, module)).filter(|(_, it)| modules.contains(it)).collect()
}

/// The first names of a path, or of each path in braces.
fn heads(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
            .collect()
    };
    let Some(inner) = path.strip_prefix('{') else { return vec![name(path)] };
    let mut heads = vec![name(inner)];
    let mut open = 1;
    for (at, letter) in inner.char_indices() {
        match letter {
            '{' => open += 1,
            '}' => open -= 1,
            ',' if open == 1 => heads.push(name(&inner[at + 1..])),
            _ => {}
        }
        if open == 0 {
            break;
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

/// How many modules deep a file's own module lies.
fn depth(path: &str) -> usize {
    let parts = path.strip_prefix("src/").unwrap_or(path).split('/').count();
    let is_folder = path.ends_with("/mod.rs");
    parts - usize::from(is_folder)
}
