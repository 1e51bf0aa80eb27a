//! The document as text: YAML or JSON, written always the same way and read whichever it is.

use crate::error::{Exit, Failure};
use serde_json::Value;
use std::path::Path;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// YAML 1.2.
    Yaml,
    /// JSON, two spaces a level.
    Json,
}

impl Format {
    /// That of a file, by its name.
    pub fn of(path: &Path) -> Format {
        let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        if is_json { Format::Json } else { Format::Yaml }
    }

    /// The document, with a line's end at its end.
    pub fn write(self, document: &Value) -> Result<String, Failure> {
        let written = match self {
            Format::Yaml => serde_saphyr::to_string(document).map_err(|error| error.to_string()),
            Format::Json => serde_json::to_string_pretty(document).map_err(|error| error.to_string()),
        };
        let text = written.map_err(|error| {
            Failure::new(Exit::Failure, "the document cannot be written", error, "please report this")
        })?;
        Ok(format!("{}\n", text.trim_end_matches('\n')))
    }
}

/// Reads an AsyncAPI 3 document, in YAML or JSON.
pub fn read(path: &Path) -> Result<Value, Failure> {
    let refused = |what: String, hint: &str| Failure::new(Exit::Usage, what, "", hint);
    let text = std::fs::read_to_string(path).map_err(|error| {
        refused(
            format!("{} cannot be read: {error}", path.display()),
            "walpost asyncapi --write FILE makes one",
        )
    })?;
    // JSON is YAML, but its own reader is quicker and has fewer limits.
    let document = match serde_json::from_str(&text) {
        Ok(document) => document,
        Err(json) => serde_saphyr::from_str(&text).map_err(|yaml| {
            let error = if Format::of(path) == Format::Json { json.to_string() } else { yaml.to_string() };
            let what = format!("{} is neither YAML nor JSON", path.display());
            Failure::new(Exit::Usage, what, error, "mend it, or have it written anew")
        })?,
    };
    let document: Value = document;
    match document["asyncapi"].as_str() {
        Some(version) if version.starts_with("3.") => Ok(document),
        Some(version) => Err(refused(
            format!("{} is an AsyncAPI {version} document", path.display()),
            "version 3 is what is read and written here",
        )),
        None => Err(refused(
            format!("{} is no AsyncAPI document", path.display()),
            "name a file that walpost asyncapi --write has written, or one that is not there yet",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_back(name: &str, text: &str) -> Result<Value, Failure> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("a file");
        read(&path)
    }

    #[test]
    fn what_is_written_is_read_back_the_same_and_in_the_same_order() {
        let names = [
            "b", "yes", "no", "on", "null", "~", "1", "0.5.0", "1.0", "- x", "a: b", "#/a", "", " lead", "é",
        ];
        let texts: Vec<Value> = names.iter().map(|name| json!(name)).collect();
        let named: Value =
            Value::Object(names.iter().map(|name| ((*name).to_owned(), json!(name))).collect());
        let proto = "syntax = \"proto3\";\n\nmessage A {\n  int32 a = 1;\n}\n";
        let long = "word ".repeat(60);
        let document = json!({
            "asyncapi": "3.0.0", "named": named, "texts": texts, "proto": proto, "long": long, "cr": "a\r\nb\tc",
            "numbers": [1, -1, 1.5, 9_007_199_254_740_993_i64], "none": null, "true": true, "empty": [{}, []],
        });
        for (format, name) in [(Format::Yaml, "a.yaml"), (Format::Json, "a.json")] {
            let text = format.write(&document).expect("written");
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{text}");
            let read = read_back(name, &text).expect("read");
            // As texts, which have an order.
            assert_eq!(read.to_string(), document.to_string(), "{text}");
        }
    }

    #[test]
    fn what_is_no_such_document_is_refused() {
        for (text, word) in [
            ("asyncapi: 2.6.0\n", "AsyncAPI 2.6.0"),
            ("openapi: 3.0.0\n", "no AsyncAPI document"),
            ("[1, 2]", "no AsyncAPI document"),
            ("a: [", "neither YAML nor JSON"),
            ("", "no AsyncAPI document"),
        ] {
            let failure = read_back("a.yaml", text).expect_err(text);
            assert!(failure.exit == Exit::Usage && failure.what.contains(word), "{text}: {failure}");
        }
    }
}
