//! The brokers of a cluster and one connection to each that is needed; a leader that is also the coordinator is spoken
//! to on one.
//!
//! Nothing here is asked while an answer to something else is due on the same connection: whoever asks sees to that.

use super::connection::Connection;
use super::settings::Settings;
use super::{errors, failure};
use crate::kafka::classify::{Call, Class};
use crate::kafka::producer::Failure;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiKey, DescribeConfigsRequest, DescribeConfigsResponse, FindCoordinatorRequest, FindCoordinatorResponse,
    MetadataRequest, MetadataResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A connection that was used so lately is not looked at before it is used again.
const LATELY: Duration = Duration::from_secs(1);
/// FindCoordinator's word for transactional ids.
const TRANSACTION: i8 = 1;
/// DescribeConfigs' word for topics.
const TOPIC: i8 = 2;
const LIMIT: &str = "max.message.bytes";

/// A topic as a broker sees it.
#[derive(Debug)]
pub(super) struct TopicFacts {
    pub name: String,
    pub code: i16,
    /// Each partition's leader, by number; negative where there is none.
    pub leaders: Vec<i32>,
}

/// What is known of a cluster, and the ways to it.
pub(super) struct Cluster {
    settings: Arc<Settings>,
    brokers: HashMap<i32, (String, u16)>,
    connections: HashMap<i32, Connection>,
    /// Which of the first addresses is tried first next time.
    turn: usize,
}

impl Cluster {
    pub(super) fn new(settings: Arc<Settings>) -> Cluster {
        Cluster { settings, brokers: HashMap::new(), connections: HashMap::new(), turn: 0 }
    }

    /// Closes everything and begins with the first addresses again.
    pub(super) fn forget(&mut self) {
        self.brokers.clear();
        self.connections.clear();
    }

    /// A connection on which no answer is due. One that the broker has closed because it was idle, or would close
    /// because its log-in runs out, is made anew: nothing that was said on it is unanswered.
    pub(super) fn ready(&mut self, broker: i32, deadline: Instant) -> Result<&mut Connection, Failure> {
        if self.connections.get(&broker).is_some_and(|connection| self.is_stale(connection)) {
            tracing::debug!(broker, "an idle connection is made anew");
            self.connections.remove(&broker);
        }
        if !self.connections.contains_key(&broker) {
            let (host, port) = self.brokers.get(&broker).ok_or_else(|| {
                failure(Class::Abortable, format!("broker {broker} is not among those of the cluster"))
            })?;
            let deadline = deadline.min(Instant::now() + self.settings.connect_timeout);
            let connection = Connection::open(&self.settings, host, *port, deadline)?;
            self.connections.insert(broker, connection);
        }
        self.open(broker)
    }

    /// The connection as it is, for an answer that is due.
    pub(super) fn open(&mut self, broker: i32) -> Result<&mut Connection, Failure> {
        self.connections
            .get_mut(&broker)
            .ok_or_else(|| failure(Class::Indefinite, format!("there is no connection to broker {broker}")))
    }

    /// Whom to ask for a transactional id.
    pub(super) fn coordinator(&mut self, id: &str, deadline: Instant) -> Result<i32, Failure> {
        let broker = self.any(deadline)?;
        let connection = self.ready(broker, deadline)?;
        let version = connection.version(ApiKey::FindCoordinator, 1..=3)?;
        let asked = FindCoordinatorRequest::default()
            .with_key(StrBytes::from_string(id.to_owned()))
            .with_key_type(TRANSACTION);
        let answer: FindCoordinatorResponse =
            connection.ask(ApiKey::FindCoordinator, version, &asked, deadline)?;
        if answer.error_code != errors::NONE {
            return Err(errors::refused(Call::Init, "finding the coordinator", answer.error_code));
        }
        self.place(answer.node_id.0, answer.host.to_string(), answer.port);
        Ok(answer.node_id.0)
    }

    /// These topics, as some broker sees them. Asking does not make them.
    pub(super) fn describe(
        &mut self,
        topics: &[&str],
        deadline: Instant,
    ) -> Result<Vec<TopicFacts>, Failure> {
        let broker = self.any(deadline)?;
        let answer = ask_metadata(self.ready(broker, deadline)?, topics, deadline)?;
        self.learn(&answer);
        let facts = answer.topics.iter().map(|topic| {
            let count = topic.partitions.iter().map(|partition| partition.partition_index + 1).max();
            let mut leaders = vec![-1; count.unwrap_or(0).max(0) as usize];
            for partition in &topic.partitions {
                if let Some(leader) = leaders.get_mut(partition.partition_index as usize) {
                    *leader = partition.leader_id.0;
                }
            }
            let name = topic.name.as_ref().map(|name| name.to_string()).unwrap_or_default();
            TopicFacts { name, code: topic.error_code, leaders }
        });
        Ok(facts.collect())
    }

