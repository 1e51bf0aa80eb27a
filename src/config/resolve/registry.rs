//! The schema registry, and the converters that ask it.

use super::converters::decimals;
use super::debezium_events;
use super::kafka::Kafka;
use super::report::Report;
use super::values::View;
use crate::config::catalog::{self, Property, converters, registry as declared, walpost};
use crate::config::raw::{Entry, Raw};
use crate::encode::{self, ByRegistered, Converter, Framed, Ids, Inferring, UnknownFields, Verify};
use crate::registry::{Config, Endpoint, Pem, SchemaType, Strategy, Tls};
use crate::route;
use crate::secret::Secret;
use base64::Engine;
use std::path::PathBuf;

/// A converter that asks a registry, at this place.
pub(super) fn framed(raw: &Raw, place: &str, language: SchemaType, report: &mut Report) -> Framed {
    without_effect(raw, place, language, report);
    let (view, plain) = (View::under(raw, place), View::plain(raw));
    let is_key = place == converters::KEY.name;
    let ids = match (view.flag(&declared::AUTO_REGISTER), view.number(&declared::USE_ID)) {
        (true, _) => Ids::Register,
        (false, id) if id >= 0 => Ids::Given(id.try_into().unwrap_or_default()),
        (false, _) if view.flag(&declared::USE_LATEST) => Ids::Latest,
        (false, _) => Ids::Find,
    };
    let id = if is_key { &declared::KEY_ID } else { &declared::VALUE_ID };
    let registered = !is_key && plain.word(&walpost::VALUE_SCHEMA) == Some("registered");
    let seconds = view.number(&declared::LATEST_TTL);
    Framed {
        language,
        subject: strategy(view, is_key),
        ids,
        normalize: view.flag(&declared::NORMALIZE),
        meta: view.flag(&declared::META_DATA),
        inferring: Inferring {
            decimals: decimals(view, &converters::DECIMAL_FORMAT),
            additional: view.flag(&declared::ADDITIONAL),
            optional: view.flag(&declared::OPTIONAL),
            wrapper: view.flag(&declared::WRAPPER),
        },
        registered: registered.then(|| ByRegistered {
            name: plain.text(&walpost::VALUE_SCHEMA_NAME).to_owned(),
            unknown: match plain.word(&walpost::VALUE_SCHEMA_UNKNOWN) {
                Some("drop") => UnknownFields::Drop,
                _ => UnknownFields::Refuse,
            },
        }),
        in_header: view.word(id) == Some(declared::HEADER),
        latest_ttl_ms: (seconds >= 0).then_some(seconds.saturating_mul(1000)),
    }
}

/// What would have no effect, and was meant to have one.
fn without_effect(raw: &Raw, place: &str, language: SchemaType, report: &mut Report) {
    let plain = View::plain(raw);
    if language == SchemaType::Json
        && place == converters::VALUE.name
        && plain.word(&walpost::VALUE_SCHEMA) == Some("registered")
        && plain.word(&walpost::VALUE_SCHEMA_UNKNOWN) == Some("drop")
        && let Some(entry) = plain.entry(&walpost::VALUE_SCHEMA_UNKNOWN)
    {
        report.wrong(
            entry,
            "a JSON Schema says itself what becomes of members that it does not have, and payloads are published as they are",
            "leave it out, and see to additionalProperties of the schema",
        );
    }
}

fn strategy(view: View<'_>, is_key: bool) -> Strategy {
    let property = if is_key { &declared::KEY_STRATEGY } else { &declared::VALUE_STRATEGY };
    match view.word(property) {
        Some(declared::RECORD) => Strategy::Record,
        Some(declared::TOPIC_RECORD) => Strategy::TopicRecord,
        _ => Strategy::Topic,
    }
}

/// `walpost.value.verify`.
pub(super) fn verify(raw: &Raw, report: &mut Report) -> Option<Verify> {
    let plain = View::plain(raw);
    let own = match plain.word(&walpost::VALUE_VERIFY) {
        Some("id") => false,
        Some("subject") => true,
        _ => return None,
    };
    if !matches!(plain.word(&converters::VALUE), Some(converters::BYTES | converters::BINARY)) {
        if let Some(entry) = plain.entry(&walpost::VALUE_VERIFY) {
            let instead = "take it out, or set value.converter=io.debezium.converters.BinaryDataConverter";
            report.wrong(entry, "this value.converter passes no framed bytes on", instead);
        }
        return None;
    }
    let view = View::under(raw, converters::VALUE.name);
    let name = plain.text(&walpost::VALUE_SCHEMA_NAME).to_owned();
    Some(Verify { own, subject: strategy(view, false), name })
}

