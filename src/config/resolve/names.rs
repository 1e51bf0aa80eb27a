//! The names that a configuration gives to its parts: transforms, predicates, converters of columns.

use super::report::Report;
use super::values::View;
use crate::config::catalog::transforms::{self, Changes, Transform};
use crate::config::catalog::{Property, connector, converters, postgres, router};
use crate::config::problem::Notice;
use crate::config::raw::{Entry, Raw};

/// Names of parts, and which of them is the event router.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// As `transforms` names them.
    pub transforms: Vec<String>,
    /// The event router among them.
    pub router: Option<String>,
    /// What makes rows of logical decoding messages.
    pub decoder: Option<String>,
    /// As `predicates` names them.
    pub predicates: Vec<String>,
    /// The one that the event router asks.
    pub predicate: Option<String>,
    /// The one that the decoder asks.
    pub decoder_predicate: Option<String>,
    /// Beginnings of keys that belong to something refused as a whole: reported once, there.
    pub covered: Vec<String>,
}

const NO_ROUTER: &str = "there is no event router: no table is an outbox, and every change of a captured table is published as a \
     change event";

const COPIED: &str =
    "CloudEventsConverter has what it reads of them from the row; these headers are not published";

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
            name if name == router::DECODER_NULLS.name => self.decoder.as_ref(),
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
        let chain = self.transforms.clone();
        for name in &chain {
            let view = View::under(raw, name);
            let Some(entry) = view.entry(&router::TYPE) else {
                self.covered.push(view.key(&router::TYPE));
                report.required(&router::TYPE, &view.key(&router::TYPE));
                continue;
            };
            let (place, what) = match view.word(&router::TYPE) {
                Some(router::EVENT_ROUTER) => (&mut self.router, "an event router"),
                Some(_) if self.router.is_some() => {
                    let instead =
                        format!("let {name} come before the event router in {}", router::TRANSFORMS.name);
                    report.wrong(entry, "the event router comes before it, and sees no messages", instead);
                    self.covered.push(format!("{}{name}.", router::TRANSFORM_KEYS));
                    continue;
                }
                Some(_) => (&mut self.decoder, "one"),
                None => {
                    self.covered.push(format!("{}{name}.", router::TRANSFORM_KEYS));
                    continue;
                }
            };
            match place {
                None => *place = Some(name.clone()),
                Some(first) => {
                    let what = format!("there is {what} already: {first}");
                    report.wrong(entry, what, format!("take {name} out of {}", router::TRANSFORMS.name));
                    self.covered.push(format!("{}{name}.", router::TRANSFORM_KEYS));
                }
            }
        }
        for (at, name) in chain.iter().enumerate() {
            let view = View::under(raw, name);
            if let Some(entry) = view.entry(&router::TYPE).filter(|_| view.word(&router::TYPE).is_none()) {
                match self.harmless(raw, at, transforms::named(&entry.value)) {
                    Some(why) => report.ignored(entry, &why),
                    None => refuse(entry, name, report),
                }
            }
        }
        if self.router.is_none() {
            let (key, class) = (router::TRANSFORMS.name, router::EVENT_ROUTER);
            let instead = format!("add {key}=outbox and {}={class}", router::TYPE.key("outbox"));
            match View::plain(raw).entry(&router::TRANSFORMS) {
                Some(entry) => report.wrong(entry, "none of these is the outbox event router", instead),
                None => report.notice(Notice::absent(key, NO_ROUTER)),
            }
        }
    }

    /// Why another transform makes no difference, if it makes none.
    fn harmless(&self, raw: &Raw, at: usize, transform: Option<&Transform>) -> Option<String> {
        let (transform, router) = (transform?, self.router.as_ref()?);
        if transform.changes == Changes::Nothing {
            return Some(transform.why.to_owned());
        }
        // Behind the router an event has its own topic, which a predicate on a table's does not know. What the router's
        // predicate leaves alone is published, too.
        let is_before = !self.transforms[..at].contains(router);
        let beats = !View::plain(raw).millis(&connector::HEARTBEAT_INTERVAL).is_zero();
        let name = &self.transforms[at];
        let why = match transform.changes {
            Changes::Records if is_before && copies_headers(raw, name, transform) => COPIED,
            Changes::Topic if is_before && !beats && asked(raw, router).is_none() => {
                "the event router comes after it and names the topic anew"
            }
            _ => return None,
        };
        Some(why.to_owned())
    }

    fn find_predicate(&mut self, raw: &Raw, report: &mut Report) {
        self.predicate = self.predicate_of(raw, self.router.as_deref(), report);
        self.decoder_predicate = self.predicate_of(raw, self.decoder.as_deref(), report);
        if self.router.is_none() {
            return;
        }
        for name in &self.predicates {
            let view = View::under(raw, name);
            if self.predicate.as_ref() != Some(name) && self.decoder_predicate.as_ref() != Some(name) {
                self.covered.push(format!("{}{name}.", router::PREDICATE_KEYS));
                if let Some(entry) = view.entry(&router::PREDICATE_TYPE) {
                    report.ignored(entry, "the event router does not ask it");
                }
            } else if view.entry(&router::PREDICATE_TYPE).is_none() {
                report.required(&router::PREDICATE_TYPE, &view.key(&router::PREDICATE_TYPE));
            }
        }
    }

    /// The predicate that a transform asks, which the list of them must name.
    fn predicate_of(&self, raw: &Raw, transform: Option<&str>, report: &mut Report) -> Option<String> {
        let entry = View::under(raw, transform?).entry(&router::PREDICATE)?;
        let name = entry.value.trim();
        if self.predicates.iter().any(|known| known == name) {
            return Some(name.to_owned());
        }
        let what = format!("{} does not name it", router::PREDICATES.name);
        report.wrong(entry, what, format!("add {} and its type, or leave this out", router::PREDICATES.name));
        None
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

/// Whether it copies what CloudEventsConverter looks for into headers.
fn copies_headers(raw: &Raw, name: &str, transform: &Transform) -> bool {
    let option = |option: &str| {
        let entry = raw.get(&format!("{}{name}.{option}", router::TRANSFORM_KEYS));
        entry.map(|entry| entry.value.trim()).unwrap_or_default()
    };
    let mut fields = option("fields").split(',').map(str::trim);
    transform.class == transforms::HEADER_FROM
        && View::plain(raw).word(&converters::VALUE) == Some(converters::CLOUD_EVENTS)
        && option("operation") == "copy"
        && option("fields") == option("headers")
        && fields.all(|field| ["source", "op", "transaction"].contains(&field))
}

/// The predicate that a transform asks, and whether it is negated.
fn asked<'r>(raw: &'r Raw, transform: &'r str) -> Option<(&'r str, bool)> {
    let view = View::under(raw, transform);
    let entry = view.entry(&router::PREDICATE)?;
    Some((entry.value.trim(), view.flag(&router::NEGATE)))
}

/// A transform that would change what is published, or of which nobody knows what it does.
fn refuse(entry: &Entry, name: &str, report: &mut Report) {
    let out = format!("take {name} out of {}", router::TRANSFORMS.name);
    match transforms::named(&entry.value) {
        None => report.wrong(entry, "no transform runs here but the outbox event router", out),
        Some(Transform { why, instead: "", .. }) => report.wrong(entry, *why, out),
        Some(Transform { why, instead, .. }) => report.wrong(entry, *why, format!("{out}; {instead}")),
    }
}
