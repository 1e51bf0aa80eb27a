//! A Kafka broker, one KRaft node: start, crash, start again on the same data.
//!
//! PLAINTEXT for everyone; with certificates also SSL, and with users SASL_SSL (PLAIN and SCRAM-SHA-512 alike).
//! Topics are never created by being mentioned. A clone is the same broker; the last one dropped stops it.

use super::certificates::Certificates;
use super::disk::Disk;
use super::java::{Jvm, java};
use super::paths::{self, Scratch};
use super::process::{Process, free_port};
use super::records::{Reader, Record};
use super::{PATIENCE, block, pause, wait_until};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

mod properties;

#[derive(Clone)]
pub struct Broker(Arc<Server>);

struct Server {
    process: Mutex<Option<Process>>,
    starts: Mutex<u32>,
    /// Kept, because closing one takes a tenth of a second.
    admin: OnceLock<Arc<AdminClient<DefaultClientContext>>>,
    ports: Ports,
    /// Before the directory it is in.
    disk: Option<Disk>,
    scratch: Scratch,
    jvm: Jvm,
}

struct Ports {
    plaintext: u16,
    controller: u16,
    ssl: u16,
    sasl_ssl: u16,
    proxied: u16,
}

/// What differs from the default broker.
#[derive(Default)]
pub struct BrokerOptions<'a> {
    settings: Vec<(String, String)>,
    certificates: Option<&'a Certificates>,
    users: Vec<(String, String)>,
    proxy: Option<u16>,
    megabytes: Option<u32>,
    features: Vec<(String, u16)>,
    jvm: Jvm,
}

impl<'a> BrokerOptions<'a> {
    pub fn new() -> Self {
        Self::default()
    }

    /// A line of server.properties; wins over the default.
    pub fn setting(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.push((name.into(), value.to_string()));
        self
    }

    /// The level of a feature that the cluster begins with, if not the newest.
    pub fn feature(mut self, name: &str, level: u16) -> Self {
        self.features.push((name.into(), level));
        self
    }

    /// For measuring: quick for long rather than quick to start.
    pub fn fast(mut self) -> Self {
        self.jvm = Jvm::Fast;
        self
    }

    /// A listener SSL, and SASL_SSL when there are users. Clients may show certificates; to require them, set
    /// `listener.name.ssl.ssl.client.auth` to `required`.
    pub fn tls(mut self, certificates: &'a Certificates) -> Self {
        self.certificates = Some(certificates);
        self
    }

    /// Somebody who may log in at the SASL_SSL listener.
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.into(), password.into()));
        self
    }

    /// A further listener, `Broker::proxied`, of which clients are told that it is on this port.
    pub fn advertise_proxy(mut self, port: u16) -> Self {
        self.proxy = Some(port);
        self
    }

    /// Its log directory on a file system of its own, of this size: `Broker::disk`.
    pub fn disk(mut self, megabytes: u32) -> Self {
        self.megabytes = Some(megabytes);
        self
    }
}

