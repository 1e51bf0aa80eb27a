//! Makes a failing case small: whatever can be taken out, and leaves a difference, is taken out.

use super::case::{Case, Row, Setting};
use super::debezium::{Batch, Debezium, Done};
use super::judge::judge;
use std::path::Path;

/// Rounds at most; each is one run of Debezium with every case that is a step smaller.
const ROUNDS: usize = 12;

/// The smallest that was found, as it last ran; `None` when the case does not fail alone.
pub fn shrink(debezium: &mut Debezium, case: Case, setting: Setting, directory: &Path) -> Option<Done> {
    let mut smallest = fail(debezium, vec![(case, setting)], directory).pop()?;
    for _ in 0..ROUNDS {
        let mut failing = fail(debezium, bold(&smallest.case, &smallest.setting), directory);
        if failing.is_empty() {
            failing = fail(debezium, small(&smallest.case, &smallest.setting), directory);
        }
        let Some(next) = failing.into_iter().min_by_key(size) else { break };
        smallest = next;
    }
    Some(smallest)
}

fn fail(debezium: &mut Debezium, tries: Vec<(Case, Setting)>, directory: &Path) -> Vec<Done> {
    // Cases with one setting share a connector.
    let mut batches: Vec<Batch> = Vec::new();
    for (case, setting) in tries {
        let has_room = |batch: &&mut Batch| batch.setting == setting && batch.cases.len() < 20;
        match batches.iter_mut().find(has_room) {
            Some(batch) => batch.cases.push(renamed(case, batch.cases.len())),
            None => batches.push(Batch { number: 0, setting, cases: vec![renamed(case, 0)] }),
        }
    }
    let mut done = debezium.run(batches);
    done.retain(|done| !judge(done, directory).wrong.is_empty());
    done
}

/// Its table's name begins as it did and ends with another number.
fn renamed(case: Case, number: usize) -> Case {
    let table = case.table.trim_end_matches(|c: char| c.is_ascii_digit());
    Case { table: format!("{table}{number}"), ..case }
}

fn size(done: &Done) -> usize {
    let case = &done.case;
    let defaults = case.columns.iter().filter(|column| column.default.is_some() || column.not_null).count();
    let length: usize = case.sql().iter().map(String::len).sum();
    1000 * (case.rows.len() + case.columns.len() + case.router.len() + done.setting.len())
        + 500 * defaults
        + length
}

/// Many things taken out at once.
fn bold(case: &Case, setting: &Setting) -> Vec<(Case, Setting)> {
    let mut steps = Vec::new();
    for row in &case.rows {
        if case.rows.len() > 1 && matches!(row, Row::Insert(_)) {
            steps.push((Case { rows: vec![row.clone()], ..case.clone() }, setting.clone()));
        }
    }
    let prefix = || setting.iter().filter(|(name, _)| *name == "topic.prefix");
    let plain: Setting = prefix().map(|(name, value)| (name.clone(), value.clone())).collect();
    if plain != *setting {
        steps.push((case.clone(), plain));
    }
    let mut bare = case.clone();
    bare.router.retain(|name, _| name.contains("field.event") || name == "route.by.field");
    if bare != *case {
        steps.push((bare, setting.clone()));
    }
    steps
}

/// One thing taken out, or made plain.
fn small(case: &Case, setting: &Setting) -> Vec<(Case, Setting)> {
    let mut steps = Vec::new();
    let mut step = |changed: Case| steps.push((changed, setting.clone()));
    for at in 0..case.rows.len() {
        let mut changed = case.clone();
        changed.rows.remove(at);
        if !changed.rows.is_empty() {
            step(changed);
        }
    }
    for name in case.router.keys() {
        let mut changed = case.clone();
        changed.router.remove(name);
        step(changed);
    }
    for at in 1..case.columns.len() {
        step(without_column(case, at));
        let mut changed = case.clone();
        (changed.columns[at].default, changed.columns[at].not_null) = (None, false);
        let uses_default = |row: &Row| matches!(row, Row::Insert(values) if values[at] == "default");
        if changed != *case && !case.rows.iter().any(uses_default) {
            step(changed);
        }
    }
    let placement = "table.fields.additional.placement";
    if let Some(items) = case.router.get(placement).map(|items| items.split(',').collect::<Vec<_>>()) {
        for at in (0..items.len()).filter(|_| items.len() > 1) {
            let mut items = items.clone();
            items.remove(at);
            let mut changed = case.clone();
            changed.router.insert(placement.into(), items.join(","));
            step(changed);
        }
    }
    step(Case { full_identity: false, excluded: None, table: "t".into(), ..case.clone() });
    for name in setting.keys().filter(|name| *name != "topic.prefix") {
        let mut changed = setting.clone();
        changed.remove(name);
        steps.push((case.clone(), changed));
    }
    steps.retain(|(changed, given)| changed != case || given != setting);
    steps
}

/// The column, and what names it.
fn without_column(case: &Case, at: usize) -> Case {
    let mut changed = case.clone();
    let column = changed.columns.remove(at).name;
    changed.rows.retain(|row| !matches!(row, Row::Update { column: of, .. } if *of == column));
    for row in &mut changed.rows {
        if let Row::Insert(values) = row {
            values.remove(at);
        }
    }
    changed.excluded = changed.excluded.filter(|excluded| *excluded != column);
    if let Some(items) = changed.router.get_mut("table.fields.additional.placement") {
        let left: Vec<&str> =
            items.split(',').filter(|item| item.split(':').next().map(str::trim) != Some(&column)).collect();
        *items = left.join(",");
    }
    changed.router.retain(|name, value| name != "table.fields.additional.placement" || !value.is_empty());
    changed
}
