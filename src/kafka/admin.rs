//! Asking a cluster about itself and its topics, and making topics that are missing. Every call blocks, with the
//! deadline it was connected with: from async code, call it through `spawn_blocking`.

use super::classify::{Call, Class, Flags, classify, classify_error};
use super::producer::{kind, log, words};
use super::{Error, ErrorKind};
use rdkafka::ClientContext;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResourceResult, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::metadata::Metadata;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How long one question waits before what the client heard meanwhile is looked at.
const SLICE: Duration = Duration::from_secs(1);

/// How long one question may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until there is an answer.
    pub answer: Duration,
    /// The same, once no broker can be connected to: each has refused, or was not found.
    pub refusal: Duration,
}

/// No hurry: a broker that refuses now may be there in a moment.
impl From<Duration> for Patience {
    fn from(answer: Duration) -> Patience {
        Patience { answer, refusal: answer }
    }
}

/// How missing topics are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicCreation {
    /// `topic.creation.default.partitions`; -1: the broker's default.
    pub partitions: i32,
    /// `topic.creation.default.replication.factor`; -1: the broker's default.
    pub replication_factor: i32,
    /// Further `topic.creation.default.*`, by topic configuration name.
    pub settings: BTreeMap<String, String>,
}

/// A cluster, as it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterFacts {
    /// Its id, where it has one.
    pub id: Option<String>,
    /// Its brokers: id and `host:port`.
    pub brokers: Vec<(i32, String)>,
}

/// A topic, as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicFacts {
    /// Number of partitions.
    pub partitions: i32,
    /// Replicas of the partition that has the fewest.
    pub replication: i32,
}

/// The `cleanup.policy` among a topic's settings, if `how` is in it: `compact` or `delete`.
pub fn cleaned_by<'a>(settings: &'a BTreeMap<String, String>, how: &str) -> Option<&'a str> {
    let policy = settings.get("cleanup.policy").map_or("delete", String::as_str);
    policy.split(',').any(|policy| policy.trim() == how).then_some(policy)
}

/// A connection for questions.
pub struct Admin {
    /// Answers what metadata can answer, and hears why a connection fails.
    asker: BaseConsumer<Listener>,
    /// Made when first needed; its own events go unheard.
    client: OnceLock<AdminClient<DefaultClientContext>>,
    config: ClientConfig,
    timeout: Duration,
    /// Of `timeout`, what a question waits while every broker is down.
    refusal: Duration,
}

impl Admin {
    /// Connects with settings by librdkafka's names and asks once; `patience` holds for this and for every later call.
    pub fn connect(
        settings: &BTreeMap<String, String>,
        patience: impl Into<Patience>,
    ) -> Result<Admin, Error> {
        let config = client_config(settings);
        let asker = config.create_with_context(Listener::default()).map_err(|error| unmade(&error))?;
        let Patience { answer: timeout, refusal } = patience.into();
        let admin = Admin { asker, client: OnceLock::new(), config, timeout, refusal };
        admin.cluster()?;
        Ok(admin)
    }

    /// The cluster's id and brokers.
    pub fn cluster(&self) -> Result<ClusterFacts, Error> {
        // A question about one topic is smaller than one about all; that it does not exist is no matter.
        let metadata = self.metadata(Some("walpost.does.not.exist"), "reaching Kafka")?;
        let brokers = metadata.brokers().iter();
        let mut brokers: Vec<_> =
            brokers.map(|broker| (broker.id(), format!("{}:{}", broker.host(), broker.port()))).collect();
        brokers.sort();
        Ok(ClusterFacts { id: self.asker.client().fetch_cluster_id(self.timeout), brokers })
    }