impl Broker {
    /// One broker for all tests of this binary; it ends with the process.
    pub fn shared() -> &'static Broker {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(Broker::start)
    }

    /// A broker of one's own.
    pub fn start() -> Broker {
        Broker::with(BrokerOptions::new())
    }

    pub fn with(options: BrokerOptions<'_>) -> Broker {
        let scratch = Scratch::new("kafka");
        let ports = Ports {
            plaintext: free_port(),
            controller: free_port(),
            ssl: free_port(),
            sasl_ssl: free_port(),
            proxied: free_port(),
        };
        let disk = options.megabytes.map(|megabytes| Disk::mount(&scratch.join("data"), megabytes));
        let properties = properties::text(&scratch, &ports, &options);
        std::fs::write(scratch.join("server.properties"), properties).expect("write");
        format(&scratch, &options.users, &options.features);
        let (process, starts) = (Mutex::new(None), Mutex::new(0));
        let (admin, jvm) = (OnceLock::new(), options.jvm);
        let broker = Broker(Arc::new(Server { process, starts, admin, ports, disk, scratch, jvm }));
        broker.start_again();
        broker
    }

    /// `bootstrap.servers` of the PLAINTEXT listener.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.0.ports.plaintext)
    }

    pub fn ssl_bootstrap(&self) -> String {
        format!("localhost:{}", self.0.ports.ssl)
    }

    pub fn sasl_ssl_bootstrap(&self) -> String {
        format!("localhost:{}", self.0.ports.sasl_ssl)
    }

    /// Where a proxy finds the listener whose clients stay with the proxy: see `BrokerOptions::advertise_proxy`.
    pub fn proxied(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.0.ports.proxied).into()
    }

    /// A client's settings, to add to.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap());
        // A broker that was down is back sooner than the client's ten seconds.
        config.set("reconnect.backoff.ms", "20").set("reconnect.backoff.max.ms", "200");
        config
    }

    /// What the broker wrote since it was last started.
    pub fn log(&self) -> String {
        let starts = *self.starts();
        let of = |name: &str| std::fs::read_to_string(self.0.scratch.join(format!("{name}-{starts}.log")));
        of("server").unwrap_or_default() + &of("out").unwrap_or_default()
    }

    /// What it keeps its logs on, if the options gave it a size.
    pub fn disk(&self) -> &Disk {
        self.0.disk.as_ref().expect("BrokerOptions::disk")
    }

    /// Until it has ended by itself.
    pub fn wait_exit(&self) {
        let mut process = self.process().take().expect("it runs");
        process.wait_exit(PATIENCE);
    }

    /// The process id of the JVM, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(Process::id)
    }

    /// Where it keeps its partitions' files: what was last said of `log.dirs`.
    pub fn data_directory(&self) -> PathBuf {
        let properties =
            std::fs::read_to_string(self.0.scratch.join("server.properties")).expect("it was written");
        let mut said = properties.lines().filter_map(|line| line.strip_prefix("log.dirs="));
        said.next_back().expect("log.dirs").into()
    }

    /// A crash: SIGKILL.
    pub fn kill(&self) {
        let process = self.process().take();
        drop(process);
    }

    /// An orderly stop.
    pub fn stop(&self) {
        if let Some(mut process) = self.process().take() {
            process.signal(Signal::TERM);
            process.wait_exit(PATIENCE);
        }
    }

    /// Halts the broker without ending it: connections stay open and nothing is answered.
    pub fn pause(&self) {
        self.process().as_mut().expect("it runs").signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.process().as_mut().expect("it runs").signal(Signal::CONT);
    }

    /// On the same ports and data; returns when it serves.
    pub fn start_again(&self) {
        let starts = {
            let mut starts = self.starts();
            *starts += 1;
            *starts
        };
        let (log, kafka) = (self.0.scratch.join(format!("server-{starts}.log")), paths::kafka());
        let mut java = match self.0.jvm {
            Jvm::Quick => java(Jvm::Quick, "256m", "512m"),
            // bin/kafka-server-start.sh
            Jvm::Fast => java(Jvm::Fast, "1g", "1g"),
        };
        java.arg(format!("-Dkafka.log.file={}", log.display()));
        if let Jvm::Quick = self.0.jvm {
            java.arg(format!("-XX:SharedArchiveFile={}", kafka.join("classes.jsa").display()));
        }
        java.args(["kafka.Kafka", "server.properties"]).current_dir(self.0.scratch.path());
        let mut process = Process::spawn(java, &self.0.scratch.join(format!("out-{starts}.log")));
        wait_until("Kafka serves", PATIENCE, || {
            assert!(process.exit().is_none(), "Kafka did not start:\n{}", self.log());
            let log = std::fs::read_to_string(&log).ok()?;
            log.contains("Kafka Server started").then_some(())
        });
        *self.process() = Some(process);
    }

    /// Creates the topic and waits until every partition has a leader.
    pub fn create_topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let (admin, owned) = (self.admin(), name.to_owned());
        let configs: Vec<_> = configs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let created = block(async move {
            let mut topic = NewTopic::new(&owned, partitions, TopicReplication::Fixed(1));
            for (key, value) in &configs {
                topic = topic.set(key, value);
            }
            admin.create_topics([&topic], &AdminOptions::new().request_timeout(Some(PATIENCE))).await
        });
        for result in created.expect("a request to create a topic") {
            result.unwrap_or_else(|(topic, code)| panic!("topic {topic}: {code}"));
        }
        let admin = self.admin();
        wait_until("the partitions have leaders", PATIENCE, || {
            let metadata = admin.inner().fetch_metadata(Some(name), PATIENCE).ok()?;
            let found = metadata.topics()[0].partitions();
            (found.len() as i32 == partitions && found.iter().all(|p| p.leader() >= 0)).then_some(())
        });
    }

    /// Its records are gone for whoever asks; the files go a little later.
    pub fn delete_topic(&self, name: &str) {
        let (admin, name) = (self.admin(), name.to_owned());
        let deleted = block(async move { admin.delete_topics(&[name.as_str()], &AdminOptions::new()).await });
        for result in deleted.expect("a request to delete a topic") {
            result.unwrap_or_else(|(topic, code)| panic!("topic {topic}: {code}"));
        }
    }

    /// Every topic's name, internal ones included, in order.
    pub fn topics(&self) -> Vec<String> {
        let metadata = self.admin().inner().fetch_metadata(None, PATIENCE).expect("metadata");
        let mut names: Vec<_> = metadata.topics().iter().map(|topic| topic.name().to_owned()).collect();
        names.sort();
        names
    }

    /// The topic's settings, defaults included.
    pub fn topic_config(&self, name: &str) -> BTreeMap<String, String> {
        let (admin, name) = (self.admin(), name.to_owned());
        let described = block(async move {
            admin.describe_configs([&ResourceSpecifier::Topic(&name)], &AdminOptions::new()).await
        });
        let described = described.expect("a request for configs").remove(0).expect("the topic's configs");
        let entries = described.entries.into_iter();
        entries.filter_map(|entry| Some((entry.name, entry.value?))).collect()
    }

    /// These settings instead of those that the topic had of its own.
    pub fn alter_topic(&self, name: &str, configs: &[(&str, &str)]) {
        let (admin, name) = (self.admin(), name.to_owned());
        let configs: Vec<_> = configs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let altered = block(async move {
            let topic = AlterConfig::new(ResourceSpecifier::Topic(&name));
            let topic = configs.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
            admin.alter_configs([&topic], &AdminOptions::new()).await
        });
        for result in altered.expect("a request to alter configs") {
            result.unwrap_or_else(|(_, code)| panic!("{code}"));
        }
    }

    /// Everything that a read_committed consumer can see of these topics now, by topic, partition and offset.
    /// An open transaction hides what comes after its first record. Topics that do not exist have no records.
    pub fn records(&self, topics: &[&str]) -> Vec<Record> {
        self.reader(topics).read_on()
    }

    /// Until there are `n` records or more, and then to the end; panics when they have not come by the deadline.
    pub fn wait_records(&self, topics: &[&str], n: usize, deadline: Duration) -> Vec<Record> {
        let mut reader = self.reader(topics);
        let mut records = Vec::new();
        let began = std::time::Instant::now();
        while records.len() < n {
            records.extend(reader.read_on());
            let waited = began.elapsed();
            assert!(
                records.len() >= n || waited < deadline,
                "{} of {n} records in {topics:?} after {:.1} s",
                records.len(),
                waited.as_secs_f32()
            );
            if records.len() < n {
                pause(began);
            }
        }
        records.extend(reader.read_on());
        records.sort_by(|a, b| (&a.topic, a.partition, a.offset).cmp(&(&b.topic, b.partition, b.offset)));
        records
    }

    /// For reading on where the last read ended.
    pub fn reader(&self, topics: &[&str]) -> Reader {
        Reader::new(&self.client(), topics)
    }

    /// For what has no method here.
    pub fn admin(&self) -> Arc<AdminClient<DefaultClientContext>> {
        self.0.admin.get_or_init(|| Arc::new(self.client().create().expect("an admin client"))).clone()
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.0.process.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn starts(&self) -> MutexGuard<'_, u32> {
        self.0.starts.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// From the prepared directory; only SCRAM users and levels of features need the storage tool.
fn format(scratch: &Scratch, users: &[(String, String)], features: &[(String, u16)]) {
    if users.is_empty() && features.is_empty() {
        let prepared = paths::kafka().join("formatted");
        let data = scratch.join("data");
        std::fs::create_dir_all(&data).expect("a directory");
        let copied = Command::new("cp").arg("-r").arg(prepared.join(".")).arg(data).status();
        assert!(copied.expect("cp runs").success());
        return;
    }
    let mut tool = java(Jvm::Quick, "64m", "256m");
    tool.arg(format!("-Dkafka.log.file={}", scratch.join("format.log").display()));
    tool.args(["kafka.tools.StorageTool", "format", "--cluster-id", "4L6g3nShT-eMCtK--X86sw"]);
    tool.args(["--config", "server.properties"]).current_dir(scratch.path());
    for (name, password) in users {
        tool.arg("--add-scram").arg(format!("SCRAM-SHA-512=[name={name},password={password}]"));
    }
    for (name, level) in features {
        tool.arg("--feature").arg(format!("{name}={level}"));
    }
    let done = tool.output().expect("java runs");
    assert!(done.status.success(), "format: {}", String::from_utf8_lossy(&done.stderr));
}
