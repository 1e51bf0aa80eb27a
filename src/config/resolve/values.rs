//! Entries read by their property's kind, and the check that they can be.

use crate::config::catalog::{Choice, Kind, Property, nearest};
use crate::config::raw::{Entry, Raw};
use crate::route::java_regex;
use fancy_regex::Regex;
use std::time::Duration;

/// What was written, read by property. A value that cannot be read is reported once, by [`check`]; here it counts as
/// not written.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    raw: &'a Raw,
    fill: &'a str,
}

/// What is wrong with a value, and what to write instead.
pub(super) struct Unfit {
    pub what: String,
    pub instead: String,
}

impl<'a> View<'a> {
    /// Properties whose names are no patterns.
    pub(super) fn plain(raw: &'a Raw) -> View<'a> {
        View { raw, fill: "" }
    }

    /// Properties whose names are patterns, filled with this name.
    pub(super) fn under(raw: &'a Raw, fill: &'a str) -> View<'a> {
        View { raw, fill }
    }

    /// The entry, if it says anything.
    pub(super) fn entry(&self, property: &Property) -> Option<&'a Entry> {
        self.raw.get(&property.key(self.fill)).filter(|entry| !entry.is_blank())
    }

    /// The entry, if it is there and says nothing.
    pub(super) fn blank(&self, property: &Property) -> Option<&'a Entry> {
        self.raw.get(&property.key(self.fill)).filter(|entry| entry.is_blank())
    }

    /// The key the property has in this view.
    pub(super) fn key(&self, property: &Property) -> String {
        property.key(self.fill)
    }

    /// The text without blanks around it, if it was written or has a default.
    pub(super) fn optional(&self, property: &Property) -> Option<&'a str> {
        self.entry(property).map(|entry| entry.value.trim()).or(property.default_value())
    }

    /// The text without blanks around it; empty when there is none.
    pub(super) fn text(&self, property: &Property) -> &'a str {
        self.optional(property).unwrap_or_default()
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, property: &Property) -> bool {
        let text = self.optional(property).filter(|text| boolean(text).is_some());
        text.or(property.default_value()).and_then(boolean).unwrap_or_default()
    }

    /// A whole number.
    pub(super) fn number(&self, property: &Property) -> i64 {
        let written = self.optional(property).and_then(|text| text.parse().ok());
        let default = || property.default_value().and_then(|text| text.parse().ok());
        written.or_else(default).unwrap_or_default()
    }

    /// A size. What is out of its range is reported for that; here it counts as the nearest that is not.
    pub(super) fn size(&self, property: &Property) -> usize {
        let written = self.number(property);
        let within = match property.kind {
            Kind::Int { least, most, .. } => written.clamp(least, most),
            _ => written,
        };
        within.try_into().unwrap_or_default()
    }

    /// A duration.
    pub(super) fn millis(&self, property: &Property) -> Duration {
        Duration::from_millis(self.number(property).try_into().unwrap_or_default())
    }

    /// The word or class of the catalogue that is meant.
    pub(super) fn word(&self, property: &Property) -> Option<&'static str> {
        let text = self.optional(property)?;
        let choice = match property.kind {
            Kind::Choice(choices) => choices.iter().find(|choice| choice.is_meant_by(text)),
            Kind::Class(choices) => choices.iter().find(|choice| choice.is_class(text)),
            _ => None,
        };
        choice.filter(|choice| choice.refused.is_none()).map(|choice| choice.word)
    }

    /// Texts between commas, without blanks around them.
    pub(super) fn list(&self, property: &Property) -> Vec<&'a str> {
        self.text(property).split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
    }

    /// Regular expressions between commas, each matching a whole name in any case.
    pub(super) fn regexes(&self, property: &Property) -> Vec<Regex> {
        split_regexes(self.text(property)).iter().filter_map(|item| java_regex(item, true).ok()).collect()
    }
}