/// How the registry is reached, where a converter needs it.
pub(super) fn registry(
    raw: &Raw,
    kafka: &Kafka,
    encode: &encode::Config,
    route: Option<&route::Config>,
    report: &mut Report,
) -> Option<Config> {
    let plain = View::plain(raw);
    let is_framed = |converter: &Converter| matches!(converter, Converter::Framed(_));
    let by_registered = plain.word(&walpost::VALUE_SCHEMA) == Some("registered");
    if let (true, Some(entry)) = (by_registered, plain.entry(&walpost::VALUE_SCHEMA)) {
        let is_envelope = |placement: &route::Placement| placement.place == route::Place::Envelope;
        if !is_framed(&encode.value) {
            let instead = format!("write {}={}", converters::VALUE.name, converters::AVRO);
            report.wrong(entry, "this value.converter writes by no schema", instead);
        } else if route.is_some_and(|route| route.placements.iter().any(is_envelope)) {
            let instead = "place columns in headers, or leave the schema inferred";
            report.wrong(entry, "a value with columns placed in its envelope is no payload alone", instead);
        }
    }
    let mut configs = Vec::new();
    let value = match debezium_events::is_there(raw) {
        true => converters::CLOUD_EVENTS_AVRO,
        false => converters::VALUE.name,
    };
    for (place, needed) in [
        (converters::KEY.name, is_framed(&encode.key)),
        (value, is_framed(&encode.value) || encode.verify.is_some()),
    ] {
        if needed {
            configs.push((place, reached(raw, place, kafka, report)));
        }
    }
    match configs.as_slice() {
        [(_, key), (place, value)] if key != value && key.is_some() && value.is_some() => {
            let key = declared::URL.key(place);
            let what = "keys and values have registries of their own, or different ways to the same";
            report.missing(
                &key,
                what,
                "give both converters the same options of schema.registry and of its credentials",
            );
            None
        }
        _ => configs.into_iter().find_map(|(_, config)| config),
    }
}

fn reached(raw: &Raw, place: &str, kafka: &Kafka, report: &mut Report) -> Option<Config> {
    let view = View::under(raw, place);
    let Some(entry) = view.entry(&declared::URL) else {
        report.required(&declared::URL, &view.key(&declared::URL));
        return None;
    };
    let bearer = view.entry(&declared::BEARER_TOKEN).map(|entry| format!("Bearer {}", entry.value.trim()));
    let given = bearer.or_else(|| basic(view, kafka, report));
    let mut endpoints = Vec::new();
    for url in view.list(&declared::URL) {
        match endpoint(url, given.as_deref()) {
            Some(endpoint) => endpoints.push(endpoint),
            None => report.wrong(
                entry,
                "one of them is no URL",
                "write http://HOST:PORT or https://HOST:PORT, with a path where the registry has one",
            ),
        }
    }
    let pem = |file: &Property, text: &Property| {
        let file = view.optional(file).map(|path| Pem::File(PathBuf::from(path)));
        file.or_else(|| view.entry(text).map(|entry| Pem::Text(Secret::new(entry.value.clone()))))
    };
    let tls = Tls {
        roots: pem(&declared::TRUSTSTORE, &declared::TRUSTSTORE_TEXT),
        chain: pem(&declared::KEYSTORE, &declared::KEYSTORE_CHAIN),
        key: pem(&declared::KEYSTORE, &declared::KEYSTORE_KEY),
    };
    Some(Config {
        endpoints,
        tls,
        headers: headers(raw, place),
        connect_timeout: view.millis(&declared::CONNECT_TIMEOUT),
        read_timeout: view.millis(&declared::READ_TIMEOUT),
    })
}

/// `USER:PASSWORD` of whichever source, as the header has it. What stands in the URL comes with the URL.
fn basic(view: View<'_>, kafka: &Kafka, report: &mut Report) -> Option<String> {
    match view.word(&declared::BASIC_SOURCE) {
        Some("USER_INFO") => match view.entry(&declared::BASIC_USER) {
            Some(entry) => Some(encoded(entry.value.trim())),
            None => {
                report.required(&declared::BASIC_USER, &view.key(&declared::BASIC_USER));
                None
            }
        },
        Some("SASL_INHERIT") => {
            let setting = |name: &str| kafka.config.producer.get(name);
            match (setting("sasl.username"), setting("sasl.password")) {
                (Some(user), Some(password)) => Some(encoded(&format!("{user}:{password}"))),
                _ => {
                    let what = "the Kafka client has no user and password to inherit";
                    report.missing(
                        &view.key(&declared::BASIC_SOURCE),
                        what,
                        "write USER_INFO, and basic.auth.user.info",
                    );
                    None
                }
            }
        }
        _ => None,
    }
}

fn encoded(user: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(user))
}

/// A URL without what is not for everybody's eyes.
fn endpoint(url: &str, given: Option<&str>) -> Option<Endpoint> {
    let (scheme, rest) = url.split_once("://")?;
    if !matches!(scheme, "http" | "https") || rest.is_empty() {
        return None;
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let (user, rest) = match authority.rfind('@') {
        Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
        None => (None, rest),
    };
    let own = user.map(|user| encoded(&decoded(user)));
    Some(Endpoint {
        url: format!("{scheme}://{}", rest.trim_end_matches('/')),
        authorization: given.map(str::to_owned).or(own).map(Secret::new),
    })
}

/// Without `%XX`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = match (first, after) {
            (b'%', [high, low, ..]) => char::from(*high).to_digit(16).zip(char::from(*low).to_digit(16)),
            _ => None,
        };
        match hex {
            Some((high, low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `request.header.*`.
fn headers(raw: &Raw, place: &str) -> Vec<(String, Secret)> {
    let beginning = declared::REQUEST_HEADER.key(place);
    let beginning = beginning.split('<').next().unwrap_or_default();
    let written = raw.entries().filter(|entry: &&Entry| !entry.is_blank());
    let of = |entry: &Entry| {
        let name = entry.key.strip_prefix(beginning).filter(|name| !name.is_empty())?;
        catalog::find(&entry.key)?;
        Some((name.to_owned(), Secret::new(entry.value.trim())))
    };
    written.filter_map(of).collect()
}
