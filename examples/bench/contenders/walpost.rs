//! walpost, as an operator runs it: a process of its own, with Debezium's properties.

use super::{AtWork, topic, with_walposts_producer};
use crate::servers::Servers;
use crate::support::{Connector, ConnectorBuilder};
use std::time::Duration;

struct Walpost(Connector);

pub fn start(configuration: ConnectorBuilder) -> Box<dyn AtWork> {
    let connector = with_walposts_producer(configuration).set("walpost.adopt", "slot").start();
    Box::new(Walpost(connector))
}

/// The schema of a backlog's payloads.
const SCHEMA: &str = r#"{"type": "record", "name": "OrderPlaced",
    "fields": [{"name": "n", "type": "long"}, {"name": "pad", "type": "string"}]}"#;

/// With the payloads in Avro, by a schema that is registered for this contender's topic.
pub fn to_avro(servers: &Servers, configuration: ConnectorBuilder, name: &str) -> ConnectorBuilder {
    let registry = servers.registry();
    registry.register(&format!("{}-OrderPlaced", topic(name)), SCHEMA);
    configuration
        .set("value.converter", "io.confluent.connect.avro.AvroConverter")
        .set("value.converter.schema.registry.url", registry.url())
        .set(
            "value.converter.value.subject.name.strategy",
            "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy",
        )
        .set("walpost.value.schema", "registered")
}

impl AtWork for Walpost {
    fn pid(&self) -> u32 {
        self.0.pid()
    }

    fn assert_healthy(&mut self) {
        assert!(self.0.is_running(), "{}", self.0.log());
    }

    fn stop(&mut self) {
        self.0.sigterm();
        let (status, log) = self.0.wait_exit(Duration::from_secs(60));
        assert!(status.success(), "{log}");
    }

    fn kill(&mut self) {
        self.0.kill9();
    }

    fn start_again(&mut self) {
        self.0.start_again();
    }

    fn leave(mut self: Box<Self>) {
        self.stop();
    }
}