    /// The topics' `max.message.bytes`, where this client may know it.
    pub(super) fn limits(
        &mut self,
        topics: &[&str],
        deadline: Instant,
    ) -> Result<HashMap<String, usize>, Failure> {
        let broker = self.any(deadline)?;
        let connection = self.ready(broker, deadline)?;
        let Ok(version) = connection.version(ApiKey::DescribeConfigs, 1..=3) else {
            return Ok(HashMap::new());
        };
        let resources = topics.iter().map(|topic| {
            DescribeConfigsResource::default()
                .with_resource_type(TOPIC)
                .with_resource_name(StrBytes::from_string((*topic).to_owned()))
                .with_configuration_keys(Some(vec![StrBytes::from_static_str(LIMIT)]))
        });
        let asked = DescribeConfigsRequest::default().with_resources(resources.collect());
        let answer: DescribeConfigsResponse =
            connection.ask(ApiKey::DescribeConfigs, version, &asked, deadline)?;
        let limits = answer.results.iter().filter_map(|result| {
            let limit = result.configs.iter().find(|config| &*config.name == LIMIT)?.value.as_ref()?;
            Some((result.resource_name.to_string(), limit.parse().ok()?))
        });
        Ok(limits.collect())
    }

    /// Some broker: one that is connected already, if there is one.
    fn any(&mut self, deadline: Instant) -> Result<i32, Failure> {
        match self.connections.keys().min().copied() {
            Some(broker) => Ok(broker),
            None => self.bootstrap(deadline),
        }
    }

    /// Finds the brokers through the first address that answers.
    fn bootstrap(&mut self, deadline: Instant) -> Result<i32, Failure> {
        let addresses = self.settings.bootstrap.clone();
        let mut last = failure(Class::Abortable, "there is no broker to connect to");
        for at in 0..addresses.len() {
            let (host, port) = &addresses[(self.turn + at) % addresses.len()];
            match self.enter(host, *port, deadline) {
                Ok(broker) => return Ok(broker),
                Err(denied) if denied.class == Class::Denied => return Err(denied),
                Err(other) => last = other,
            }
        }
        self.turn = self.turn.wrapping_add(1);
        Err(last)
    }

    fn enter(&mut self, host: &str, port: u16, deadline: Instant) -> Result<i32, Failure> {
        let deadline = deadline.min(Instant::now() + self.settings.connect_timeout);
        let mut connection = Connection::open(&self.settings, host, port, deadline)?;
        let answer = ask_metadata(&mut connection, &[], deadline)?;
        self.learn(&answer);
        let mut brokers = self.brokers.iter();
        if let Some((broker, _)) = brokers.find(|(_, (name, number))| name == host && *number == port) {
            let broker = *broker;
            self.connections.insert(broker, connection);
            return Ok(broker);
        }
        // The address is another name of a broker, or of several.
        let mut known: Vec<i32> = self.brokers.keys().copied().collect();
        known.sort_unstable();
        let mut last = failure(Class::Abortable, "the cluster names no broker");
        for broker in known {
            match self.ready(broker, deadline) {
                Ok(_) => return Ok(broker),
                Err(failed) => last = failed,
            }
        }
        Err(last)
    }

    fn learn(&mut self, answer: &MetadataResponse) {
        for broker in &answer.brokers {
            self.place(broker.node_id.0, broker.host.to_string(), broker.port);
        }
    }

    fn place(&mut self, broker: i32, host: String, port: i32) {
        let place = (host, port.try_into().unwrap_or(0));
        if self.brokers.get(&broker) != Some(&place) {
            self.connections.remove(&broker);
            self.brokers.insert(broker, place);
        }
    }

    fn is_stale(&self, connection: &Connection) -> bool {
        let idle = connection.used().elapsed();
        !connection.is_logged_in()
            || self.settings.idle_most.is_some_and(|most| idle >= most)
            || idle >= LATELY && !connection.is_quiet()
    }
}

fn ask_metadata(
    connection: &mut Connection,
    topics: &[&str],
    deadline: Instant,
) -> Result<MetadataResponse, Failure> {
    let named = |name: &&str| {
        let name = TopicName(StrBytes::from_string((*name).to_owned()));
        MetadataRequestTopic::default().with_name(Some(name))
    };
    let version = connection.version(ApiKey::Metadata, 4..=8)?;
    let asked = MetadataRequest::default()
        .with_topics(Some(topics.iter().map(named).collect()))
        .with_allow_auto_topic_creation(false);
    connection.ask(ApiKey::Metadata, version, &asked, deadline)
}
