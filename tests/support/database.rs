//! A Postgres server with logical decoding switched on: start, crash, stop, start again.
//!
//! Settings make it fast, not durable (fsync is off: a killed process loses nothing by that, a power cut would).
//! Everyone may log in from loopback without a password, unless the options bring their own pg_hba lines; the user
//! `postgres` always may. A clone is the same server; the last one dropped stops it.

use super::certificates::Certificates;
use super::fresh::{DatabaseHandle, Session};
use super::paths::{self, Scratch};
use super::process::{Process, free_port};
use super::{PATIENCE, unique_name, wait_until};
use rustix::process::Signal;
use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use tokio_postgres::Client;

#[derive(Clone)]
pub struct Database(Arc<Server>);

struct Server {
    process: Mutex<Option<Process>>,
    /// Sessions kept for `execute` and its sisters; forgotten when the server goes down.
    maintenance: Session,
    port: u16,
    major: u32,
    bin: PathBuf,
    scratch: Scratch,
}

/// What differs from the default server.
#[derive(Default)]
pub struct DatabaseOptions<'a> {
    settings: Vec<(String, String)>,
    hba: Vec<String>,
    certificates: Option<&'a Certificates>,
    stranger: bool,
}

impl<'a> DatabaseOptions<'a> {
    pub fn new() -> Self {
        Self::default()
    }

    /// A line of postgresql.conf; wins over the default. `password_encryption`, `max_slot_wal_keep_size`, ….
    pub fn setting(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.push((name.into(), value.to_string()));
        self
    }

    /// A line of pg_hba.conf. With any given, others than the user `postgres` get in by these lines only.
    pub fn hba(mut self, line: &str) -> Self {
        self.hba.push(line.into());
        self
    }

    /// Another cluster than all the others here, which are copies of one and have its system identifier.
    pub fn stranger(mut self) -> Self {
        self.stranger = true;
        self
    }

    /// TLS with the server certificate, and the authority as the one that client certificates are checked against.
    pub fn tls(mut self, certificates: &'a Certificates) -> Self {
        self.certificates = Some(certificates);
        self
    }
}

