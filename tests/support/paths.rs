//! Where things are: the programs that deploy/local/install has installed, and throw-away directories.

use super::guard;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub(crate) const KAFKA_VERSION: &str = "4.3.1";
pub(crate) const REGISTRY_VERSION: &str = "3.0.9";
pub(crate) const CONFLUENT_VERSION: &str = "2.16.0";
pub(crate) const ASYNCAPI_PARSER_VERSION: &str = "3.6.6";
pub(crate) const CLOUDEVENTS_VERSION: &str = "2.2.0";
pub(crate) const DEBEZIUM_VERSION: &str = "3.6.3.Final";

/// What deploy/local/install prepared, under the target directory.
pub(crate) fn local() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    manifest.join(target).join("local")
}

/// The Kafka server: `libs`, `formatted`, `classes.jsa`.
pub(crate) fn kafka() -> PathBuf {
    let kafka = local().join(format!("kafka-{KAFKA_VERSION}"));
    assert!(
        kafka.join("formatted/meta.properties").exists(),
        "no Kafka in {}; deploy/local/install puts it there",
        kafka.display()
    );
    kafka
}

/// The schema registry's program.
pub(crate) fn registry() -> PathBuf {
    let name = format!("apicurio-registry-app-{REGISTRY_VERSION}-runner.jar");
    let program = local().join(format!("apicurio-{REGISTRY_VERSION}")).join(name);
    assert!(program.exists(), "no {}; deploy/local/install puts it there", program.display());
    program
}

/// A Python that has Confluent's client.
pub(crate) fn python() -> PathBuf {
    let python = local().join(format!("confluent-kafka-{CONFLUENT_VERSION}/bin/python"));
    assert!(python.exists(), "no {}; deploy/local/install puts it there", python.display());
    python
}

/// A directory whose node_modules have AsyncAPI's parser, and the script that asks it.
pub(crate) fn asyncapi_parser() -> (PathBuf, PathBuf) {
    let parser = local().join(format!("asyncapi-parser-{ASYNCAPI_PARSER_VERSION}"));
    assert!(
        parser.join("node_modules/@asyncapi/parser").exists(),
        "no AsyncAPI parser in {}; deploy/local/asyncapi puts it there",
        parser.display()
    );
    (parser, Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/local/asyncapi.cjs"))
}

/// A Python that has the SDK of CloudEvents.
pub(crate) fn cloudevents() -> PathBuf {
    let python = local().join(format!("cloudevents-{CLOUDEVENTS_VERSION}/bin/python"));
    assert!(python.exists(), "no {}; deploy/local/install puts it there", python.display());
    python
}

/// A `plugin.path` with Debezium's Postgres connector.
pub(crate) fn debezium() -> PathBuf {
    let debezium = local().join(format!("debezium-{DEBEZIUM_VERSION}"));
    assert!(
        debezium.join("postgres").exists(),
        "no Debezium in {}; deploy/local/debezium puts it there",
        debezium.display()
    );
    debezium
}

/// The newest installed Postgres, or the one that WALPOST_POSTGRES_BIN names: (bin directory, major version).
pub(crate) fn postgres() -> (PathBuf, u32) {
    if let Some(bin) = std::env::var_os("WALPOST_POSTGRES_BIN").map(PathBuf::from) {
        let version = std::process::Command::new(bin.join("postgres")).arg("--version").output();
        let version = version.unwrap_or_else(|e| panic!("WALPOST_POSTGRES_BIN={}: {e}", bin.display()));
        let text = String::from_utf8_lossy(&version.stdout).into_owned();
        let major = text.rsplit(' ').next().and_then(|v| v.trim().split('.').next()?.parse().ok());
        return (bin, major.unwrap_or_else(|| panic!("a version in {text:?}")));
    }
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    installed
        .filter_map(|entry| {
            let major = entry.file_name().to_str()?.parse().ok()?;
            let bin = entry.path().join("bin");
            bin.join("postgres").exists().then_some((bin, major))
        })
        .max_by_key(|(_, major)| *major)
        .expect("no Postgres under /usr/lib/postgresql; deploy/local/install installs it")
}

/// Where throw-away directories are: under the target directory, unless Postgres's own user could not enter it there
/// (a checkout in somebody's home), or a socket's path would become too long.
fn throw_away() -> PathBuf {
    let here = local().join("run");
    let anybody_enters =
        |path: &Path| std::fs::metadata(path).is_ok_and(|facts| facts.permissions().mode() & 0o001 != 0);
    let usable = here.as_os_str().len() <= 60
        && std::fs::create_dir_all(&here).is_ok()
        && here.canonicalize().is_ok_and(|here| here.ancestors().all(anybody_enters));
    if usable { here } else { std::env::temp_dir() }
}

/// A directory that is removed with its handle, or by the guard.
pub(crate) struct Scratch(Option<tempfile::TempDir>, PathBuf);

impl Scratch {
    pub(crate) fn new(what: &str) -> Scratch {
        let directory = tempfile::Builder::new().prefix(&format!("walpost-{what}-")).tempdir_in(throw_away());
        let directory = directory.expect("a temporary directory");
        let path = directory.path().to_path_buf();
        guard::remove(&path);
        Scratch(Some(directory), path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.1
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.1.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let directory = self.0.take().expect("dropped once");
        if std::env::var_os("WALPOST_KEEP").is_some() {
            eprintln!("kept {}", directory.keep().display());
        } else if directory.close().is_err() {
            return; // the guard will try again
        }
        guard::leave(&self.1);
    }
}
