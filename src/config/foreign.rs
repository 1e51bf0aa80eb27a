//! Another connector's configuration → ours: a Connect connector, or a Debezium Server.
//!
//! Enters: its text, and a worker's file. Leaves: what is to be written as our file, and for every entry whether it is
//! honoured, ignored, changed or refused, and why. Promised: placeholders stay placeholders, so that no secret is written
//! that was not written before; nothing that would change an event is dropped without being named.

mod properties;

pub use properties::as_properties;

use super::catalog::{self, Support, connector, foreign as declared, worker};
use super::problem::{Notice, Problems};
use super::raw::{Entry, Gathered, Origin, Raw};
use super::resolve::{Loaded, resolve};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What comes of a connector's configuration.
#[derive(Debug)]
pub struct Migrated {
    /// Every entry, by origin: what becomes of it.
    pub verdicts: Vec<Verdict>,
    /// What it means here, or everything that is in the way.
    pub outcome: Result<Loaded, Problems>,
    /// What is to be written, by key.
    pub file: BTreeMap<String, String>,
    /// What it says of itself.
    pub old: Old,
}

/// What becomes of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The key as it was written.
    pub key: String,
    /// The value, masked if it is a secret; `None` when the key was not written.
    pub value: Option<String>,
    /// Where it was written; empty when it was not.
    pub origin: String,
    /// `honoured`, `ignored`, `changed` or `refused`; `noted` for what is only worth knowing.
    pub becomes: &'static str,
    /// Why, what it is changed to, or what to do.
    pub note: String,
}

/// What the old connector's files say of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Old {
    /// It is a Debezium Server.
    pub is_server: bool,
    /// Its name, as its offset has it.
    pub name: Option<String>,
    /// `topic.prefix`.
    pub prefix: Option<String>,
    /// The topic that has its offset.
    pub offsets_topic: Option<String>,
    /// The file that has it.
    pub offsets_file: Option<PathBuf>,
    /// The transactional id of its only task, if it published in transactions.
    pub transactional_id: Option<String>,
}

const CHANGED: &str = "changed";
const REFUSED: &str = "refused";
const NOTED: &str = "noted";