impl Database {
    /// One server for all tests of this binary; it ends with the process.
    pub fn shared() -> &'static Database {
        static SHARED: OnceLock<Database> = OnceLock::new();
        SHARED.get_or_init(Database::start)
    }

    /// A server of one's own.
    pub fn start() -> Database {
        Database::with(DatabaseOptions::new())
    }

    pub fn with(options: DatabaseOptions<'_>) -> Database {
        let (bin, major) = paths::postgres();
        let scratch = Scratch::new("postgres");
        if options.stranger {
            initialise(&bin, &scratch);
        } else {
            let template = template(&bin, major);
            let copied = Command::new("cp").arg("-a").arg(&template).arg(scratch.join("data")).status();
            assert!(copied.expect("cp runs").success(), "a copy of {}", template.display());
            own(scratch.path());
        }
        let port = free_port();
        configure(&scratch, port, &options);
        let server = Server {
            process: Mutex::new(None),
            maintenance: Session::new(port, "postgres"),
            port,
            major,
            bin,
            scratch,
        };
        let database = Database(Arc::new(server));
        database.start_again();
        database
    }

    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// The server's major version.
    pub fn major(&self) -> u32 {
        self.0.major
    }

    /// For any client that takes a connection URL.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}", self.0.port)
    }

    /// What the server wrote so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.0.scratch.join("server.log")).unwrap_or_default()
    }

    pub fn data_directory(&self) -> PathBuf {
        self.0.scratch.join("data")
    }

    /// The process id of the postmaster, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(Process::id)
    }

    /// A database for one test. Dropping the handle drops its slots and the database.
    pub fn fresh_database(&self) -> DatabaseHandle {
        let name = unique_name("db");
        self.create_database(&name);
        DatabaseHandle::new(self.clone(), name)
    }

    pub fn create_database(&self, name: &str) {
        self.execute(&format!("create database \"{name}\""));
    }

    /// A session in the database `postgres`.
    pub async fn connect(&self) -> Client {
        self.connect_to("postgres").await
    }

    pub async fn connect_to(&self, database: &str) -> Client {
        super::fresh::connect(self.0.port, database).await.expect("a connection")
    }

    /// Statements in the database `postgres`.
    pub fn execute(&self, sql: &str) {
        self.0.maintenance.execute(sql);
    }

    /// The first column of the first row as psql would show it; empty for null and for no row.
    pub fn query_one_text(&self, sql: &str) -> String {
        self.0.maintenance.query_one_text(sql)
    }

    /// Until the query returns true; errors (the server may be down) count as not yet.
    pub fn wait_for(&self, sql: &str) {
        self.0.maintenance.wait_for(sql);
    }

    /// The slot's confirmed_flush_lsn; none without such a slot.
    pub fn slot_confirmed(&self, slot: &str) -> Option<String> {
        let sql =
            format!("select confirmed_flush_lsn::text from pg_replication_slots where slot_name = '{slot}'");
        Some(self.query_one_text(&sql)).filter(|lsn| !lsn.is_empty())
    }

    /// Closes every walsender's connection, as an administrator would.
    pub fn terminate_walsenders(&self) {
        self.query_one_text("select count(pg_terminate_backend(pid)) from pg_stat_replication");
    }

    /// A crash: SIGKILL for the postmaster and all its children.
    pub fn kill(&self) {
        let process = self.process().take();
        drop(process);
        self.0.maintenance.forget();
    }

    /// A shutdown that closes the sessions and writes a checkpoint.
    pub fn stop_fast(&self) {
        if let Some(mut process) = self.process().take() {
            process.signal(Signal::INT);
            process.wait_exit(PATIENCE);
        }
        self.0.maintenance.forget();
    }

    /// A shutdown that lets nobody finish: the next start recovers, as after a crash.
    pub fn stop_immediate(&self) {
        if let Some(mut process) = self.process().take() {
            process.signal(Signal::QUIT);
            process.wait_exit(PATIENCE);
        }
        self.0.maintenance.forget();
    }

    pub fn restart(&self) {
        self.stop_fast();
        self.start_again();
    }

    /// On the same port and data; returns when it takes connections.
    pub fn start_again(&self) {
        let data = self.data_directory();
        let status = data.join("postmaster.pid");
        // Left by a crash; its "ready" would be taken for ours.
        let _ = std::fs::remove_file(&status);
        let mut command = Command::new(self.0.bin.join("postgres"));
        command.arg("-D").arg(&data).current_dir(&data).env_remove("PGDATA");
        as_postgres(&mut command);
        let mut process = Process::spawn(command, &self.0.scratch.join("server.log"));
        wait_until("Postgres takes connections", PATIENCE, || {
            assert!(process.exit().is_none(), "Postgres did not start:\n{}", self.log());
            let status = std::fs::read_to_string(&status).ok()?;
            matches!(status.lines().nth(7).map(str::trim), Some("ready" | "standby")).then_some(())
        });
        *self.process() = Some(process);
    }

    /// Keeps a copy of the data directory under this name; the server is down.
    pub fn save(&self, name: &str) {
        assert!(self.pid().is_none(), "a running server's files are not a whole");
        let copied =
            Command::new("cp").arg("-a").arg(self.data_directory()).arg(self.0.scratch.join(name)).status();
        assert!(copied.expect("cp runs").success(), "a copy of {}", self.data_directory().display());
    }

    /// Puts that copy in the place of the data directory, which is gone then; the server is down.
    pub fn put_back(&self, name: &str) {
        assert!(self.pid().is_none(), "the server still runs");
        std::fs::remove_dir_all(self.data_directory()).expect("removed");
        std::fs::rename(self.0.scratch.join(name), self.data_directory()).expect("renamed");
    }

    /// Runs `pg_resetwal` with these arguments; the server is down.
    pub fn reset_wal(&self, arguments: &[&str]) {
        assert!(self.pid().is_none(), "the server still runs");
        let mut command = Command::new(self.0.bin.join("pg_resetwal"));
        command.arg("-D").arg(self.data_directory()).args(arguments).current_dir(self.data_directory());
        as_postgres(&mut command);
        let output = command.output().expect("pg_resetwal runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts as a standby that has all the WAL there is, and is promoted: the same cluster on its next timeline.
    pub fn start_promoted(&self) {
        let signal = self.data_directory().join("standby.signal");
        std::fs::write(&signal, "").expect("standby.signal");
        own(&signal);
        self.start_again();
        self.wait_for("select pg_promote()");
        self.wait_for("select not pg_is_in_recovery()");
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.0.process.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// An initialised data directory, made once for each version and copied for each server.
fn template(bin: &Path, major: u32) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let template = paths::local().join(format!("postgres-{major}"));
    if template.exists() {
        return template;
    }
    let scratch = Scratch::new("initdb");
    initialise(bin, &scratch);
    // Beside the template and then renamed: another process may be making it too.
    let partial = template.with_extension(format!("{}", std::process::id()));
    std::fs::create_dir_all(paths::local()).expect("target/local");
    let copied = Command::new("cp").arg("-a").arg(scratch.join("data")).arg(&partial).status();
    assert!(copied.expect("cp runs").success());
    if std::fs::rename(&partial, &template).is_err() {
        let _ = std::fs::remove_dir_all(&partial);
    }
    assert!(template.exists(), "{}", template.display());
    template
}

/// A new data directory in `scratch`.
fn initialise(bin: &Path, scratch: &Scratch) {
    own(scratch.path());
    let mut initdb = Command::new(bin.join("initdb"));
    initdb.arg("-D").arg(scratch.join("data")).current_dir(scratch.path());
    initdb.args([
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
        "--no-instructions",
    ]);
    as_postgres(&mut initdb);
    let done = initdb.output().expect("initdb runs");
    assert!(done.status.success(), "initdb: {}", String::from_utf8_lossy(&done.stderr));
}

fn configure(scratch: &Scratch, port: u16, options: &DatabaseOptions<'_>) {
    let data = scratch.join("data");
    let mut settings = format!(
        "listen_addresses = 'localhost'\nport = {port}\nunix_socket_directories = ''\n\
         wal_level = logical\nmax_prepared_transactions = 20\nmax_wal_senders = 40\nmax_replication_slots = 60\nmax_connections = 200\n\
         fsync = off\nfull_page_writes = off\nshared_buffers = 64MB\nmax_wal_size = 2GB\nmin_wal_size = 160MB\n\
         autovacuum = off\nlog_min_messages = warning\nlog_line_prefix = '%m [%p] %q%u@%d '\nlc_messages = 'C'\n"
    );
    let mut hba = String::new();
    if let Some(certificates) = options.certificates {
        let files = [("ca.pem", &certificates.ca), ("server.pem", &certificates.server_cert)];
        for (name, from) in files.into_iter().chain([("server.key", &certificates.server_key)]) {
            let to = data.join(name);
            std::fs::copy(from, &to).expect("a copy");
            std::fs::set_permissions(&to, PermissionsExt::from_mode(0o600)).expect("chmod");
            own(&to);
        }
        settings +=
            "ssl = on\nssl_ca_file = 'ca.pem'\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n";
    }
    for (name, value) in &options.settings {
        let _ = writeln!(settings, "{name} = '{}'", value.replace('\'', "''"));
    }
    for line in &options.hba {
        let _ = writeln!(hba, "{line}");
    }
    let who = if options.hba.is_empty() { "all" } else { "postgres" };
    for from in ["127.0.0.1/32", "::1/128"] {
        let _ = writeln!(hba, "host all {who} {from} trust\nhost replication {who} {from} trust");
    }
    let conf = data.join("postgresql.conf");
    let defaults = std::fs::read_to_string(&conf).expect("postgresql.conf");
    std::fs::write(conf, format!("{defaults}\n{settings}")).expect("postgresql.conf");
    std::fs::write(data.join("pg_hba.conf"), hba).expect("pg_hba.conf");
}

/// Postgres refuses to run as root; then it runs as the user that its package made.
fn unprivileged() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let fields = |line: &str| {
        let fields: Vec<_> = line.split(':').map(str::to_owned).collect();
        let is_it = ["postgres", "nobody"].contains(&fields[0].as_str());
        is_it.then(|| Some((fields[0] != "postgres", fields[2].parse().ok()?, fields[3].parse().ok()?)))?
    };
    let (_, user, group) = users.lines().filter_map(fields).min().expect("a user postgres, or nobody");
    Some((user, group))
}

fn as_postgres(command: &mut Command) {
    if let Some((user, group)) = unprivileged() {
        command.uid(user).gid(group);
    }
}

fn own(path: &Path) {
    if let Some((user, group)) = unprivileged() {
        chown(path, Some(user), Some(group)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
}
