//! Objects: which members there must be, what those are that have a name, and what others there may be.

use super::super::{Difference, Sides};
use super::arrays::is_never;
use super::parts::{ANYTHING, NOTHING, Part};
use super::{Found, Walk};
use serde_json::Value;
use std::collections::BTreeSet;

impl Walk<'_> {
    pub(super) fn objects(&mut self, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        let closed = |part: &Part<'_>| {
            let is_closed =
                part.others().is_some_and(Part::is_nothing) && part.get("patternProperties").is_none();
            is_closed.then(|| part.map("properties").count() as f64)
        };
        let required: BTreeSet<&str> = case.iter().flat_map(|part| part.names("required")).collect();
        let written = case.iter().filter_map(closed).fold(f64::INFINITY, f64::min);
        self.least("minProperties", required.len() as f64, case, part, found);
        self.most("maxProperties", written, case, part, found);
        self.required(case, part, found);
        self.named(case, part, found);
        self.others(case, part, found);
        self.dependencies(case, part, found);
    }

    fn required(&self, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        let Sides { writer, reader } = self.sides;
        for name in part.names("required") {
            if case.iter().any(|part| part.names("required").any(|required| required == name)) {
                continue;
            }
            let schemas = part.member(name, &ANYTHING);
            let mut parts =
                schemas.iter().flat_map(|schema| [vec![*schema], schema.parts(&ANYTHING)].concat());
            let has_default = parts.any(|part| part.get("default").is_some());
            // Not for a validator, but for the rules: who reads has the default.
            let difference = if has_default { Difference::stricter } else { Difference::broken };
            let but = if has_default { ", where it has a default" } else { "" };
            found.push(difference(format!(".{name} is not required in {writer}, and is in {reader}{but}")));
        }
    }

    /// Members that one of the sides names.
    fn named(&mut self, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        let Sides { writer, reader } = self.sides;
        let names: BTreeSet<&str> = case
            .iter()
            .chain([&part])
            .flat_map(|part| part.map("properties"))
            .map(|(name, _)| name)
            .collect();
        for name in names {
            let written: Vec<Part<'_>> = case.iter().flat_map(|part| part.member(name, &NOTHING)).collect();
            if is_never(&written) {
                continue;
            }
            let is_named = part.map("properties").any(|(named, _)| named == name);
            for read in part.member(name, &ANYTHING) {
                if !is_named && read.is_nothing() {
                    if !is_unsure(part) {
                        let what =
                            format!(".{name} is in {writer}, and not in {reader}, whose object is closed");
                        found.push(Difference::broken(what));
                    }
                } else if is_named && written.is_empty() {
                    if !self.is_read(&[], read) {
                        let what = format!(
                            ".{name} may be anything in {writer}, whose object is open, and not in {reader}"
                        );
                        found.push(Difference::broken(what));
                    }
                } else if is_named || !is_unsure(part) {
                    self.within(&format!(".{name}"), &written, read, found);
                }
            }
        }
    }

    /// Members that have no name, but those of a pattern or all.
    fn others(&mut self, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        let Sides { writer, reader } = self.sides;
        let others: Vec<Part<'_>> = case.iter().filter_map(|part| part.others()).collect();
        let patterns: Vec<(&str, Part<'_>)> =
            case.iter().flat_map(|part| part.map("patternProperties")).collect();
        for (pattern, read) in part.map("patternProperties") {
            let mut same: Vec<Part<'_>> =
                patterns.iter().filter(|(known, _)| *known == pattern).map(|(_, schema)| *schema).collect();
            if same.is_empty() && patterns.is_empty() {
                same.clone_from(&others);
            } else if same.is_empty() {
                continue;
            }
            if !is_never(&same) {
                self.within(&format!("{{{pattern}}}"), &same, read, found);
            }
        }
        let Some(read) = part.others().filter(|_| !is_unsure(part)) else { return };
        // What an object names not, its patterns may; but there need not be more of `^(a|b)$` than the reader names.
        let has_patterns = part.map("patternProperties").next().is_some();
        let of_patterns = patterns.iter().filter(|_| !has_patterns).map(|(_, schema)| (vec![*schema], false));
        for (written, is_broken) in of_patterns.chain([(others, true)]).filter(|(it, _)| !is_never(it)) {
            if read.is_nothing() {
                let what =
                    format!(" may have more members in {writer} than {reader} names, whose object is closed");
                found.push(Difference { what, is_broken });
            } else {
                let before = found.len();
                self.within("{}", &written, read, found);
                found[before..].iter_mut().for_each(|it| it.is_broken &= is_broken);
            }
        }
    }

    /// What must be there or must fit where a certain member is.
    fn dependencies(&mut self, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        let Sides { writer, reader } = self.sides;
        for (name, needed) in ["dependencies", "dependentRequired"].iter().flat_map(|it| part.map(it)) {
            if !may_have(case, name) {
                continue;
            }
            for needed in needed.value.as_array().into_iter().flatten().filter_map(Value::as_str) {
                let is_needed = |part: &Part<'_>| {
                    let dependent = ["dependencies", "dependentRequired"]
                        .iter()
                        .filter_map(|it| part.get(it)?.get(name)?.as_array());
                    part.names("required").any(|required| required == needed)
                        || dependent.flatten().any(|known| known == needed)
                };
                if !case.iter().any(is_needed) {
                    let what =
                        format!(".{needed} is required beside .{name} in {reader}, and not in {writer}");
                    found.push(Difference::broken(what));
                }
            }
        }
        for (name, read) in ["dependencies", "dependentSchemas"].iter().flat_map(|it| part.map(it)) {
            if read.value.is_array() || !may_have(case, name) {
                continue;
            }
            let own = ["dependencies", "dependentSchemas"]
                .iter()
                .flat_map(|it| case.iter().filter_map(move |part| Some(part.with(part.get(it)?.get(name)?))));
            let own: Vec<Part<'_>> = own.filter(|own| !own.value.is_array()).collect();
            let written = [case, &own].concat();
            let mut deeper = Found::new();
            self.within("", &written, read, &mut deeper);
            found.extend(
                deeper
                    .into_iter()
                    .map(|it| Difference { what: format!("{} (where .{name} is present)", it.what), ..it }),
            );
        }
    }
}

/// Members may have got their schema elsewhere, where `unevaluatedProperties` knows of it and we do not.
fn is_unsure(part: Part<'_>) -> bool {
    part.get("additionalProperties").is_none() && part.is_composed()
}

fn may_have(case: &[Part<'_>], name: &str) -> bool {
    let written: Vec<Part<'_>> = case.iter().flat_map(|part| part.member(name, &NOTHING)).collect();
    !is_never(&written)
}
