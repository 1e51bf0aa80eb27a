//! Makes a failing case small: whatever can be taken out, and leaves a difference, is taken out.

use super::case::{Case, Row, Setting};
use super::debezium::{Batch, Debezium, Done};
use super::judge::judge;
use std::ops::Range;
use std::path::Path;

/// Rounds at most; each is one run of Debezium with every case that is a step smaller.
const ROUNDS: usize = 20;

/// A case that was tried, and failed.
trait Tried {
    fn case(&self) -> &Case;
    fn setting(&self) -> &Setting;
}

impl Tried for Done {
    fn case(&self) -> &Case {
        &self.case
    }

    fn setting(&self) -> &Setting {
        &self.setting
    }
}

/// The smallest that was found, as it last ran; `None` when the case does not fail alone.
pub fn shrink(debezium: &mut Debezium, case: Case, setting: Setting, directory: &Path) -> Option<Done> {
    smallest(case, setting, |tries| fail(debezium, tries, directory))
}

/// The smallest that fails; `fail` keeps of many those that do.
fn smallest<T: Tried>(
    case: Case,
    setting: Setting,
    mut fail: impl FnMut(Vec<(Case, Setting)>) -> Vec<T>,
) -> Option<T> {
    let mut smallest = fail(vec![(case, setting)]).pop()?;
    for _ in 0..ROUNDS {
        let mut failing = fail(bold(smallest.case(), smallest.setting()));
        if failing.is_empty() {
            failing = fail(small(smallest.case(), smallest.setting()));
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

fn size(tried: &impl Tried) -> usize {
    let case = tried.case();
    let defaults = case.columns.iter().filter(|column| column.default.is_some() || column.not_null).count();
    let length: usize = case.sql().iter().map(String::len).sum();
    1000 * (case.rows.len() + case.columns.len() + case.router.len() + tried.setting().len())
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
    for columns in chunks(1..case.columns.len()) {
        let without = |case: Case, at| without_column(&case, at);
        steps.push((columns.rev().fold(case.clone(), without), setting.clone()));
    }
    let names: Vec<&String> = case.router.keys().collect();
    for names in chunks(0..names.len()).map(|chunk| &names[chunk]) {
        let mut changed = case.clone();
        changed.router.retain(|name, _| !names.contains(&name));
        steps.push((changed, setting.clone()));
    }
    steps
}

/// All of a range, halves of it, quarters, and so on down to two.
fn chunks(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let sizes =
        std::iter::successors(Some(range.len()), |size| Some(size.div_ceil(2))).take_while(|size| *size > 2);
    sizes.chain([2]).flat_map(move |size| {
        let (begin, end) = (range.start, range.end);
        (begin..end).step_by(size).map(move |at| at..(at + size).min(end)).filter(|chunk| chunk.len() > 1)
    })
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

#[cfg(test)]
mod tests {
    use super::super::{generate, settings};
    use super::*;
    use crate::random::Random;
    use std::cell::Cell;

    impl Tried for (Case, Setting) {
        fn case(&self) -> &Case {
            &self.0
        }

        fn setting(&self) -> &Setting {
            &self.1
        }
    }

    /// Shrinks a generated case under a comparison that fails by this; and how often Debezium would have run.
    fn shrunk(seed: u64, fails: impl Fn(&Case, &Setting) -> bool) -> Option<((Case, Setting), usize)> {
        let mut random = Random::new(seed);
        let setting = settings::setting(&mut random);
        let case = generate::case(&mut random, &setting, 7, false);
        let runs = Cell::new(0);
        let smallest = smallest(case, setting, |tries| {
            runs.set(runs.get() + 1);
            tries.into_iter().filter(|(case, setting)| fails(case, setting)).collect()
        });
        smallest.map(|smallest| (smallest, runs.get()))
    }

    /// A column beyond those that every outbox has, of this type, with a value of its own in some row.
    fn has(case: &Case, sql: &str) -> bool {
        let is_told = |at: usize| {
            case.rows
                .iter()
                .any(|row| matches!(row, Row::Insert(values) if !["null", "default"].contains(&&*values[at])))
        };
        let mut columns = case.columns.iter().enumerate();
        columns.any(|(at, column)| column.sql == sql && column.name.starts_with('x') && is_told(at))
    }

    #[test]
    fn a_case_that_fails_for_a_columns_type_is_made_one_row_of_that_column_and_printed() {
        let mut found = 0;
        for seed in 0..2_500 {
            let Some(((case, setting), runs)) = shrunk(seed, |case, _| has(case, "interval")) else {
                continue;
            };
            found += 1;
            let (columns, rows) = (case.columns.len(), case.rows.len());
            assert_eq!(
                (columns, rows, case.router.len(), setting.len()),
                (2, 1, 0, 1),
                "seed {seed}: {case:?}"
            );
            let column = &case.columns[1];
            assert_eq!(
                (column.sql, &column.default, column.not_null),
                ("interval", &None, false),
                "seed {seed}"
            );
            assert!(runs <= 2 * ROUNDS, "seed {seed}: {runs} runs");
            let shown = case.shown(&setting);
            let lines: Vec<&str> = shown.lines().collect();
            let name = &column.name;
            assert!(
                lines[0].starts_with("create table \"t\" (\"")
                    && lines[0].ends_with(&format!("\"{name}\" interval);")),
                "{shown}"
            );
            assert!(lines[1].starts_with("insert into \"t\" values ('"), "{shown}");
            assert!(lines.len() == 3 && lines[2].starts_with("topic.prefix="), "{shown}");
        }
        assert!(found > 10, "only {found} of the seeds have such a column");
    }

    #[test]
    fn what_a_failure_needs_together_is_kept_together() {
        let placement = "table.fields.additional.placement";
        let fails = |case: &Case, setting: &Setting| {
            let placed = case.router.get(placement).is_some_and(|items| items.contains("x0:"));
            placed
                && case.columns.iter().any(|column| column.name == "x0")
                && setting.contains_key("decimal.handling.mode")
        };
        let mut found = 0;
        for seed in 0..400 {
            let Some(((case, setting), _)) = shrunk(seed, fails) else { continue };
            found += 1;
            assert_eq!(
                (case.columns.len(), case.rows.len(), case.router.len(), setting.len()),
                (2, 1, 1, 2),
                "{case:?}"
            );
            assert!(!case.router[placement].contains(','), "{case:?}");
        }
        assert!(found > 10, "only {found} of the seeds have both");
        assert!(shrunk(1, |_, _| false).is_none(), "what does not fail alone is not made small");
    }
}
