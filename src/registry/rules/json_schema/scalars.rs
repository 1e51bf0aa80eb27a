//! Numbers and texts: bounds, lengths and forms.

use super::super::{Difference, Sides};
use super::parts::Part;
use super::types::Types;
use super::{Found, Walk};
use serde_json::Value;

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
            self.least("minLength", case, part, found);
            self.most("maxLength", case, part, found);
            self.text("pattern", Difference::broken, case, part, found);
            // Confluent's registry lets it change, and most validators do not look at it.
            self.text("format", Difference::stricter, case, part, found);
        }
    }

    fn bound(&self, end: &End, is_whole: bool, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        let Some(read) = end.last(part, is_whole) else { return };
        let written =
            case.iter().filter_map(|part| end.last(*part, is_whole)).reduce(|a, b| end.tighter(a, b));
        let Sides { writer, reader } = self.sides;
        let has = match written {
            Some(written) if end.holds(written, read) => return,
            Some(Bound { keyword, written, .. }) => format!("{keyword} {written}"),
            None => format!("no {}", end.inclusive),
        };
        let Bound { keyword, written, .. } = read;
        let what = format!(" has {has} in {writer}, and {keyword} {written} in {reader}");
        found.push(Difference::broken(what));
    }

    fn multiple(&self, is_whole: bool, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        let Some(read) = part.number("multipleOf").filter(|of| *of > 0.0) else { return };
        let is_multiple = |of: f64| (of / read - (of / read).round()).abs() < 1e-9;
        let written: Vec<f64> = case.iter().filter_map(|part| part.number("multipleOf")).collect();
        if written.iter().any(|of| is_multiple(*of)) || (is_whole && is_multiple(1.0)) {
            return;
        }
        let Sides { writer, reader } = self.sides;
        let has = written.first().map_or_else(|| "no multipleOf".to_owned(), |of| format!("multipleOf {of}"));
        found.push(Difference::broken(format!(" has {has} in {writer}, and multipleOf {read} in {reader}")));
    }

    /// A keyword that is a text, which both sides must have alike.
    fn text(
        &self,
        keyword: &str,
        difference: fn(String) -> Difference,
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
        let Sides { writer, reader } = self.sides;
        let has = written.first().map_or_else(|| format!("no {keyword}"), |text| format!("{keyword} {text}"));
        found.push(difference(format!(" has {has} in {writer}, and {keyword} {read} in {reader}")));
    }

    /// `minLength` and its like.
    pub(super) fn least(&self, keyword: &str, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        if part.number(keyword).is_some_and(|least| least > 0.0) {
            self.limit(keyword, f64::max, |written, read| written >= read, case, part, found);
        }
    }

    /// `maxLength` and its like.
    pub(super) fn most(&self, keyword: &str, case: &[Part<'_>], part: Part<'_>, found: &mut Found) {
        self.limit(keyword, f64::min, |written, read| written <= read, case, part, found);
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
        let Sides { writer, reader } = self.sides;
        let has = match case.iter().filter_map(|part| part.number(keyword)).reduce(tighter) {
            Some(written) if holds(written, read) => return,
            Some(written) => format!("{keyword} {written}"),
            None => format!("no {keyword}"),
        };
        found.push(Difference::broken(format!(" has {has} in {writer}, and {keyword} {read} in {reader}")));
    }
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
