//! Java's key and trust stores as librdkafka can read them: PEM inline or by file, PKCS12 for keys; JKS never.

use super::Translating;
use std::io::Read as _;
use std::path::Path;

/// What a store's file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    Pem,
    Pkcs12,
    /// Java's own, which only Java reads.
    Jks,
}

pub(super) fn translate(t: &mut Translating<'_>) {
    trust(t);
    keys(t);
    host_names(t);
    ciphers(t);
    protocols(t);
}

fn trust(t: &mut Translating<'_>) {
    const LOCATION: &str = "ssl.truststore.location";
    const INLINE: &str = "ssl.truststore.certificates";
    let declared = t.get("ssl.truststore.type");
    let location = t.get(LOCATION);
    if let Some(certificates) = t.get(INLINE) {
        if declared.is_none_or(|kind| !kind.eq_ignore_ascii_case("PEM")) {
            t.refuse(INLINE, "certificates are inline with ssl.truststore.type=PEM only; write that too");
        } else if location.is_some() {
            t.refuse(INLINE, "ssl.truststore.location is given too; keep one of them");
        } else {
            t.set("ssl.ca.pem", certificates);
        }
        return;
    }
    let Some(location) = location else { return };
    match store(t, "ssl.truststore.type", declared, location) {
        Some(Store::Pem) => {
            t.set("ssl.ca.location", location);
            if t.get("ssl.truststore.password").is_some() {
                t.ignore("ssl.truststore.password", "a PEM file has no password");
            }
        }
        Some(Store::Pkcs12 | Store::Jks) => t.refuse(
            LOCATION,
            format!(
                "a {} truststore can only be read by Java; convert it with `keytool -list -rfc -keystore {location} > \
                 {location}.pem`, then write ssl.truststore.type=PEM and ssl.truststore.location={location}.pem",
                declared.unwrap_or("Java")
            ),
        ),
        None => {}
    }
}

fn keys(t: &mut Translating<'_>) {
    const LOCATION: &str = "ssl.keystore.location";
    let declared = t.get("ssl.keystore.type");
    let (chain, key) = (t.get("ssl.keystore.certificate.chain"), t.get("ssl.keystore.key"));
    if chain.is_some() || key.is_some() {
        return inline_keys(t, declared, chain, key);
    }
    let Some(location) = t.get(LOCATION) else { return };
    match store(t, "ssl.keystore.type", declared, location) {
        Some(Store::Pem) => {
            t.set("ssl.certificate.location", location);
            t.set("ssl.key.location", location);
            if t.get("ssl.keystore.password").is_some() {
                t.ignore("ssl.keystore.password", "a PEM file has none; a key's own is ssl.key.password");
            }
        }
        Some(Store::Pkcs12) => match t.get("ssl.keystore.password") {
            Some(password) => {
                t.set("ssl.keystore.location", location);
                t.set("ssl.keystore.password", password);
            }
            None => t.refuse(LOCATION, "a PKCS12 keystore needs ssl.keystore.password"),
        },
        Some(Store::Jks) => t.refuse(
            LOCATION,
            format!(
                "a JKS keystore can only be read by Java; convert it with `keytool -importkeystore -srckeystore \
                 {location} -destkeystore {location}.p12 -deststoretype PKCS12`, then write ssl.keystore.type=PKCS12 \
                 and ssl.keystore.location={location}.p12"
            ),
        ),
        None => {}
    }
}

fn inline_keys(t: &mut Translating<'_>, declared: Option<&str>, chain: Option<&str>, key: Option<&str>) {
    const CHAIN: &str = "ssl.keystore.certificate.chain";
    const KEY: &str = "ssl.keystore.key";
    match (chain, key) {
        _ if declared.is_none_or(|kind| !kind.eq_ignore_ascii_case("PEM")) => {
            let name = if key.is_some() { KEY } else { CHAIN };
            t.refuse(
                name,
                "a key and its certificate are inline with ssl.keystore.type=PEM only; write that too",
            );
        }
        _ if t.get("ssl.keystore.location").is_some() => {
            t.refuse(KEY, "ssl.keystore.location is given too; keep one of them");
        }
        (Some(chain), Some(key)) => {
            t.set("ssl.certificate.pem", chain);
            t.set("ssl.key.pem", key);
        }
        (Some(_), None) => t.refuse(CHAIN, "ssl.keystore.key, which belongs to it, is missing"),
        (None, _) => t.refuse(KEY, "ssl.keystore.certificate.chain, which belongs to it, is missing"),
    }
}

