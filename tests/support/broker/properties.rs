//! A broker's server.properties.

use super::super::certificates::Certificates;
use super::super::paths::Scratch;
use super::{BrokerOptions, Ports};
use std::fmt::Write as _;

pub(super) fn text(scratch: &Scratch, ports: &Ports, options: &BrokerOptions<'_>) -> String {
    let Ports { plaintext, controller, ssl, sasl_ssl, proxied } = ports;
    let mut listeners = format!("PLAINTEXT://127.0.0.1:{plaintext}");
    let mut tls = String::new();
    if let Some(certificates) = options.certificates {
        let _ = write!(listeners, ",SSL://localhost:{ssl}");
        tls = tls_properties(scratch, certificates);
        if !options.users.is_empty() {
            let _ = write!(listeners, ",SASL_SSL://localhost:{sasl_ssl}");
            tls += &sasl_properties(&options.users);
        }
    }
    let mut advertised = listeners.clone();
    if let Some(proxy) = options.proxy {
        let _ = write!(listeners, ",PROXY://127.0.0.1:{proxied}");
        let _ = write!(advertised, ",PROXY://127.0.0.1:{proxy}");
    }
    let mut text = format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXY:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
inter.broker.listener.name=PLAINTEXT
log.dirs={}/data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
controlled.shutdown.enable=false
broker.heartbeat.interval.ms=200
broker.session.timeout.ms=2000
log.retention.ms=-1
{tls}",
        scratch.path().display()
    );
    for (name, value) in &options.settings {
        let _ = writeln!(text, "{name}={value}");
    }
    text
}

fn tls_properties(scratch: &Scratch, certificates: &Certificates) -> String {
    let read = |path| std::fs::read_to_string(path).expect("a PEM file");
    let (keys, trusted) = (scratch.join("server.pem"), &certificates.ca);
    std::fs::write(&keys, read(&certificates.server_key) + &read(&certificates.server_cert))
        .expect("a keystore");
    format!(
        "ssl.keystore.type=PEM
ssl.keystore.location={}
ssl.truststore.type=PEM
ssl.truststore.location={}
ssl.client.auth=requested
",
        keys.display(),
        trusted.display()
    )
}

fn sasl_properties(users: &[(String, String)]) -> String {
    let users: String = users.iter().map(|(name, password)| format!(" user_{name}=\"{password}\"")).collect();
    format!(
        "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required{users};
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
"
    )
}