    /// The topic, if it is there.
    pub fn topic(&self, name: &str) -> Result<Option<TopicFacts>, Error> {
        let doing = format!("looking up topic {name}");
        let deadline = Instant::now() + self.timeout;
        loop {
            let metadata = self.metadata(Some(name), &doing)?;
            let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
                return Ok(None);
            };
            let code = topic.error().map_or(Code::NoError, Code::from);
            match code {
                Code::NoError => {
                    let replicas = topic.partitions().iter().map(|partition| partition.replicas().len());
                    return Ok(Some(TopicFacts {
                        partitions: topic.partitions().len() as i32,
                        replication: replicas.min().unwrap_or(0) as i32,
                    }));
                }
                Code::UnknownTopic | Code::UnknownTopicOrPartition => return Ok(None),
                Code::LeaderNotAvailable if Instant::now() < deadline => {
                    thread::park_timeout(Duration::from_millis(20))
                }
                _ => {
                    let class = classify(Call::Delivery, code, Flags::default());
                    return Err(Error { kind: kind(class), message: format!("{doing}: {code}") });
                }
            }
        }
    }

    /// The topic's settings, defaults included.
    pub fn describe_topic(&self, name: &str) -> Result<BTreeMap<String, String>, Error> {
        self.describe(&ResourceSpecifier::Topic(name), &format!("asking for the settings of topic {name}"))
    }

    /// One broker's settings, defaults included; sensitive ones are absent.
    pub fn describe_broker(&self, id: i32) -> Result<BTreeMap<String, String>, Error> {
        self.describe(&ResourceSpecifier::Broker(id), &format!("asking for the settings of broker {id}"))
    }

    /// Makes the topic, and returns when it can be seen. One that is there already is as good, whatever it is like.
    pub fn create_topic(&self, name: &str, creation: &TopicCreation) -> Result<(), Error> {
        let doing = format!("creating topic {name}");
        // -1, where the protocol lets the broker choose, is 1 for librdkafka's check of a fixed assignment.
        let mut topic =
            NewTopic::new(name, creation.partitions, TopicReplication::Fixed(creation.replication_factor));
        for (key, value) in &creation.settings {
            topic = topic.set(key, value);
        }
        let options = self.options().operation_timeout(Some(self.timeout));
        let results = block_on(self.client()?.create_topics([&topic], &options), self.deadline());
        for result in self.answered(results, &doing)? {
            match result {
                Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
                Err((_, code)) => {
                    let class = classify(Call::Delivery, code, Flags::default());
                    let kind = match class {
                        Class::Fatal => ErrorKind::Topic,
                        class => kind(class),
                    };
                    return Err(Error { kind, message: format!("{doing}: {code}") });
                }
            }
        }
        let deadline = Instant::now() + self.timeout;
        while self.topic(name)?.is_none_or(|facts| facts.partitions == 0) {
            if Instant::now() >= deadline {
                return Err(Error {
                    kind: ErrorKind::Transient,
                    message: format!("{doing}: it does not appear"),
                });
            }
            thread::park_timeout(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The topic, made first if it is missing and `creation` allows it; the error names one that may not be made.
    pub fn ensure_topic(&self, name: &str, creation: Option<&TopicCreation>) -> Result<TopicFacts, Error> {
        if let Some(facts) = self.topic(name)? {
            return Ok(facts);
        }
        let missing = |what: &str| Error { kind: ErrorKind::Topic, message: format!("topic {name} {what}") };
        let Some(creation) = creation else {
            return Err(missing("does not exist, and topics are not created (topic.creation.enable)"));
        };
        self.create_topic(name, creation)?;
        tracing::info!(topic = name, partitions = creation.partitions, "created topic");
        self.topic(name)?.ok_or_else(|| missing("was created and is gone again"))
    }

    /// Takes away, of these partitions, every record before the offset beside it.
    pub fn delete_records(&self, topic: &str, before: &[(i32, i64)]) -> Result<(), Error> {
        let doing = format!("deleting records of topic {topic}");
        let mut offsets = TopicPartitionList::new();
        for (partition, offset) in before {
            let added = offsets.add_partition_offset(topic, *partition, Offset::Offset(*offset));
            added.map_err(|error| self.error(&doing, &error))?;
        }
        let asked = self.client()?.delete_records(&offsets, &self.options());
        let deleted = self.answered(block_on(asked, self.deadline()), &doing)?;
        for element in deleted.elements() {
            element.error().map_err(|error| self.error(&doing, &error))?;
        }
        Ok(())
    }

    /// In slices, so that a refused login is told at once and not after the whole time.
    fn metadata(&self, topic: Option<&str>, doing: &str) -> Result<Metadata, Error> {
        let asked = Instant::now();
        let deadline = asked + self.timeout;
        self.asker.context().all_down.store(false, Ordering::SeqCst);
        loop {
            let slice = deadline.saturating_duration_since(Instant::now()).min(SLICE);
            let error = match self.asker.fetch_metadata(topic, slice) {
                Ok(metadata) => return Ok(metadata),
                Err(error) => self.error(doing, &error),
            };
            let is_refused = self.asker.context().all_down.load(Ordering::SeqCst);
            let is_over = Instant::now() >= deadline || is_refused && asked.elapsed() >= self.refusal;
            if error.kind != ErrorKind::Transient || is_over {
                return Err(error);
            }
        }
    }

    fn client(&self) -> Result<&AdminClient<DefaultClientContext>, Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let mut config = self.config.clone();
        config.set_log_level(RDKafkaLogLevel::Emerg);
        let client = config.create().map_err(|error| unmade(&error))?;
        Ok(self.client.get_or_init(|| client))
    }

    fn describe(
        &self,
        resource: &ResourceSpecifier<'_>,
        doing: &str,
    ) -> Result<BTreeMap<String, String>, Error> {
        let asked = self.client()?.describe_configs([resource], &self.options());
        let results: Vec<ConfigResourceResult> = self.answered(block_on(asked, self.deadline()), doing)?;
        let mut settings = BTreeMap::new();
        for result in results {
            let resource = result.map_err(|code| Error {
                kind: kind(classify(Call::Delivery, code, Flags::default())),
                message: format!("{doing}: {code}"),
            })?;
            settings
                .extend(resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))));
        }
        Ok(settings)
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout))
    }

    /// A little more than the client's own, which says more when it strikes.
    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout + Duration::from_secs(1)
    }

    fn answered<T>(&self, answer: Option<Result<T, KafkaError>>, doing: &str) -> Result<T, Error> {
        answer
            .unwrap_or(Err(KafkaError::AdminOp(Code::OperationTimedOut)))
            .map_err(|error| self.error(doing, &error))
    }

    fn error(&self, doing: &str, error: &KafkaError) -> Error {
        // What the client has to say besides is heard by polling; there is nothing else to be had by it.
        while self.asker.poll(Duration::ZERO).is_some() {}
        self.asker.context().error(doing, error)
    }
}

