//! Numbers and texts: bounds, lengths and forms.

use super::super::{Difference, Sides};
use super::parts::Part;
use super::types::Types;
use super::{Found, Walk};
use fancy_regex::Regex;
use serde_json::Value;
use std::fmt::Display;

/// A bound, and what sets it: the keyword and its value as it is written.
#[derive(Clone, Copy)]
struct Bound<'a> {
    keyword: &'static str,
    written: &'a Value,
    value: f64,
    is_exclusive: bool,
}

/// The keywords of one end of the numbers.
struct End {
    inclusive: &'static str,
    exclusive: &'static str,
    /// Multiplied with it, a tighter bound is a greater number.
    sign: f64,
}

const ENDS: [End; 2] = [
    End { inclusive: "minimum", exclusive: "exclusiveMinimum", sign: 1.0 },
    End { inclusive: "maximum", exclusive: "exclusiveMaximum", sign: -1.0 },
];

impl Walk<'_> {
    /// `types`: what both sides take.
    pub(super) fn scalars(&self, types: Types, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        if types.has(Types::NUMBER) {
            let is_whole = types.and(Types::NUMBER) == Types::INTEGER;
            ENDS.iter().for_each(|end| self.bound(end, is_whole, case, part, found));
            self.multiple(is_whole, case, part, found);
        }
        if types.has(Types::STRING) {
            self.lengths(case, part, found);
            let is_refused = |read: &str| is_refused(case, read);
            self.text("pattern", is_refused, case, part, found);
            // Confluent's registry lets it change, and most validators do not look at it.
            self.text("format", |_| false, case, part, found);
        }
    }

    fn bound(&self, end: &End, is_whole: bool, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        let Some(read) = end.last(part, is_whole) else { return };
        let written =
            case.iter().filter_map(|part| end.last(*part, is_whole)).reduce(|a, b| end.tighter(a, b));
        let has = match written {
            Some(written) if end.holds(written, read) => return,
            Some(Bound { keyword, written, .. }) => has(keyword, Some(written)),
            None => has(end.inclusive, None::<f64>),
        };
        found.push(Difference::broken(self.unlike(&has, read.keyword, read.written)));
    }

    fn multiple(&self, is_whole: bool, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        let Some(read) = part.number("multipleOf").filter(|of| *of > 0.0) else { return };
        let is_multiple = |of: f64| (of / read - (of / read).round()).abs() < 1e-9;
        let written: Vec<f64> = case.iter().filter_map(|part| part.number("multipleOf")).collect();
        if written.iter().any(|of| is_multiple(*of)) || (is_whole && is_multiple(1.0)) {
            return;
        }
        // Of two it may be a multiple together.
        let what = self.unlike(&has("multipleOf", written.first()), "multipleOf", read);
        found.push(Difference { what, is_broken: written.len() < 2 });
    }

    fn lengths(&self, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        let before = found.len();
        self.least("minLength", 0.0, case, part, found);
        self.most("maxLength", f64::INFINITY, case, part, found);
        // A pattern may say the same.
        if case.iter().any(|part| part.get("pattern").or(part.get("format")).is_some()) {
            found[before..].iter_mut().for_each(|it| it.is_broken = false);
        }
    }

    /// A keyword that is a text, which both sides must have alike; or else `is_refused` says whether it is unreadable.
    fn text(
        &self,
        keyword: &str,
        is_refused: impl Fn(&str) -> bool,
        case: &[Part<'_>],
        part: Part<'_>,
        found: &mut Found,
    ) {
        let text = |part: Part<'_>| part.get(keyword).and_then(|text| text.as_str()).map(str::to_owned);
        let Some(read) = text(part) else { return };
        let written: Vec<String> = case.iter().filter_map(|part| text(*part)).collect();
        if written.contains(&read) {
            return;
        }
        let what = self.unlike(&has(keyword, written.first()), keyword, &read);
        found.push(Difference { what, is_broken: is_refused(&read) });
    }

    /// `minLength` and its like. There are `implied` already, whatever the keyword says.
    pub(super) fn least(
        &self,
        keyword: &str,
        implied: f64,
        case: &[Part<'_>],
        part: Part<'_>,
        found: &mut Found,
    ) {
        if part.number(keyword).is_some_and(|least| least > implied) {
            self.limit(keyword, f64::max, |written, read| written >= read, case, part, found);
        }
    }

    /// `maxLength` and its like. There are no more than `implied`, whatever the keyword says.
    pub(super) fn most(
        &self,
        keyword: &str,
        implied: f64,
        case: &[Part<'_>],
        part: Part<'_>,
        found: &mut Found,
    ) {
        if part.number(keyword).is_some_and(|most| most < implied) {
            self.limit(keyword, f64::min, |written, read| written <= read, case, part, found);
        }
    }

    fn limit(
        &self,
        keyword: &str,
        tighter: fn(f64, f64) -> f64,
        holds: fn(f64, f64) -> bool,
        case: &[Part<'_>],
        part: Part<'_>,
        found: &mut Found,
    ) {
        let Some(read) = part.number(keyword) else { return };
        let written = case.iter().filter_map(|part| part.number(keyword)).reduce(tighter);
        if written.is_some_and(|written| holds(written, read)) {
            return;
        }
        found.push(Difference::broken(self.unlike(&has(keyword, written), keyword, read)));
    }

    /// What the writer has, and what the reader has of the keyword.
    fn unlike(&self, has: &str, keyword: &str, read: impl Display) -> String {
        let Sides { writer, reader } = self.sides;
        format!(" has {has} in {writer}, and {keyword} {read} in {reader}")
    }
}

fn has(keyword: &str, written: Option<impl Display>) -> String {
    written.map_or_else(|| format!("no {keyword}"), |written| format!("{keyword} {written}"))
}

/// Whether there is a text that the writer may write, and that the reader's pattern refuses: one is looked for among a few.
fn is_refused(case: &[Part<'_>], read: &str) -> bool {
    let patterns = |part: &Part<'_>| part.get("pattern").and_then(Value::as_str).map(Regex::new);
    let (Ok(written), Ok(read)) =
        (case.iter().filter_map(patterns).collect::<Result<Vec<_>, _>>(), Regex::new(read))
    else {
        return false;
    };
    if case.iter().any(|part| part.get("format").is_some()) {
        return false;
    }
    let limit = |keyword: &str| case.iter().filter_map(|part| part.number(keyword)).collect::<Vec<_>>();
    let (least, most) = (limit("minLength"), limit("maxLength"));
    let has_length = |text: &str| {
        let length = text.chars().count() as f64;
        least.iter().all(|least| length >= *least) && most.iter().all(|most| length <= *most)
    };
    let letters = (' '..='~').chain(['é', '\n']);
    let mut texts =
        letters.flat_map(|letter| [1, 2, 3, 8, 36, 300].map(|times| letter.to_string().repeat(times)));
    let is_match = |pattern: &Regex, text: &str| pattern.is_match(text).ok();
    texts.any(|text| {
        let is_written = has_length(&text) && written.iter().all(|it| is_match(it, &text) == Some(true));
        is_written && is_match(&read, &text) == Some(false)
    })
}

impl End {
    /// As the schema says it. In draft 4 the exclusive keyword is a flag beside the other.
    fn said<'a>(&self, part: Part<'a>) -> Option<Bound<'a>> {
        let flag = part.get(self.exclusive).and_then(Value::as_bool) == Some(true);
        let of = |keyword, is_exclusive| {
            let written = part.get(keyword)?;
            Some(Bound { keyword, written, value: written.as_f64()?, is_exclusive })
        };
        match (of(self.inclusive, flag), of(self.exclusive, true)) {
            (Some(one), Some(other)) => Some(self.tighter(one, other)),
            (one, other) => one.or(other),
        }
    }

    /// Of whole numbers, as the last one that it lets through.
    fn last<'a>(&self, part: Part<'a>, is_whole: bool) -> Option<Bound<'a>> {
        let bound = self.said(part)?;
        let value = bound.value * self.sign;
        match is_whole {
            true if bound.is_exclusive => {
                Some(Bound { value: (value.floor() + 1.0) * self.sign, is_exclusive: false, ..bound })
            }
            true => Some(Bound { value: value.ceil() * self.sign, ..bound }),
            false => Some(bound),
        }
    }

    fn holds(&self, written: Bound<'_>, read: Bound<'_>) -> bool {
        let (written_at, read_at) = (written.value * self.sign, read.value * self.sign);
        written_at > read_at || (written_at == read_at && (written.is_exclusive || !read.is_exclusive))
    }

    fn tighter<'a>(&self, one: Bound<'a>, other: Bound<'a>) -> Bound<'a> {
        if self.holds(one, other) { one } else { other }
    }
}
