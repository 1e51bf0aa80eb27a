//! Arrays: how many items, and what they are, one by one or all.

use super::super::{Difference, Sides};
use super::parts::{NOTHING, Part};
use super::types::Types;
use super::{Found, Walk, written_values};

impl Walk<'_> {
    pub(super) fn arrays(&mut self, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        let closed = |part: &Part<'_>| {
            let (placed, others) = part.items();
            others.is_some_and(Part::is_nothing).then_some(placed.len() as f64)
        };
        let written = case.iter().filter_map(closed).fold(f64::INFINITY, f64::min);
        self.least("minItems", 0.0, case, part, found);
        self.most("maxItems", written, case, part, found);
        let is_unique = |part: &Part<'_>| part.get("uniqueItems").is_some_and(|it| it == true);
        let is_short = |part: &Part<'_>| {
            part.number("maxItems").is_some_and(|most| most < 2.0) || closed(part) == Some(1.0)
        };
        if is_unique(&part) && !case.iter().any(|part| is_unique(part) || is_short(part)) {
            let Sides { writer, reader } = self.sides;
            let what = format!(" has uniqueItems in {reader}, and not in {writer}");
            found.push(Difference::broken(what));
        }
        self.items(case, part, found);
        self.contains(case, part, found);
    }

    fn items(&mut self, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        let (read, others_read) = part.items();
        let others_read =
            others_read.filter(|_| part.get("unevaluatedItems").is_none() || !part.is_composed());
        let written: Vec<_> = case.iter().map(|part| part.items()).collect();
        let placed = written.iter().map(|(placed, _)| placed.len()).chain([read.len()]).max().unwrap_or(0);
        let most = case.iter().filter_map(|part| part.number("maxItems")).fold(f64::INFINITY, f64::min);
        for place in 0..placed {
            let here: Vec<Part<'_>> = written
                .iter()
                .filter_map(|(placed, others)| placed.get(place).copied().or(*others))
                .collect();
            if (place as f64) >= most || is_never(&here) {
                return;
            }
            if let Some(read) = read.get(place).copied().or(others_read) {
                self.within(&format!("[{place}]"), &here, read, found);
            }
        }
        let others: Vec<Part<'_>> = written.iter().filter_map(|(_, others)| *others).collect();
        let Some(read) = others_read else { return };
        if (placed as f64) < most && !is_never(&others) {
            self.within("[]", &others, read, found);
        }
    }

    fn contains(&mut self, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        let Some(read) = part.schema("contains").filter(|_| part.number("minContains") != Some(0.0)) else {
            return;
        };
        let written: Vec<Part<'_>> = case.iter().filter_map(|part| part.schema("contains")).collect();
        let Sides { writer, reader } = self.sides;
        if written.is_empty() {
            let least = case.iter().filter_map(|part| part.number("minItems")).fold(0.0, f64::max);
            // Of items that are there, their own schema may say it.
            if least == 0.0 {
                let what = format!(" may be empty in {writer}, and contains an item of a schema in {reader}");
                found.push(Difference::broken(what));
            }
        } else if written.iter().all(|written| !self.is_read(&[*written], read)) {
            let items: Vec<Part<'_>> = case.iter().filter_map(|part| part.items().1).collect();
            // Items that are all of the schema contain one as soon as there is one.
            let has_placed = case.iter().any(|part| !part.items().0.is_empty());
            if !has_placed && !self.is_read(&items, read) {
                let what = format!(" contains an item of another schema in {writer} than in {reader}");
                found.push(Difference::broken(what));
            }
        }
        // One is what there is without the keyword, too.
        if part.number("minContains").is_some_and(|least| least > 1.0) {
            self.least("minContains", 0.0, case, part, found);
        }
        if !written.is_empty() {
            self.most("maxContains", f64::INFINITY, case, part, found);
        }
    }
}

/// No value fits all of the schemas.
pub(super) fn is_never(schemas: &[Part<'_>]) -> bool {
    let parts: Vec<Part<'_>> = schemas.iter().flat_map(|schema| schema.parts(&NOTHING)).collect();
    Types::of(&parts).is_empty() || written_values(&parts).is_some_and(|values| values.is_empty())
}
