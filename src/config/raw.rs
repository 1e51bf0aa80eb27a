//! Name → value, and where it was written.
//!
//! Enters: the connector's file and a worker's. Leaves: a [`Raw`], the connector's entries over the worker's, their
//! placeholders filled in. Promised: every entry knows file and line; what came out of a placeholder, or stands under
//! a key that tells of a secret, is masked wherever it is shown. Not done here: what the entries mean.

use super::catalog::{self, converters, worker};
use super::placeholder::Providers;
use super::problem::{Notice, Problem};
use super::{json, properties};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// What was written, by key.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    entries: BTreeMap<String, Entry>,
}

/// One value.
#[derive(Clone)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value, its placeholders filled in.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
    /// It must not be shown.
    pub secret: bool,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file as it was named.
    pub file: Arc<str>,
    /// The line, counted from 1; 0: the file as a whole.
    pub line: usize,
}

/// Key, value and line, as a grammar finds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub key: String,
    pub value: String,
    pub line: usize,
}

/// What is wrong with a file's grammar, and where. Never quotes a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub line: usize,
    pub key: Option<String>,
    pub what: String,
    pub instead: String,
}

/// How a value is shown when it must not be seen.
pub const MASK: &str = "********";

impl Raw {
    /// The entry of a key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Every entry, by key.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The same, to be changed.
    pub(super) fn entries_mut(&mut self) -> &mut BTreeMap<String, Entry> {
        &mut self.entries
    }
}

impl Entry {
    /// The value, or a mask; a long one is cut, and who logs in by a URL is masked in it.
    pub fn shown(&self) -> String {
        const MOST: usize = 120;
        if self.secret {
            return MASK.to_owned();
        }
        let value = without_credentials(&self.value);
        match value.char_indices().nth(MOST) {
            None => value,
            Some((at, _)) => format!("{}…", &value[..at]),
        }
    }

    /// Nothing but blanks: as good as not written.
    pub fn is_blank(&self) -> bool {
        self.value.trim().is_empty()
    }
}

/// URLs, one or several between commas, with a mask for user and password.
fn without_credentials(value: &str) -> String {
    let mut shown = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let authority = after.find(['/', ',', '?', '#', ' ']).unwrap_or(after.len());
        rest = after;
        if let Some(at) = after[..authority].rfind('@') {
            shown.push_str(MASK);
            rest = &after[at..];
        }
    }
    shown + rest
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} ({})", self.key, self.shown(), self.origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// What the files say, and everything that is wrong with how they say it.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub raw: Raw,
    pub problems: Vec<Problem>,
    pub notices: Vec<Notice>,
    /// A file could not be read to its end: what is missing may stand in the rest.
    pub torn: bool,
}

