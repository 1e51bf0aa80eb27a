//! The names that a configuration gives to its parts: transforms, predicates, converters of columns.

use super::report::Report;
use super::values::View;
use crate::config::catalog::{Property, converters, postgres, router};
use crate::config::raw::Raw;

/// Names of parts, and which of them is the event router.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// As `transforms` names them.
    pub transforms: Vec<String>,
    /// The event router among them.
    pub router: Option<String>,
    /// As `predicates` names them.
    pub predicates: Vec<String>,
    /// The one that the event router asks.
    pub predicate: Option<String>,
    /// Beginnings of keys that belong to something refused as a whole: reported once, there.
    pub covered: Vec<String>,
}

impl Names {
    /// Goes through the lists of names; what is wrong with them is reported.
    pub(super) fn find(raw: &Raw, report: &mut Report) -> Names {
        let plain = View::plain(raw);
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let mut names = Names {
            transforms: owned(plain.list(&router::TRANSFORMS)),
            predicates: owned(plain.list(&router::PREDICATES)),
            ..Names::default()
        };
        names.find_router(raw, report);
        names.find_predicate(raw, report);
        names.cover_refused(raw);
        names
    }

    /// The key that a property has with these names; `None` for one that has none, or many.
    pub(super) fn key(&self, property: &Property) -> Option<String> {
        if !property.is_pattern() {
            return Some(property.name.to_owned());
        }
        let name = match property.name {
            name if name.starts_with(router::TRANSFORM_KEYS) => self.router.as_ref(),
            name if name.starts_with(router::PREDICATE_KEYS) => self.predicate.as_ref(),
            _ => None,
        };
        name.map(|name| property.key(name))
    }

    /// Every name that `<name>` may stand for.
    pub(super) fn all(&self) -> Vec<String> {
        self.transforms.iter().chain(&self.predicates).cloned().collect()
    }

    /// Whether a key belongs to something that is refused as a whole.
    pub(super) fn covers(&self, key: &str) -> bool {
        self.covered.iter().any(|beginning| key.starts_with(beginning.as_str()))
    }

    fn find_router(&mut self, raw: &Raw, report: &mut Report) {
        for name in self.transforms.clone() {
            let view = View::under(raw, &name);
            let Some(entry) = view.entry(&router::TYPE) else {
                self.covered.push(view.key(&router::TYPE));
                report.required(&router::TYPE, &view.key(&router::TYPE));
                continue;
            };
            let is_router = view.word(&router::TYPE).is_some();
            match (is_router, &self.router) {
                (true, None) => self.router = Some(name.clone()),
                (true, Some(first)) => {
                    let what = format!("there is an event router already: {first}");
                    report.wrong(entry, what, format!("take {name} out of {}", router::TRANSFORMS.name));
                }
                (false, _) => {
                    let instead = format!("take {name} out of {}", router::TRANSFORMS.name);
                    report.wrong(entry, "no transform runs here but the outbox event router", instead);
                }
            }
            if self.router.as_ref() != Some(&name) {
                self.covered.push(format!("{}{name}.", router::TRANSFORM_KEYS));
            }
        }
        if self.router.is_none() {
            let (key, class) = (router::TRANSFORMS.name, router::EVENT_ROUTER);
            let instead = format!("add {key}=outbox and {}={class}", router::TYPE.key("outbox"));
            match View::plain(raw).entry(&router::TRANSFORMS) {
                Some(entry) => report.wrong(entry, "none of these is the outbox event router", instead),
                None => report.missing(key, "the outbox event router is missing", instead),
            }
        }
    }

    fn find_predicate(&mut self, raw: &Raw, report: &mut Report) {
        let Some(router) = &self.router else { return };
        if let Some(entry) = View::under(raw, router).entry(&router::PREDICATE) {
            let name = entry.value.trim();
            if self.predicates.iter().any(|known| known == name) {
                self.predicate = Some(name.to_owned());
            } else {
                let what = format!("{} does not name it", router::PREDICATES.name);
                report.wrong(
                    entry,
                    what,
                    format!("add {} and its type, or leave this out", router::PREDICATES.name),
                );
            }
        }
        for name in &self.predicates {
            let view = View::under(raw, name);
            if self.predicate.as_ref() != Some(name) {
                self.covered.push(format!("{}{name}.", router::PREDICATE_KEYS));
                if let Some(entry) = view.entry(&router::PREDICATE_TYPE) {
                    report.ignored(entry, "the event router does not ask it");
                }
            } else if view.entry(&router::PREDICATE_TYPE).is_none() {
                report.required(&router::PREDICATE_TYPE, &view.key(&router::PREDICATE_TYPE));
            }
        }
    }

    /// Custom converters and post-processors have keys of their own; so has a converter that is refused.
    fn cover_refused(&mut self, raw: &Raw) {
        for list in [postgres::CUSTOM_CONVERTERS, postgres::POST_PROCESSORS] {
            let Some(entry) = raw.get(list) else { continue };
            let names = entry.value.split(',').map(str::trim).filter(|name| !name.is_empty());
            self.covered.extend(names.map(|name| format!("{name}.")));
        }
        for converter in [&converters::KEY, &converters::VALUE, &converters::HEADER] {
            if View::plain(raw).word(converter).is_none() {
                self.covered.push(format!("{}.", converter.name));
            }
        }
        for place in converters::PLACES {
            let view = View::under(raw, place);
            if view.entry(&converters::DELEGATE).is_some() && view.word(&converters::DELEGATE).is_none() {
                self.covered.push(format!("{}.", view.key(&converters::DELEGATE)));
            }
        }
    }
}