fn unmade(error: &KafkaError) -> Error {
    Error {
        kind: ErrorKind::Settings,
        message: format!("a Kafka client cannot be made with these settings: {}", words(error)),
    }
}

/// Hears why a connection fails; answers then only say that they timed out.
#[derive(Default)]
pub(super) struct Listener {
    last: Mutex<Option<(Code, String)>>,
    /// Every broker has been tried, and none could be connected to.
    all_down: AtomicBool,
}

impl Listener {
    /// What was being done, the client's words, and the last trouble with a connection.
    pub(super) fn error(&self, doing: &str, error: &KafkaError) -> Error {
        let (class, said) = match error {
            KafkaError::AdminOp(code) => {
                (classify(Call::Delivery, *code, Flags::default()), code.to_string())
            }
            error => classify_error(Call::Delivery, error),
        };
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_denied = last.as_ref().is_some_and(|(code, reason)| is_refusal(*code, reason));
        let trouble = last.map(|(_, trouble)| format!("; {trouble}")).unwrap_or_default();
        let kind = if is_denied && class == Class::Indefinite { ErrorKind::Denied } else { kind(class) };
        Error { kind, message: format!("{doing}: {said}{trouble}") }
    }
}

/// No attempt will help: the log-in is refused, or the broker's certificate is not trusted.
pub(super) fn is_refusal(code: Code, reason: &str) -> bool {
    match code {
        Code::Authentication | Code::SaslAuthenticationFailed => true,
        Code::SSL => reason.contains("certificate verify failed"),
        _ => false,
    }
}

impl ConsumerContext for Listener {}

impl ClientContext for Listener {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", "{reason}");
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        // The reason for the last connection's end is more telling than that none is left.
        if code == Code::AllBrokersDown {
            self.all_down.store(true, Ordering::SeqCst);
        } else {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((code, reason.to_owned()));
        }
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }
}

/// The configuration of a client that asks and reads.
pub(super) fn client_config(settings: &BTreeMap<String, String>) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Info);
    for (name, value) in [
        ("socket.timeout.ms", "10000"),
        ("socket.connection.setup.timeout.ms", "10000"),
        ("reconnect.backoff.ms", "50"),
        ("reconnect.backoff.max.ms", "1000"),
        ("enable.metrics.push", "false"),
    ] {
        config.set(name, value);
    }
    for (name, value) in settings {
        config.set(name, value);
    }
    // Asking after a topic must not make it.
    config.set("allow.auto.create.topics", "false");
    config
}

/// Waits for a future that the client's own threads complete; `None` when the deadline comes first.
fn block_on<T>(future: impl Future<Output = T>, deadline: Instant) -> Option<T> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(answer);
        }
        let now = Instant::now();
        if now >= deadline {
            return None;
        }
        thread::park_timeout(deadline - now);
    }
}