/// What the file is. Java calls a store JKS by default and then reads PKCS12 as well, so a file that is not declared, or
/// declared JKS, is judged by its first bytes, and by its name when it cannot be read yet.
fn store(t: &mut Translating<'_>, property: &str, declared: Option<&str>, location: &str) -> Option<Store> {
    let declared = declared.unwrap_or("JKS");
    if declared.eq_ignore_ascii_case("PEM") {
        return Some(Store::Pem);
    }
    if declared.eq_ignore_ascii_case("PKCS12") {
        return Some(Store::Pkcs12);
    }
    if !declared.eq_ignore_ascii_case("JKS") {
        t.refuse(
            property,
            format!("{declared} is not a type of store that can be read: PEM is, and PKCS12 for keys"),
        );
        return None;
    }
    let mut first = [0; 5];
    let readable = std::fs::File::open(location).and_then(|mut file| file.read_exact(&mut first)).is_ok();
    let extension = Path::new(location).extension().and_then(|e| e.to_str()).unwrap_or_default();
    Some(match first {
        [b'-', b'-', b'-', b'-', b'-'] => Store::Pem,
        [0x30, 0x82, ..] => Store::Pkcs12,
        _ if !readable && matches!(extension, "p12" | "pfx") => Store::Pkcs12,
        _ if !readable && extension == "pem" => Store::Pem,
        _ => Store::Jks,
    })
}

fn host_names(t: &mut Translating<'_>) {
    const NAME: &str = "ssl.endpoint.identification.algorithm";
    // Empty is a value here: it switches the check off.
    match t.raw(NAME).map(str::trim) {
        None => {}
        Some("") => t.set(NAME, "none"),
        Some(value) if value.eq_ignore_ascii_case("https") => t.set(NAME, "https"),
        Some(value) => {
            t.refuse(NAME, format!("{value:?} is unknown: write https, or nothing to switch it off"))
        }
    }
}

fn ciphers(t: &mut Translating<'_>) {
    const NAME: &str = "ssl.cipher.suites";
    let Some(value) = t.get(NAME) else { return };
    let mut openssl = Vec::new();
    for suite in value.split([',', ':']).map(str::trim).filter(|suite| !suite.is_empty()) {
        match openssl_name(suite) {
            Some(name) => openssl.push(name),
            // TLS 1.3 has its own few, which are always on.
            None if suite.starts_with("TLS_") && !suite.contains("_WITH_") => {}
            None => {
                return t
                    .refuse(NAME, format!("no cipher suite of OpenSSL corresponds to {suite}; remove it"));
            }
        }
    }
    match openssl.is_empty() {
        true => t.ignore(NAME, "the suites of TLS 1.3 are always on"),
        false => t.set(NAME, openssl.join(":")),
    }
}

/// `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` → `ECDHE-RSA-AES128-GCM-SHA256`; what has a hyphen is OpenSSL's already.
fn openssl_name(suite: &str) -> Option<String> {
    if suite.contains('-') {
        return Some(suite.to_owned());
    }
    let (exchange, cipher) = suite.strip_prefix("TLS_")?.split_once("_WITH_")?;
    let exchange = match exchange {
        "RSA" => String::new(),
        "ECDHE_RSA" | "ECDHE_ECDSA" | "DHE_RSA" => exchange.replace('_', "-") + "-",
        _ => return None,
    };
    let cipher = match cipher {
        "AES_128_GCM_SHA256" => "AES128-GCM-SHA256",
        "AES_256_GCM_SHA384" => "AES256-GCM-SHA384",
        "CHACHA20_POLY1305_SHA256" => "CHACHA20-POLY1305",
        "AES_128_CBC_SHA" => "AES128-SHA",
        "AES_256_CBC_SHA" => "AES256-SHA",
        "AES_128_CBC_SHA256" => "AES128-SHA256",
        "AES_256_CBC_SHA256" => "AES256-SHA256",
        "AES_256_CBC_SHA384" => "AES256-SHA384",
        _ => return None,
    };
    Some(exchange + cipher)
}

fn protocols(t: &mut Translating<'_>) {
    for name in ["ssl.enabled.protocols", "ssl.protocol"] {
        let Some(value) = t.get(name) else { continue };
        match value.split(',').any(|protocol| matches!(protocol.trim(), "TLS" | "TLSv1.2" | "TLSv1.3")) {
            true => t.ignore(name, "TLS 1.2 and 1.3 are spoken, whichever the broker prefers"),
            false => {
                t.refuse(name, format!("{value} is not spoken here; write TLSv1.2,TLSv1.3 or remove it"))
            }
        }
    }
}