/// Reads the text of a connector, called `name`, over a worker's file; `set` are entries that win over both.
pub fn migrate(
    name: &str,
    text: &[u8],
    worker: Option<&Path>,
    set: &[(String, String)],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Migrated {
    let mut gathered = Gathered::default();
    let mut over = gathered.text(name, text);
    let under = worker.map(|worker| gathered.file(worker)).unwrap_or_default();
    let is_server = over.keys().any(|key| key.starts_with(declared::SERVER_SOURCE));
    let mut moved = Moved::default();
    let mut old = Old { is_server, ..Old::default() };
    if is_server {
        old.offsets_file =
            over.get(&format!("{}{}", declared::SERVER_SOURCE, declared::OFFSETS_FILE)).map(path);
        over = moved.of_server(over);
    }
    for (key, value) in set {
        let origin = Origin { file: Arc::from("--set"), line: 0 };
        let secret = catalog::is_secret_key(key);
        over.insert(key.clone(), Entry { key: key.clone(), value: value.clone(), origin, secret });
    }
    gathered.merge(under, over);
    let entries = gathered.raw.entries_mut();
    old.read(entries);
    moved.rename(entries);
    moved.revalue(entries);
    moved.keep(entries);
    moved.remember_offsets(&old, entries);
    let written = gathered.raw.clone();
    gathered.expand(environment);
    let (outcome, notices) = match resolve(gathered, Path::new(name)) {
        Ok(loaded) => {
            let notices = loaded.notices.clone();
            (Ok(loaded), notices)
        }
        Err((problems, notices)) => (Err(problems), notices),
    };
    let none = Problems::default();
    let problems = outcome.as_ref().err().unwrap_or(&none);
    let verdicts = moved.verdicts(&written, &notices, problems);
    Migrated { verdicts, file: to_write(&written, &notices, problems), outcome, old }
}

fn path(entry: &Entry) -> PathBuf {
    entry.value.trim().into()
}

impl Old {
    fn read(&mut self, entries: &BTreeMap<String, Entry>) {
        let told = |key: &str| entries.get(key).map(|entry| entry.value.trim().to_owned());
        let renamed = declared::RENAMED.iter().find(|(_, to)| *to == connector::TOPIC_PREFIX.name);
        self.prefix = told(connector::TOPIC_PREFIX.name).or_else(|| told(renamed?.0));
        if self.is_server {
            return;
        }
        self.name = told(connector::NAME.name);
        self.offsets_topic = told(declared::OFFSETS_TOPIC).or_else(|| told(declared::WORKER_OFFSETS_TOPIC));
        self.offsets_file = entries.get(declared::OFFSETS_FILE).map(path);
        let (key, word) = declared::EXACTLY_ONCE;
        let is_exactly_once = told(key).is_some_and(|value| value.eq_ignore_ascii_case(word));
        if let (true, Some(group), Some(name)) = (is_exactly_once, told(declared::GROUP_ID), &self.name) {
            self.transactional_id = Some(format!("{group}-{name}-0"));
        }
    }
}

/// What was changed on the way, by the key that it has here.
#[derive(Default)]
struct Moved {
    /// Key and value as they were, and what happened.
    changed: BTreeMap<String, (String, Option<String>, String)>,
    /// What is to be said of entries that were not changed.
    kept: BTreeMap<String, &'static str>,
    /// Entries that were left behind.
    left: Vec<Verdict>,
}

impl Moved {
    /// Debezium Server's keys by the names that a connector has for them.
    fn of_server(&mut self, over: BTreeMap<String, Entry>) -> BTreeMap<String, Entry> {
        let mut entries = BTreeMap::new();
        for (key, mut entry) in over {
            if let Some((_, why)) =
                declared::SERVER_IGNORED.iter().find(|(beginning, _)| key.starts_with(beginning))
            {
                self.leave(&entry, Support::IGNORED, why);
                continue;
            }
            let (name, word) = declared::SERVER_SINK;
            if key == name && entry.value.trim() == word {
                self.leave(&entry, Support::HONOURED, "events go to Kafka");
                continue;
            }
            let producer = key.strip_prefix(declared::SERVER_PRODUCER);
            if producer.is_some_and(|name| declared::SERIALIZERS.contains(&name)) {
                self.leave(&entry, Support::IGNORED, "what bytes are made of is said by the converters");
                continue;
            }
            let Some(to) = here(&key) else {
                // Of another sink, or unknown: the catalogue refuses it.
                entries.insert(key, entry);
                continue;
            };
            let value = server_value(&key, &entry.value);
            let note = match value == entry.value {
                true => format!("here it is called {to}"),
                false => format!("here it is {to}={}", if entry.secret { super::raw::MASK } else { &value }),
            };
            self.changed.insert(to.clone(), (key, Some(entry.shown()), note));
            entry.key.clone_from(&to);
            entry.value = value;
            entries.insert(to, entry);
        }
        entries
    }

    fn leave(&mut self, entry: &Entry, becomes: &'static str, why: &str) {
        self.left.push(Verdict {
            key: entry.key.clone(),
            value: Some(entry.shown()),
            origin: entry.origin.to_string(),
            becomes,
            note: why.to_owned(),
        });
    }

    fn rename(&mut self, entries: &mut BTreeMap<String, Entry>) {
        for (from, to) in declared::RENAMED {
            if entries.contains_key(*to) {
                continue;
            }
            let Some(mut entry) = entries.remove(*from) else { continue };
            let note = format!("Debezium 2.0 gave it another name: {to}");
            self.changed.insert((*to).to_owned(), (entry.key.clone(), Some(entry.shown()), note));
            entry.key = (*to).to_owned();
            entries.insert((*to).to_owned(), entry);
        }
    }

    fn revalue(&mut self, entries: &mut BTreeMap<String, Entry>) {
        for declared::Revalued { key, from, to, why } in declared::REVALUED {
            let Some(entry) = entries.get_mut(*key).filter(|entry| !entry.is_blank()) else { continue };
            let value = entry.value.trim();
            if value == *to || !from.iter().any(|from| from.eq_ignore_ascii_case(value)) {
                continue;
            }
            let note = format!("now {to}: {why}");
            self.changed.insert((*key).to_owned(), ((*key).to_owned(), Some(entry.shown()), note));
            (*to).clone_into(&mut entry.value);
        }
    }

    /// What means the same here has something to be said of all the same; Debezium's default is written out.
    fn keep(&mut self, entries: &mut BTreeMap<String, Entry>) {
        for declared::Kept { key, values, default, why } in declared::KEPT {
            let Some(entry) = entries.get(*key).filter(|entry| !entry.is_blank()) else {
                let note = format!("written as {default}, Debezium's default; {why}");
                self.changed.insert((*key).to_owned(), ((*key).to_owned(), None, note));
                let origin = Origin { file: Arc::from("Debezium's default"), line: 0 };
                let entry =
                    Entry { key: (*key).to_owned(), value: (*default).to_owned(), origin, secret: false };
                entries.insert((*key).to_owned(), entry);
                continue;
            };
            if values.iter().any(|value| value.eq_ignore_ascii_case(entry.value.trim())) {
                self.kept.insert((*key).to_owned(), *why);
            }
        }
    }

    /// Our file says where the old offset is, so that the way back knows it.
    fn remember_offsets(&mut self, old: &Old, entries: &mut BTreeMap<String, Entry>) {
        let key = declared::OFFSETS_TOPIC;
        let Some(topic) = &old.offsets_topic else { return };
        if entries.contains_key(key) {
            return;
        }
        let note = format!("written as {topic}, for the way back");
        self.changed.insert(key.to_owned(), (key.to_owned(), None, note));
        let origin = Origin { file: Arc::from("the worker's offset topic"), line: 0 };
        let entry = Entry { key: key.to_owned(), value: topic.clone(), origin, secret: false };
        entries.insert(key.to_owned(), entry);
    }

    fn verdicts(mut self, written: &Raw, notices: &[Notice], problems: &Problems) -> Vec<Verdict> {
        let mut verdicts = std::mem::take(&mut self.left);
        for entry in written.entries() {
            verdicts.push(self.verdict(entry, notices, problems));
        }
        let is_elsewhere = |key: &str| written.get(key).is_none();
        for problem in problems.0.iter().filter(|problem| is_elsewhere(&problem.key)) {
            verdicts.push(Verdict {
                key: problem.key.clone(),
                value: None,
                origin: problem.origin.to_string(),
                becomes: REFUSED,
                note: joined(&problem.what, &problem.instead),
            });
        }
        for notice in notices.iter().filter(|notice| is_elsewhere(&notice.key)) {
            verdicts.push(Verdict {
                key: notice.key.clone(),
                value: notice.value.clone(),
                origin: notice.origin.as_ref().map(ToString::to_string).unwrap_or_default(),
                becomes: if notice.is_ignored() { Support::IGNORED } else { NOTED },
                note: notice.reason().to_owned(),
            });
        }
        verdicts
    }

    fn verdict(&self, entry: &Entry, notices: &[Notice], problems: &Problems) -> Verdict {
        let origin = entry.origin.to_string();
        let (key, value) = match self.changed.get(&entry.key) {
            Some((key, value, _)) => (key.clone(), value.clone()),
            None => (entry.key.clone(), Some(entry.shown())),
        };
        let verdict =
            |becomes, note: String| Verdict { key: key.clone(), value: value.clone(), origin, becomes, note };
        let refused = problems.0.iter().filter(|problem| problem.key == entry.key);
        let refused: Vec<String> = refused.map(|problem| joined(&problem.what, &problem.instead)).collect();
        if !refused.is_empty() {
            return verdict(REFUSED, refused.join("; "));
        }
        if let Some((_, _, note)) = self.changed.get(&entry.key) {
            return verdict(CHANGED, note.clone());
        }
        // Of a key in two files the worker's may be ignored while the connector's is not.
        let about = notices.iter().find(|notice| {
            notice.key == entry.key && notice.origin.as_ref().is_none_or(|origin| *origin == entry.origin)
        });
        match about {
            Some(notice) if notice.is_ignored() => verdict(Support::IGNORED, notice.reason().to_owned()),
            Some(notice) => verdict(Support::HONOURED, notice.text.clone()),
            None => {
                verdict(Support::HONOURED, self.kept.get(&entry.key).copied().unwrap_or_default().to_owned())
            }
        }
    }
}

fn joined(what: &str, instead: &str) -> String {
    if instead.is_empty() { what.to_owned() } else { format!("{what}; {instead}") }
}

/// What a connector calls a key of Debezium Server; `None`: nothing.
fn here(key: &str) -> Option<String> {
    if let Some(name) = key.strip_prefix(declared::SERVER_SOURCE) {
        return Some(name.to_owned());
    }
    if let Some(name) = key.strip_prefix(declared::SERVER_PRODUCER) {
        let is_for_all = declared::EVERY_CLIENT.iter().any(|beginning| name.starts_with(beginning));
        return Some(if is_for_all {
            name.to_owned()
        } else {
            format!("{}{name}", declared::PRODUCER_OVERRIDE)
        });
    }
    for (format, converter) in declared::FORMATTED {
        match key.strip_prefix(format) {
            Some("") => return Some((*converter).to_owned()),
            Some(option) if option.starts_with('.') => return Some(format!("{converter}{option}")),
            _ => {}
        }
    }
    let name = key.strip_prefix(declared::SERVER)?;
    let is_chain = ["transforms", "predicates"]
        .iter()
        .any(|list| name.strip_prefix(list).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
    is_chain.then(|| name.to_owned())
}

/// A value as a connector has it: the class of a format; variables by the provider that reads them here.
fn server_value(key: &str, value: &str) -> String {
    if declared::FORMATTED.iter().any(|(format, _)| key == *format) {
        let class = declared::FORMATS.iter().find(|(name, _)| name.eq_ignore_ascii_case(value.trim()));
        return class.map_or(value, |(_, class)| class).to_owned();
    }
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        let escaped = before.strip_suffix('\\');
        text.push_str(escaped.unwrap_or(before));
        text.push_str("${");
        rest = &after[2..];
        let name: String = rest.chars().take_while(|letter| *letter != '}').collect();
        let is_variable = !name.is_empty()
            && name
                .chars()
                .all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_');
        if escaped.is_none() && is_variable {
            text.push_str("env:");
        }
    }
    text.push_str(rest);
    text
}

/// What has an effect here, and what is needed to read it.
fn to_write(written: &Raw, notices: &[Notice], problems: &Problems) -> BTreeMap<String, String> {
    let is_without_effect = |entry: &Entry| {
        let about =
            |notice: &&Notice| notice.key == entry.key && notice.origin.as_ref() == Some(&entry.origin);
        notices.iter().filter(about).any(Notice::is_ignored)
    };
    let is_wanted = |entry: &&Entry| {
        // Taken out by an empty value.
        if entry.is_blank() && entry.origin.line == 0 {
            return false;
        }
        let is_kept = entry.key.starts_with(worker::PROVIDER_KEYS) || entry.key == declared::OFFSETS_TOPIC;
        (is_kept || !is_without_effect(entry)) && !problems.0.iter().any(|problem| problem.key == entry.key)
    };
    written.entries().filter(is_wanted).map(|entry| (entry.key.clone(), entry.value.clone())).collect()
}

#[cfg(test)]
mod tests;
