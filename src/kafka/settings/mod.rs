//! Client settings: from the Java client's names, as Connect and Debezium users write them, to librdkafka's.
//!
//! Enters: properties without their prefix (`producer.override.` and its like). Leaves: a [`Translation`], in which every
//! property is a setting, or ignored with a reason, or refused with what to write instead, or unknown. Nothing is
//! dropped in silence. Not done here: settings that walpost forces on its own clients (see `kafka::producer`).

mod jaas;
mod known;
mod tls;

pub use known::{KNOWN, Kind, Known, find, nearest};

use std::collections::BTreeMap;
use std::fmt;

/// What became of a set of properties.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Translation {
    /// By librdkafka's names. Passwords are among the values: not for printing.
    pub settings: BTreeMap<String, String>,
    /// Property and reason: understood, of no effect here.
    pub ignored: Vec<(String, String)>,
    /// Property and what is wrong with it, with what to write instead.
    pub refused: Vec<(String, String)>,
    /// Property and the nearest known name.
    pub unknown: Vec<(String, Option<String>)>,
}

impl fmt::Debug for Translation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Translation")
            .field("settings", &self.settings.keys())
            .field("ignored", &self.ignored)
            .field("refused", &self.refused)
            .field("unknown", &self.unknown)
            .finish()
    }
}

/// Translates properties of the Java producer, as far as they are for every client or for producers.
pub fn translate(properties: &BTreeMap<String, String>) -> Translation {
    let mut t = Translating { properties, out: Translation::default() };
    for (name, value) in properties {
        let value = value.trim();
        match find(name).map(|known| known.kind) {
            None => t.out.unknown.push((name.clone(), nearest(name).map(str::to_owned))),
            Some(Kind::Text(setting)) => t.set(setting, value),
            Some(Kind::Number(setting, least, most)) => t.number(name, setting, least, most),
            Some(Kind::Boolean(setting)) => match value.to_ascii_lowercase().as_str() {
                truth @ ("true" | "false") => t.set(setting, truth),
                _ => t.refuse(name, "it is neither true nor false; write true or false"),
            },
            Some(Kind::Ignored(reason)) => t.ignore(name, reason),
            Some(Kind::Refused(what)) => t.refuse(name, what),
            Some(Kind::Honoured) => {}
        }
    }
    t.connecting();
    t.producing();
    t.security();
    tls::translate(&mut t);
    t.out
}

/// Whether a setting, by librdkafka's name, is for consumers and admin clients as well as for producers.
pub fn is_for_every_client(setting: &str) -> bool {
    const PRODUCER: &[&str] = &[
        "transactional.id",
        "transaction.timeout.ms",
        "max.in.flight.requests.per.connection",
        "retries",
        "delivery.timeout.ms",
        "batch.size",
        "queue.buffering.max.kbytes",
        "message.max.bytes",
        "compression.type",
        "compression.level",
    ];
    !PRODUCER.contains(&setting)
}

/// A translation under way.
struct Translating<'p> {
    properties: &'p BTreeMap<String, String>,
    out: Translation,
}

