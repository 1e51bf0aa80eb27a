//! AsyncAPI's own parser (npm), which judges documents.

use super::paths;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// What the parser understands of a document; panics with its errors where the document is not valid.
pub fn parsed(document: &Path) -> Value {
    let (parser, script) = paths::asyncapi_parser();
    let output = Command::new("node")
        .arg(script)
        .arg(parser.canonicalize().expect("its place"))
        .arg(document)
        .output();
    let output = output.expect("node runs; deploy/local/asyncapi installs it");
    let text = std::fs::read_to_string(document).unwrap_or_default();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}\n{text}", document.display());
    serde_json::from_slice(&output.stdout).expect("JSON")
}
