//! `${provider:path:key}` inside values, as Kafka's config providers fill them in.
//!
//! `env`, `file` and `dir` are built in, and so is any other name that `config.providers.<name>.class` gives one of
//! them. What has no colon is no placeholder: `${routedByValue}` is the event router's.

use super::catalog::worker;
use super::properties;
use super::raw::Raw;
use std::collections::BTreeMap;
use std::path::{Component, Path};

/// The providers there are.
pub(super) struct Providers<'a> {
    by_name: BTreeMap<String, Provider>,
    environment: &'a dyn Fn(&str) -> Option<String>,
}

/// A value with its placeholders filled in, and what became of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expanded {
    pub value: String,
    /// At least one placeholder was filled in.
    pub filled: bool,
    /// Placeholders of providers nobody knows; they stay.
    pub unknown: Vec<String>,
    pub faults: Vec<PlaceholderFault>,
}

/// A placeholder that cannot be filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PlaceholderFault {
    pub placeholder: String,
    pub what: String,
    pub instead: String,
}

#[derive(Clone, Copy)]
enum Provider {
    Env,
    File,
    Dir,
}

/// What is wrong, what to write instead.
type Refused = (String, String);

impl<'a> Providers<'a> {
    /// The built-in ones, and what `raw` calls them.
    pub(super) fn new(raw: &Raw, environment: &'a dyn Fn(&str) -> Option<String>) -> Providers<'a> {
        let built_in = [("env", Provider::Env), ("file", Provider::File), ("dir", Provider::Dir)];
        let mut by_name: BTreeMap<String, Provider> =
            built_in.into_iter().map(|(name, provider)| (name.to_owned(), provider)).collect();
        for entry in raw.entries() {
            let name = entry.key.strip_prefix(worker::PROVIDER_KEYS);
            let Some(name) = name.and_then(|name| name.strip_suffix(worker::PROVIDER_CLASS)) else {
                continue;
            };
            match entry.value.trim().rsplit('.').next() {
                Some("EnvVarConfigProvider") => by_name.insert(name.to_owned(), Provider::Env),
                Some("FileConfigProvider") => by_name.insert(name.to_owned(), Provider::File),
                Some("DirectoryConfigProvider") => by_name.insert(name.to_owned(), Provider::Dir),
                _ => by_name.remove(name),
            };
        }
        Providers { by_name, environment }
    }

    /// Fills in every placeholder of `text`; what was filled in is not looked at again.
    pub(super) fn expand(&self, text: &str) -> Expanded {
        let mut expanded = Expanded::default();
        let mut rest = text;
        while let Some((before, placeholder, after)) = next_placeholder(rest) {
            expanded.value.push_str(before);
            rest = after;
            let (provider, argument) =
                placeholder[2..placeholder.len() - 1].split_once(':').unwrap_or_default();
            let Some(provider) = self.by_name.get(provider) else {
                expanded.unknown.push(placeholder.to_owned());
                expanded.value.push_str(placeholder);
                continue;
            };
            match self.value(*provider, argument) {
                Ok(value) => {
                    expanded.filled = true;
                    expanded.value.push_str(&value);
                }
                Err((what, instead)) => {
                    let placeholder = placeholder.to_owned();
                    expanded.faults.push(PlaceholderFault { placeholder, what, instead });
                }
            }
        }
        expanded.value.push_str(rest);
        expanded
    }

    fn value(&self, provider: Provider, argument: &str) -> Result<String, Refused> {
        match provider {
            Provider::Env if argument.contains(':') => {
                Err(("a variable has no path".into(), "write ${env:NAME}".into()))
            }
            Provider::Env => (self.environment)(argument)
                .ok_or_else(|| (format!("the environment has no {argument}"), format!("set {argument}"))),
            Provider::File => {
                let (path, key) = argument
                    .split_once(':')
                    .ok_or_else(|| ("a key is missing".to_owned(), "write ${file:PATH:KEY}".to_owned()))?;
                from_properties(path, key)
            }
            Provider::Dir => {
                let (path, key) = argument.split_once(':').ok_or_else(|| {
                    ("a file name is missing".to_owned(), "write ${dir:PATH:FILE}".to_owned())
                })?;
                from_directory(path, key)
            }
        }
    }
}

/// What stands before the next `${…:…}`, it, and what follows.
fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let start = from + text[from..].find("${")?;
        let end = start + text[start..].find('}')? + 1;
        if text[start..end].contains(':') {
            return Some((&text[..start], &text[start..end], &text[end..]));
        }
        from = end;
    }
}

