//! JSON Schema's rules: what fits the writer's schema fits the reader's. A schema fits all of its parts (`allOf`, what its
//! `$ref` leads to), so each of the reader's keywords is looked for in all of the writer's parts together; and it fits one
//! branch of each union (`anyOf`, `oneOf`), so each case of the writer's is looked at by itself. That finds what
//! Confluent's `SchemaDiff` takes for incompatible when it is strict: objects are open unless they say otherwise, and a
//! member that an open object may have already cannot become one of a type.
//!
//! Not compared: the reader's `if` and `propertyNames`, and whatever is not known here. What the writer's `if` or `not`
//! takes away, or its patterns, is not known either: what they may have to do with is never said to be unreadable.

mod arrays;
mod objects;
mod parts;
mod scalars;
mod types;

pub(super) use parts::Documents;

use super::{Difference, Sides};
use parts::{ANYTHING, NOTHING, Part, cases};
use serde_json::Value;
use std::collections::HashMap;
use std::rc::Rc;
use types::{Types, is_same, takes, values};

/// What keeps the reader from reading what the writer may write.
pub(super) fn differences(writer: &Documents, reader: &Documents, sides: Sides<'_>) -> Vec<Difference> {
    let mut walk = Walk { sides, known: HashMap::new(), depth: 0, steps: 0 };
    let found = walk.differ(&[writer.root()], reader.root());
    found.iter().map(|it| Difference { what: format!("${}", it.what), is_broken: it.is_broken }).collect()
}

/// Differences, each with its path from where it is looked at.
type Found = Vec<Difference>;
/// What a part is known by.
type Key = (usize, bool);

struct Walk<'a> {
    sides: Sides<'a>,
    /// By the writer's parts and the reader's. A pair that is being looked at is taken for equal: that ends recursion.
    known: HashMap<(Vec<Key>, Vec<Key>), Rc<Found>>,
    depth: usize,
    steps: usize,
}

