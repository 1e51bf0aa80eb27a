//! The pages of docs/formats: what stands on them is run here on real servers, and they show what came of it.
//!
//! - `blocks` a page's fenced blocks: what each is for is said behind its language
//! - `stage`  a page's examples, one after the other: database, connector, commands and consumers
//! - `show`   records and letters as text
//!
//! `UPDATE_DOCS=1 cargo test --test integration -- formats::pages` writes what came of it into the pages.

mod blocks;
mod show;
mod stage;

use crate::support::Registry;
use blocks::Part;
use stage::Stage;
use std::fs;
use std::path::PathBuf;

/// In the order in which their schemas are registered, for ids are on the pages.
const OF_A_REGISTRY: &[&str] = &["avro", "json-schema", "protobuf", "cloudevents"];
const OTHERS: &[&str] = &["text", "json", "binary", "numbers"];

#[test]
fn text_is_as_its_page_has_it() {
    hold("text", None);
}

#[test]
fn json_is_as_its_page_has_it() {
    hold("json", None);
}

#[test]
fn bytes_are_as_their_page_has_them() {
    hold("binary", None);
}

#[test]
fn numbers_are_as_their_page_has_them() {
    hold("numbers", None);
}

#[test]
fn avro_json_schema_protobuf_and_cloudevents_are_as_their_pages_have_them() {
    // One that nobody else asks: it counts ids from 1.
    let registry = Registry::start();
    for page in OF_A_REGISTRY {
        hold(page, Some(&registry));
    }
}

#[test]
fn every_page_is_run() {
    let pages = fs::read_dir(path("README").parent().expect("a directory")).expect("docs/formats");
    let mut found: Vec<_> =
        pages.map(|page| page.expect("a page").file_name().to_string_lossy().into_owned()).collect();
    found.sort();
    let run = OF_A_REGISTRY.iter().chain(OTHERS).chain(&["README"]);
    let mut run: Vec<_> = run.map(|page| format!("{page}.md")).collect();
    run.sort();
    assert_eq!(found, run);
}

/// Runs the page and compares it with what came of it; or writes that, when it is asked for.
fn hold(page: &str, registry: Option<&Registry>) {
    let (path, written) = (path(page), text(page));
    let mut stage = Stage::new(&blocks::parse(&text("README")), registry);
    let parts = blocks::parse(&written);
    let made = parts.into_iter().map(|part| match part {
        Part::Prose(text) => Part::Prose(text),
        Part::Block { info, body } => Part::Block { body: stage.play(&info, &body), info },
    });
    let made = blocks::text(&made.collect::<Vec<_>>());
    stage.end();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, made).expect("the page is written");
        return;
    }
    let (written, made) = (written.lines(), made.lines());
    let differing = (1..).zip(written.map(Some).chain([None]).zip(made.map(Some).chain([None])));
    if let Some((line, (written, made))) = differing.into_iter().find(|(_, (written, made))| written != made)
    {
        panic!(
            "docs/formats/{page}.md:{line} is not what came of running it\n  written: {}\n  came:    {}\n\
             UPDATE_DOCS=1 cargo test --test integration -- formats::pages writes it anew",
            written.unwrap_or("(the end)"),
            made.unwrap_or("(the end)"),
        );
    }
}

fn path(page: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("docs/formats/{page}.md"))
}

fn text(page: &str) -> String {
    fs::read_to_string(path(page)).expect("the page")
}