/// What is wrong with an entry's value, by the kind of its property: one item a value, several for a list.
pub(super) fn check(property: &Property, entry: &Entry) -> Vec<Unfit> {
    let text = entry.value.trim();
    let unfit = match property.kind {
        Kind::Text | Kind::List | Kind::Password => None,
        Kind::Int { unit, least, most } => check_int(text, unit, least, most),
        Kind::Millis(least) => check_int(text, "milliseconds", least, i64::MAX),
        Kind::Boolean => match boolean(text) {
            Some(_) => None,
            None => Some(Unfit::new("it is neither true nor false", "write true or false")),
        },
        Kind::Choice(choices) => check_word(text, choices, Choice::is_meant_by, "there is no such value"),
        Kind::Class(choices) => {
            check_word(text, choices, Choice::is_class, "no class of this name is known here")
        }
        Kind::Path => std::fs::File::open(text).err().map(|error| {
            Unfit::new(format!("the file cannot be opened: {error}"), "check the name and who may read it")
        }),
        Kind::Regex => java_regex(text, false).err().map(|error| Unfit::regex(entry, text, &error)),
        Kind::RegexList => {
            let items = split_regexes(text);
            let errors = items.iter().filter_map(|item| Some((item, java_regex(item, true).err()?)));
            return errors.map(|(item, error)| Unfit::regex(entry, item, &error)).collect();
        }
    };
    unfit.into_iter().collect()
}

impl Unfit {
    fn new(what: impl Into<String>, instead: impl Into<String>) -> Unfit {
        Unfit { what: what.into(), instead: instead.into() }
    }

    fn regex(entry: &Entry, regex: &str, error: &str) -> Unfit {
        let what = match entry.secret {
            true => "it is not a Java regular expression".to_owned(),
            false => format!("`{regex}` is not a Java regular expression: {error}"),
        };
        Unfit::new(what, "write one that Java's Pattern takes")
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn check_int(text: &str, unit: &str, least: i64, most: i64) -> Option<Unfit> {
    let what = match text.parse::<i64>() {
        Ok(number) if number < least => format!("it is less than {least}"),
        Ok(number) if number > most => format!("it is more than {most}"),
        Ok(_) => return None,
        Err(_) => "it is not a whole number".to_owned(),
    };
    let unit = if unit.is_empty() { String::new() } else { format!(" of {unit}") };
    let instead = match (least, most) {
        (least, i64::MAX) => format!("write a number{unit}, at least {least}"),
        (least, most) if least == most => format!("write {least}"),
        (least, most) => format!("write a number{unit} from {least} to {most}"),
    };
    Some(Unfit::new(what, instead))
}

fn check_word(text: &str, choices: &[Choice], is: fn(&Choice, &str) -> bool, none: &str) -> Option<Unfit> {
    match choices.iter().find(|choice| is(choice, text)) {
        Some(Choice { refused: None, .. }) => None,
        Some(Choice { refused: Some(refusal), .. }) => Some(Unfit::new(refusal.why, refusal.instead)),
        None => {
            let taken = choices.iter().filter(|choice| choice.refused.is_none()).map(|choice| choice.word);
            let near = nearest::pick(text, taken.clone().map(str::to_owned));
            let words = near.unwrap_or_else(|| taken.collect::<Vec<_>>().join(", "));
            let one_of = if words.contains(", ") { "one of " } else { "" };
            Some(Unfit::new(none, format!("write {one_of}{words}")))
        }
    }
}

/// Splits at commas, as Debezium does: one after a backslash belongs to its item.
pub(super) fn split_regexes(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ',' => items.push(String::new()),
            '\\' => {
                let escaped = letters.next();
                let item = items.last_mut().expect("one at least");
                if escaped != Some(',') {
                    item.push('\\');
                }
                item.extend(escaped);
            }
            other => items.last_mut().expect("one at least").push(other),
        }
    }
    items.into_iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}