impl Walk<'_> {
    /// Beyond these nothing more is looked at.
    const MOST_STEPS: usize = 5_000;
    const DEEPEST: usize = 100;
    /// More differences of one schema are no help.
    const MOST: usize = 20;

    /// What of the values that fit all of the writer's schemas does not fit the reader's.
    fn differ(&mut self, writer: &[Part<'_>], reader: Part<'_>) -> Rc<Found> {
        let mut parts: Vec<Part<'_>> = Vec::new();
        for part in writer.iter().flat_map(|part| part.parts(&NOTHING)) {
            if parts.iter().all(|known| known.key() != part.key()) {
                parts.push(part);
            }
        }
        let read = reader.parts(&ANYTHING);
        let keys = |parts: &[Part<'_>]| {
            let mut keys: Vec<Key> = parts.iter().map(|part| part.key()).collect();
            keys.sort_unstable();
            keys
        };
        let key = (keys(&parts), keys(&read));
        if let Some(known) = self.known.get(&key) {
            return Rc::clone(known);
        }
        self.steps += 1;
        if self.steps > Self::MOST_STEPS || self.depth == Self::DEEPEST {
            return Rc::default();
        }
        self.known.insert(key.clone(), Rc::default());
        self.depth += 1;
        let mut found = Found::new();
        for case in cases(&parts, 0).unwrap_or_default() {
            if !Types::of(&case).is_empty() {
                read.iter().for_each(|part| self.compare(&case, *part, &mut found));
            }
        }
        self.depth -= 1;
        found.dedup();
        found.truncate(Self::MOST);
        let found = Rc::new(found);
        self.known.insert(key, Rc::clone(&found));
        found
    }

    /// The same, a step further down the path.
    fn within(&mut self, step: &str, writer: &[Part<'_>], reader: Part<'_>, found: &mut Found) {
        let deeper = self.differ(writer, reader);
        found.extend(
            deeper
                .iter()
                .map(|it| Difference { what: format!("{step}{}", it.what), is_broken: it.is_broken }),
        );
    }

    /// Whether all that the writer may write is read.
    fn is_read(&mut self, writer: &[Part<'_>], reader: Part<'_>) -> bool {
        self.differ(writer, reader).iter().all(|it| !it.is_broken)
    }

    /// One of the writer's cases, and one of the reader's parts.
    fn compare(&mut self, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        let before = found.len();
        self.keywords(case, part, found);
        // What these take away may be just what would not be read.
        let takes_away = ["if", "not", "propertyNames"];
        if case.iter().any(|part| takes_away.iter().any(|keyword| part.get(keyword).is_some())) {
            found[before..].iter_mut().for_each(|it| it.is_broken = false);
        }
        self.not(case, part, found);
    }

    fn keywords(&mut self, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        let Sides { writer, reader } = self.sides;
        if part.is_nothing() {
            found.push(Difference::broken(format!(" may be there in {writer}, and not in {reader}")));
            return;
        }
        if let Some(written) = written_values(case) {
            let missing = written.into_iter().filter(|value| !takes(part, value, 0)).collect::<Vec<_>>();
            if !missing.is_empty() {
                let what = format!(" may be {} in {writer}, and not in {reader}", list(&missing));
                found.push(Difference::broken(what));
            }
            return;
        }
        let written = Types::of(case);
        if let Some(read) = Types::said(part) {
            let what = || format!(" is {written} in {writer}, and {read} in {reader}");
            if !written.without(read).is_empty() {
                found.push(Difference::broken(what()));
            } else if !read.without(written).without(Types::NUMBER).is_empty() && written != Types::ALL {
                found.push(Difference::stricter(what()));
            }
        }
        self.values(written, case, part, found);
        let both = written.and(Types::said(part).unwrap_or(Types::ALL));
        self.scalars(both, case, part, found);
        if both.has(Types::ARRAY) {
            self.arrays(case, part, found);
        }
        if both.has(Types::OBJECT) {
            self.objects(case, part, found);
        }
        for union in ["anyOf", "oneOf"] {
            let branches: Option<Vec<Part<'_>>> = part.list(union).map(Iterator::collect);
            if let Some(branches) = branches {
                self.union(case, &branches, found);
            }
        }
    }

    /// `enum` and `const` of the reader, where the writer has none.
    fn values(&self, written: Types, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        let Some(read) = values(part) else { return };
        let all = [Value::Null, Value::Bool(false), Value::Bool(true)];
        let has = |value: &Value| read.iter().any(|known| is_same(known, value));
        // Of these types there are few enough values to have them all.
        let is_whole = |types: &Types| all.iter().filter(|value| types.has(Types::of_value(value))).all(has);
        let countable = Types::of_value(&all[0]).with(Types::of_value(&all[1]));
        if !written.without(countable).is_empty() || !is_whole(&written) {
            let Sides { writer, reader } = self.sides;
            let what = format!(" may be any {written} in {writer}, and only {} in {reader}", list(&read));
            // Bounds or a pattern may leave just these.
            let has = |keyword: &str| case.iter().any(|part| part.get(keyword).is_some());
            let is_bound =
                ["pattern", "format", "maxLength", "maximum", "exclusiveMaximum"].iter().any(|it| has(it));
            found.push(Difference { what, is_broken: !is_bound });
        }
    }

    /// A union that the reader has. What the writer may write is read by one branch, or each of its types by one.
    fn union(&mut self, case: &[Part<'_>], branches: &[Part<'_>], found: &mut Found) {
        if branches.iter().any(|branch| self.is_read(case, *branch)) {
            return;
        }
        let Some(first) = branches.first() else { return };
        for types in Types::of(case).each() {
            let alone = [case, &[first.with(types.schema())]].concat();
            if branches.iter().any(|branch| self.is_read(&alone, *branch)) {
                continue;
            }
            let takes_it = |branch: &&Part<'_>| Types::of(&branch.parts(&ANYTHING)).has(types);
            let mut like: Vec<&Part<'_>> = branches.iter().filter(takes_it).collect();
            match (like.pop(), like.is_empty()) {
                (Some(only), true) => self.within("", &alone, *only, found),
                _ => found.push(self.unread(types)),
            }
        }
    }

    fn unread(&self, types: Types) -> Difference {
        let Sides { writer, reader } = self.sides;
        Difference::broken(format!(
            " may be {types} in {writer}, and no branch that takes all of it in {reader}"
        ))
    }

    /// A `not` of the reader's, where the writer's schema is so simple that there is no doubt.
    fn not(&mut self, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        let Some(refused) = part.schema("not") else { return };
        let says = ["type", "not", "title", "description", "$schema", "$id", "default"];
        let is_simple = |part: &Part<'_>| {
            part.value
                .as_object()
                .is_none_or(|map| map.keys().all(|keyword| says.contains(&keyword.as_str())))
        };
        let refused_types = Types::of(&refused.parts(&NOTHING)).and(Types::of(case));
        let refuses_too =
            case.iter().any(|part| part.schema("not").is_some_and(|too| self.is_read(&[refused], too)));
        if case.iter().all(is_simple) && !refused_types.is_empty() && !refuses_too {
            let Sides { writer, reader } = self.sides;
            let what = format!(" may be of a schema in {writer} that \"not\" refuses in {reader}");
            found.push(Difference::broken(what));
        }
    }
}

/// What `enum` and `const` of all parts leave, if there is one.
fn written_values<'a>(case: &[Part<'a>]) -> Option<Vec<&'a Value>> {
    let mut lists = case.iter().filter_map(|part| values(*part));
    let first = lists.next()?;
    let rest: Vec<_> = lists.collect();
    let types = Types::of(case);
    let is_left = |value: &&Value| {
        let in_all = rest.iter().all(|list| list.iter().any(|known| is_same(known, value)));
        in_all && types.has(Types::of_value(value))
    };
    Some(first.into_iter().filter(is_left).collect())
}

/// Values as a line has them: not all, if there are many.
fn list(values: &[&Value]) -> String {
    const SHOWN: usize = 5;
    let mut texts: Vec<String> = values.iter().take(SHOWN).map(|value| value.to_string()).collect();
    if values.len() > SHOWN {
        texts.push("…".to_owned());
    }
    texts.join(", ")
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk_tests;