/// Reads both files; the connector's entries win.
pub(super) fn gather(
    config: &Path,
    worker: Option<&Path>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Gathered {
    let mut gathered = Gathered::default();
    let connector_entries = gathered.file(config);
    let worker_entries = worker.map(|worker| gathered.file(worker)).unwrap_or_default();
    gathered.merge(worker_entries, connector_entries);
    gathered.expand(environment);
    gathered
}

impl Gathered {
    /// The entries of one file; its faults become problems.
    pub(super) fn file(&mut self, path: &Path) -> BTreeMap<String, Entry> {
        self.entries(&path.display().to_string(), read(path))
    }

    /// The entries of a text that came from elsewhere, by its grammar.
    pub(super) fn text(&mut self, name: &str, text: &[u8]) -> BTreeMap<String, Entry> {
        self.entries(name, parse(Path::new(name), text))
    }

    fn entries(&mut self, name: &str, parsed: Parsed) -> BTreeMap<String, Entry> {
        let file: Arc<str> = name.into();
        let mut entries = BTreeMap::new();
        match parsed {
            Ok((written, faults)) => {
                for Written { key, value, line } in written {
                    let secret = catalog::is_secret_key(&key);
                    let origin = Origin { file: file.clone(), line };
                    entries.insert(key.clone(), Entry { key, value, origin, secret });
                }
                self.problems.extend(faults.into_iter().map(|fault| fault.in_file(&file)));
            }
            Err(fault) => {
                self.torn = true;
                self.problems.push(fault.in_file(&file));
            }
        }
        entries
    }

    /// The connector's entries over the worker's. A converter goes with its options: Connect takes them from the file
    /// that names its class, and no others.
    pub(super) fn merge(&mut self, mut under: BTreeMap<String, Entry>, mut over: BTreeMap<String, Entry>) {
        for (key, meaning) in worker::OTHERWISE_IN_WORKER {
            if let Some(entry) = under.remove(*key) {
                self.notices.push(Notice::ignored(&entry, meaning));
            }
        }
        for converter in [&converters::KEY, &converters::VALUE, &converters::HEADER] {
            let options = format!("{}.", converter.name);
            let (dropped, why) = if over.contains_key(converter.name) {
                (
                    &mut under,
                    "Connect takes a converter's options from the file that names its class: the connector's",
                )
            } else if under.contains_key(converter.name) {
                (
                    &mut over,
                    "Connect takes a converter's options from the file that names its class: the worker's",
                )
            } else {
                continue;
            };
            let keys: Vec<String> = dropped.keys().filter(|key| key.starts_with(&options)).cloned().collect();
            for key in keys {
                if let Some(entry) = dropped.remove(&key) {
                    self.notices.push(Notice::ignored(&entry, why));
                }
            }
        }
        under.extend(over);
        self.raw.entries = under;
    }

    /// Fills in the placeholders of every value.
    pub(super) fn expand(&mut self, environment: &dyn Fn(&str) -> Option<String>) {
        let providers = Providers::new(&self.raw, environment);
        for entry in self.raw.entries.values_mut() {
            let expanded = providers.expand(&entry.value);
            for unknown in expanded.unknown {
                let what = format!("{unknown} stays as it is: no config provider of that name is known here");
                self.notices.push(Notice::about(entry, what));
            }
            for fault in expanded.faults {
                let what = format!("{}: {}", fault.placeholder, fault.what);
                let mut problem = Problem::of(entry, what, fault.instead);
                problem.value = None;
                self.problems.push(problem);
            }
            entry.secret |= expanded.filled;
            entry.value = expanded.value;
        }
    }
}

impl Fault {
    fn in_file(self, file: &Arc<str>) -> Problem {
        Problem {
            origin: Origin { file: file.clone(), line: self.line },
            key: self.key.unwrap_or_default(),
            value: None,
            what: self.what,
            instead: self.instead,
        }
    }
}

/// What was written and what is wrong with single entries, or with the whole.
type Parsed = Result<(Vec<Written>, Vec<Fault>), Fault>;

fn read(path: &Path) -> Parsed {
    let bytes = std::fs::read(path).map_err(|error| Fault {
        line: 0,
        key: None,
        what: format!("cannot be read: {error}"),
        instead: "check the name and who may read it".into(),
    })?;
    parse(path, &bytes)
}

/// A text by its grammar: `.json`, `.properties`, or by its first character when it is called otherwise.
fn parse(path: &Path, bytes: &[u8]) -> Parsed {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let is_json = match extension.to_ascii_lowercase().as_str() {
        "json" => true,
        "properties" => false,
        _ => bytes.trim_ascii_start().first() == Some(&b'{'),
    };
    if is_json { json::parse(bytes) } else { properties::parse(bytes) }
}

/// Of two entries with one key the first is kept, and both lines are named.
pub(super) fn without_twins(written: Vec<Written>, faults: &mut Vec<Fault>) -> Vec<Written> {
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    let mut kept = Vec::with_capacity(written.len());
    for entry in written {
        match lines.get(&entry.key) {
            Some(first) => faults.push(Fault {
                line: entry.line,
                what: format!("it is written twice, in line {first} and here"),
                instead: "leave one of them out".into(),
                key: Some(entry.key),
            }),
            None => {
                lines.insert(entry.key.clone(), entry.line);
                kept.push(entry);
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::without_credentials;

    #[test]
    fn credentials_in_urls_are_not_shown() {
        for (written, shown) in [
            ("http://r:8081/a@b", "http://r:8081/a@b"),
            (
                "http://me:se@cret@r:8081, https://r2/p,x://you@",
                "http://********@r:8081, https://r2/p,x://********@",
            ),
            ("no url, me@here", "no url, me@here"),
        ] {
            assert_eq!(without_credentials(written), shown);
        }
    }
}