impl<'p> Translating<'p> {
    /// The property's value as it was written.
    fn raw(&self, name: &str) -> Option<&'p str> {
        self.properties.get(name).map(String::as_str)
    }

    /// The property's value, when there is one and it is not blank.
    fn get(&self, name: &str) -> Option<&'p str> {
        self.raw(name).map(str::trim).filter(|value| !value.is_empty())
    }

    fn set(&mut self, setting: &str, value: impl Into<String>) {
        self.out.settings.insert(setting.to_owned(), value.into());
    }

    fn ignore(&mut self, name: &str, reason: impl Into<String>) {
        self.out.ignored.push((name.to_owned(), reason.into()));
    }

    fn refuse(&mut self, name: &str, what: impl Into<String>) {
        self.out.refused.push((name.to_owned(), what.into()));
    }

    fn number(&mut self, name: &str, setting: &str, least: i64, most: i64) {
        let Some(value) = self.raw(name).map(str::trim) else { return };
        match value.parse::<i64>() {
            Ok(number) if (least..=most).contains(&number) => self.set(setting, number.to_string()),
            Ok(_) => {
                self.refuse(name, format!("it is not between {least} and {most}; write a number that is"))
            }
            Err(_) => {
                self.refuse(name, format!("it is not a whole number; write one from {least} to {most}"));
            }
        }
    }

    fn connecting(&mut self) {
        if let Some(lookup) = self.get("client.dns.lookup") {
            match lookup {
                // Java's own old name for what all addresses are tried is today.
                "default" | "use_all_dns_ips" => self.set("client.dns.lookup", "use_all_dns_ips"),
                "resolve_canonical_bootstrap_servers_only" => self.set("client.dns.lookup", lookup),
                _ => self.refuse(
                    "client.dns.lookup",
                    "there is no such value; write use_all_dns_ips or resolve_canonical_bootstrap_servers_only",
                ),
            }
        }
        for (name, setting) in [
            ("send.buffer.bytes", "socket.send.buffer.bytes"),
            ("receive.buffer.bytes", "socket.receive.buffer.bytes"),
            ("connections.max.idle.ms", "connections.max.idle.ms"),
        ] {
            match self.get(name) {
                Some("-1") => self.set(setting, "0"),
                Some(_) => self.number(name, setting, 0, 100_000_000),
                None => {}
            }
        }
    }

    fn producing(&mut self) {
        match self.get("acks") {
            None | Some("all" | "-1") => {}
            Some(_) => self.refuse("acks", "exactly once needs acks=all; write that, or remove it"),
        }
        for (name, must, why) in [
            ("enable.idempotence", "true", "exactly once needs it"),
            ("transaction.two.phase.commit.enable", "false", "Kafka alone decides on a transaction here"),
            ("partitioner.ignore.keys", "false", "events of one key keep their order by their partition"),
        ] {
            match self.get(name) {
                Some(value) if !value.eq_ignore_ascii_case(must) => {
                    self.refuse(name, format!("{why}; write {must}, or remove it"));
                }
                _ => {}
            }
        }
        if let Some(class) = self.get("partitioner.class") {
            match class.rsplit('.').next() {
                Some("DefaultPartitioner") => self.ignore("partitioner.class", "it is the one that is built in"),
                _ => self.refuse(
                    "partitioner.class",
                    "only Java's default partitioner is built in; remove it, or let a column give the partition",
                ),
            }
        }
        self.buffer();
        self.compression();
    }

    fn buffer(&mut self) {
        match self.get("buffer.memory").map(str::parse::<u64>) {
            None => {}
            Some(Ok(bytes)) => {
                let kbytes = bytes.div_ceil(1024).clamp(1, 2_147_483_647);
                self.set("queue.buffering.max.kbytes", kbytes.to_string());
            }
            Some(Err(_)) => self.refuse("buffer.memory", "it is not a number of bytes; write one"),
        }
    }

    fn compression(&mut self) {
        let chosen = self.get("compression.type").map(str::to_ascii_lowercase);
        if let Some(chosen) = &chosen {
            match chosen.as_str() {
                "none" | "gzip" | "snappy" | "lz4" | "zstd" => self.set("compression.type", chosen.clone()),
                _ => self.refuse(
                    "compression.type",
                    "there is no such value; write none, gzip, snappy, lz4 or zstd",
                ),
            }
        }
        // The ranges are librdkafka's, which are narrower than Java's.
        for (name, codec, least, most) in [
            ("compression.gzip.level", "gzip", 0, 9),
            ("compression.lz4.level", "lz4", 0, 12),
            ("compression.zstd.level", "zstd", 0, 12),
        ] {
            match self.get(name) {
                None => {}
                Some("-1") => {}
                Some(_) if chosen.as_deref() == Some(codec) => {
                    self.number(name, "compression.level", least, most)
                }
                Some(_) => self.ignore(name, format!("compression.type is not {codec}")),
            }
        }
    }

    fn security(&mut self) {
        let protocol = self.get("security.protocol").unwrap_or("PLAINTEXT").to_ascii_lowercase();
        if !matches!(protocol.as_str(), "plaintext" | "ssl" | "sasl_plaintext" | "sasl_ssl") {
            return self.refuse(
                "security.protocol",
                "there is no such value; write PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
            );
        }
        if self.get("security.protocol").is_some() {
            self.set("security.protocol", protocol.clone());
        }
        if !protocol.starts_with("sasl") {
            for name in ["sasl.mechanism", "sasl.jaas.config"] {
                if self.get(name).is_some() {
                    self.ignore(name, format!("security.protocol is {}", protocol.to_ascii_uppercase()));
                }
            }
            return;
        }
        const OTHERS: &str = "PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 are what this build has; SSL with a client \
                              certificate needs none of them";
        match self.get("sasl.mechanism") {
            Some(mechanism @ ("PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512")) => {
                self.set("sasl.mechanism", mechanism);
                self.login();
            }
            None | Some("GSSAPI") => self.refuse(
                "sasl.mechanism",
                format!("GSSAPI, which is also the default of the Java client, needs Kerberos: {OTHERS}"),
            ),
            Some("OAUTHBEARER") => self.refuse(
                "sasl.mechanism",
                format!("OAUTHBEARER fetches tokens over HTTP: {OTHERS}. Confluent Cloud takes an API key with PLAIN"),
            ),
            Some("AWS_MSK_IAM") => self.refuse(
                "sasl.mechanism",
                format!("AWS_MSK_IAM signs in with AWS code: {OTHERS}. MSK offers SCRAM-SHA-512 and client certificates"),
            ),
            Some(_) => self.refuse("sasl.mechanism", OTHERS),
        }
    }

    fn login(&mut self) {
        const NAME: &str = "sasl.jaas.config";
        let Some(text) = self.get(NAME) else {
            return self.refuse(
                NAME,
                "it is missing; write org.apache.kafka.common.security.scram.ScramLoginModule required \
                 username=\"…\" password=\"…\"; (or …plain.PlainLoginModule)",
            );
        };
        let login = match jaas::parse(text) {
            Ok(login) => login,
            Err(what) => return self.refuse(NAME, what),
        };
        match login.module_name() {
            "PlainLoginModule" | "ScramLoginModule" => {}
            other => {
                return self.refuse(NAME, format!("{other} is not PlainLoginModule or ScramLoginModule"));
            }
        }
        if login.option("tokenauth").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return self
                .refuse(NAME, "delegation tokens (tokenauth) cannot be used; write a user's own password");
        }
        match (login.option("username"), login.option("password")) {
            (Some(user), Some(password)) => {
                self.set("sasl.username", user);
                self.set("sasl.password", password);
            }
            (None, _) => self.refuse(NAME, "username=\"…\" is missing"),
            (_, None) => self.refuse(NAME, "password=\"…\" is missing"),
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