/// A key of a properties file.
fn from_properties(path: &str, key: &str) -> Result<String, Refused> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    let parsed = properties::parse(&bytes);
    let entry = parsed.ok().and_then(|(written, _)| written.into_iter().find(|entry| entry.key == key));
    match entry {
        Some(entry) => Ok(entry.value),
        None => Err((format!("{path} has no {key}"), format!("write {key} into that file"))),
    }
}

/// A file of a directory, one line break at its end left out: whoever wrote the secret there rarely means it.
fn from_directory(path: &str, name: &str) -> Result<String, Refused> {
    let mut parts = Path::new(name).components();
    if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
        return Err((format!("{name} is not a file of that directory"), "write ${dir:PATH:FILE}".into()));
    }
    let file = Path::new(path).join(name);
    let text =
        std::fs::read_to_string(&file).map_err(|error| unreadable(&file.display().to_string(), &error))?;
    let text = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text)).unwrap_or(&text);
    Ok(text.to_owned())
}

fn unreadable(path: &str, error: &std::io::Error) -> Refused {
    (format!("{path} cannot be read: {error}"), "check the name and who may read it".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "USER" => Some("me".into()),
            "TRICK" => Some("${env:USER}".into()),
            _ => None,
        }
    }

    fn expand(text: &str) -> Expanded {
        Providers::new(&Raw::default(), &environment).expand(text)
    }

    #[test]
    fn placeholders_stand_anywhere_and_several_to_a_value() {
        let expanded = expand("a ${env:USER} b${env:USER}");
        assert_eq!((expanded.value.as_str(), expanded.filled), ("a me bme", true));
    }

    #[test]
    fn what_has_no_colon_is_no_placeholder() {
        for text in ["outbox.event.${routedByValue}", "${a}:b", "$1", "${", "${a", "}${", "${}"] {
            assert_eq!(expand(text), Expanded { value: text.into(), ..Expanded::default() }, "{text}");
        }
        assert_eq!(expand("${routedByValue}.${env:USER}").value, "${routedByValue}.me");
    }

    #[test]
    fn what_was_filled_in_is_not_looked_at_again() {
        assert_eq!(expand("${env:TRICK}").value, "${env:USER}");
    }

    #[test]
    fn an_unknown_provider_stays_as_it_is() {
        let expanded = expand("${vault:secret/db:password}");
        assert_eq!(expanded.value, "${vault:secret/db:password}");
        assert_eq!((expanded.unknown.len(), expanded.filled), (1, false));
    }

    #[test]
    fn files_and_directories_give_their_values() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("db.properties");
        std::fs::write(&file, "user = alice\npassword=p\\u00e4ss\n").unwrap();
        std::fs::write(scratch.path().join("token"), "two\nlines\r\n").unwrap();
        let file = file.display().to_string();
        let directory = scratch.path().display().to_string();
        assert_eq!(expand(&format!("${{file:{file}:password}}")).value, "päss");
        assert_eq!(expand(&format!("${{dir:{directory}:token}}")).value, "two\nlines");
        for missing in [
            format!("${{file:{file}:nobody}}"),
            format!("${{file:{directory}/none:user}}"),
            format!("${{file:{file}}}"),
            format!("${{dir:{directory}:none}}"),
            format!("${{dir:{directory}:../x}}"),
            format!("${{dir:{directory}}}"),
            "${env:NOBODY}".to_owned(),
            "${env:a:NOBODY}".to_owned(),
        ] {
            let expanded = expand(&missing);
            assert_eq!(expanded.faults.len(), 1, "{missing}");
            assert_eq!(expanded.faults[0].placeholder, missing);
            assert!(!expanded.faults[0].instead.is_empty());
        }
    }
}
