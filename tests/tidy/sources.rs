//! The source files, and their code without comments.

use std::fs;
use std::path::{Path, PathBuf};

/// One file.
pub struct Source {
    /// Its path from the repository's root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of a folder, by path; none when there is no such folder.
pub fn sources(folder: &str) -> Vec<Source> {
    files(folder, &["rs"])
}

/// Every file of a folder with one of these endings, by path.
pub fn files(folder: &str, endings: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("an entry of a folder").path();
            if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known)) {
                found.push(source(&path));
            }
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    found
}

fn source(path: &PathBuf) -> Source {
    let text = fs::read_to_string(path).expect("a text");
    let path = path.strip_prefix(root()).expect("within the repository");
    Source { path: path.display().to_string(), text }
}

impl Source {
    /// The lines of code, without comments, each with its number.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().filter_map(|(at, line)| {
            let code = line.split("// ").next().unwrap_or_default();
            (!line.trim_start().starts_with("//")).then_some((at + 1, code))
        })
    }

    /// The code that is part of the program: none of a file of tests, nothing from the tests at a file's end onwards.
    pub fn program(&self) -> impl Iterator<Item = (usize, &str)> {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let folder = self.path.contains("/tests/");
        let is_tests = folder || ["tests.rs", "testing.rs"].contains(&name) || name.ends_with("_tests.rs");
        self.code().take_while(move |(_, code)| !is_tests && !code.contains("mod tests {"))
    }

    /// The module it belongs to: the first part of its path below `src`.
    pub fn module(&self) -> &str {
        let below = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let first = below.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }
}
