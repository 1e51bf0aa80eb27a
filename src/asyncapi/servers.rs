//! Servers and how to log in there: addresses and kinds of credentials, never a credential.

use super::BINDING;
use crate::config::Config;
use serde_json::{Map, Value, json};

/// The name of the only security scheme.
const SCHEME: &str = "kafka";

/// The servers, by name.
pub fn servers(config: &Config) -> Value {
    let settings = &config.kafka.producer;
    let hosts = settings.get("bootstrap.servers").map(String::as_str).unwrap_or_default();
    let hosts: Vec<&str> = hosts.split(',').map(str::trim).filter(|host| !host.is_empty()).collect();
    let mut servers = Map::new();
    for (index, host) in hosts.iter().enumerate() {
        let name = if hosts.len() == 1 { "kafka".to_owned() } else { format!("kafka-{}", index + 1) };
        // A listener's name may stand before it.
        let host = host.rsplit("://").next().unwrap_or(host);
        let protocol = if is_secure(config) { "kafka-secure" } else { "kafka" };
        let mut server =
            Map::from_iter([("host".to_owned(), json!(host)), ("protocol".to_owned(), json!(protocol))]);
        if security(config).is_some() {
            let scheme = format!("#/components/securitySchemes/{SCHEME}");
            server.insert("security".to_owned(), json!([{ "$ref": scheme }]));
        }
        if let Some(registry) = registry(config) {
            server.insert("bindings".to_owned(), json!({ "kafka": registry }));
        }
        servers.insert(name, server.into());
    }
    servers.into()
}

/// The security schemes, by name; none without any.
pub fn schemes(config: &Config) -> Option<Value> {
    security(config).map(|scheme| json!({ SCHEME: { "type": scheme } }))
}

fn protocol(config: &Config) -> String {
    let protocol = config.kafka.producer.get("security.protocol");
    protocol.map(|protocol| protocol.to_ascii_lowercase()).unwrap_or_default()
}

fn is_secure(config: &Config) -> bool {
    protocol(config).ends_with("ssl")
}

fn security(config: &Config) -> Option<&'static str> {
    let settings = &config.kafka.producer;
    if protocol(config).starts_with("sasl") {
        return Some(match settings.get("sasl.mechanism").map(String::as_str) {
            Some("SCRAM-SHA-256") => "scramSha256",
            Some("SCRAM-SHA-512") => "scramSha512",
            _ => "plain",
        });
    }
    let own = ["ssl.certificate.location", "ssl.certificate.pem", "ssl.keystore.location"];
    (is_secure(config) && own.iter().any(|name| settings.contains_key(*name))).then_some("X509")
}

/// How the schema registry is reached: the first of its URLs, which has no password in it any more.
fn registry(config: &Config) -> Option<Value> {
    let url = &config.registry.as_ref()?.endpoints.first()?.url;
    let mut binding = Map::from_iter([("schemaRegistryUrl".to_owned(), json!(url))]);
    if let Some(vendor) = vendor(url) {
        binding.insert("schemaRegistryVendor".to_owned(), json!(vendor));
    }
    binding.insert("bindingVersion".to_owned(), json!(BINDING));
    Some(binding.into())
}

/// Whose registry it is, where the URL tells.
fn vendor(url: &str) -> Option<&'static str> {
    let known =
        [("/apis/ccompat", "apicurio"), (".confluent.cloud", "confluent"), (".aivencloud.com", "karapace")];
    known.into_iter().find(|(part, _)| url.contains(part)).map(|(_, vendor)| vendor)
}

#[cfg(test)]
mod tests {
    use super::super::testing::config;
    use super::*;

    const LOGIN: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"shop\" \
                         password=\"s3cret\";";

    #[test]
    fn a_server_is_told_with_how_to_log_in_and_no_password() {
        let config = config(&format!(
            "bootstrap.servers=a:9092, SASL_SSL://b:9093\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n\
             sasl.jaas.config={LOGIN}\nvalue.converter=io.confluent.connect.avro.AvroConverter\n\
             value.converter.schema.registry.url=http://shop:s3cret@registry:8080/apis/ccompat/v7"
        ));
        let (servers, schemes) = (servers(&config), schemes(&config).expect("a scheme"));
        assert_eq!(schemes, json!({"kafka": {"type": "scramSha512"}}));
        let kafka = &servers["kafka-2"];
        assert_eq!((&kafka["host"], &kafka["protocol"]), (&json!("b:9093"), &json!("kafka-secure")));
        assert_eq!(kafka["security"][0]["$ref"], "#/components/securitySchemes/kafka");
        let registry = &kafka["bindings"]["kafka"];
        assert_eq!(registry["schemaRegistryUrl"], "http://registry:8080/apis/ccompat/v7");
        assert_eq!(registry["schemaRegistryVendor"], "apicurio");
        assert!(!servers.to_string().contains("s3cret"), "{servers:#}");
    }

    #[test]
    fn a_server_without_security_has_none() {
        let config = config("bootstrap.servers=127.0.0.1:9092");
        assert_eq!(servers(&config), json!({"kafka": {"host": "127.0.0.1:9092", "protocol": "kafka"}}));
        assert_eq!(schemes(&config), None);
    }
}
