//! Each written key against the catalogue: known or not, honoured, ignored or refused, and whether its value fits.

use super::names::Names;
use super::report::Report;
use super::values::check;
use crate::config::catalog::{self, Default, Property, Support, nearest, router};
use crate::config::raw::{Entry, Raw};

/// Goes through everything that was written. Kafka's client properties are left to those who translate them.
pub(super) fn survey(raw: &Raw, names: &Names, report: &mut Report) {
    for entry in raw.entries() {
        if names.covers(&entry.key) {
            continue;
        }
        if let Some((key, known, list)) = named(entry, names) {
            if !known && entry.is_blank() {
                continue;
            }
            if !known {
                unnamed(entry, key, list, names, report);
                continue;
            }
            if catalog::find(&entry.key).is_none() {
                unknown(entry, nearest::nearest(&entry.key, &names.all()), report);
                continue;
            }
        }
        if let Some(property) = catalog::find(&entry.key) {
            match property.support {
                Support::Refused(refusal) if !entry.is_blank() => {
                    report.wrong(entry, refusal.why, refusal.instead)
                }
                Support::Refused(_) => {}
                Support::Ignored(why) => {
                    report.ignored(entry, why);
                    fitting(property, entry, report);
                }
                Support::Honoured if entry.is_blank() => blank(entry, property.default, report),
                Support::Honoured => fitting(property, entry, report),
            }
        }
    }
}

/// The value is one that the property can have.
fn fitting(property: &Property, entry: &Entry, report: &mut Report) {
    if !entry.is_blank() {
        for unfit in check(property, entry) {
            report.wrong(entry, unfit.what, unfit.instead);
        }
    }
}

/// A key that nobody knows.
pub(super) fn unknown(entry: &Entry, near: Option<String>, report: &mut Report) {
    let instead = match &near {
        Some(near) => format!("write {near}"),
        None => "take it out".to_owned(),
    };
    // A misspelt secret is a secret.
    let secret = entry.secret || near.is_some_and(|near| catalog::is_secret_key(&near));
    let entry = Entry { secret, ..entry.clone() };
    report.wrong(&entry, "no property of this name is known", instead);
}

/// For a key of a transform or predicate: its name, whether a list names it, and that list.
fn named<'a>(entry: &'a Entry, names: &Names) -> Option<(&'a str, bool, &'static str)> {
    let of = |beginning: &str, known: &[String], list| {
        let name = entry.key.strip_prefix(beginning)?.split('.').next()?;
        Some((name, known.iter().any(|known| known == name), list))
    };
    of(router::TRANSFORM_KEYS, &names.transforms, router::TRANSFORMS.name)
        .or_else(|| of(router::PREDICATE_KEYS, &names.predicates, router::PREDICATES.name))
}

/// A key of a transform or predicate that no list names: Connect passes over it.
fn unnamed(entry: &Entry, name: &str, list: &str, names: &Names, report: &mut Report) {
    let what = format!("{list} does not name {name}");
    let instead = match nearest::nearest(&entry.key, &names.all()) {
        Some(near) => format!("write {near}"),
        None => format!("add {name} to {list}, or take this out"),
    };
    report.wrong(entry, what, instead);
}

/// Nothing is written where a default holds.
fn blank(entry: &Entry, default: Default, report: &mut Report) {
    if let Default::Value(default) = default {
        report.ignored(entry, &format!("it is empty; {default} is taken"));
    }
}
