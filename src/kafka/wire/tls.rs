//! TLS to brokers: from librdkafka's settings to a configuration of rustls.
//!
//! A broker's certificate must come from the named authorities, or from the system's when none is named, and carry the
//! host's name unless that is switched off.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The configuration, or what is wrong with the settings. Files are read anew for each producer.
pub(super) fn client_config(settings: &BTreeMap<String, String>) -> Result<Arc<ClientConfig>, String> {
    let get = |name: &str| settings.get(name).map(String::as_str);
    let roots = match pem(settings, "ssl.ca.pem", "ssl.ca.location")? {
        Some((bytes, what)) => named_roots(&bytes, &what)?,
        None => system_roots()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match get("ssl.endpoint.identification.algorithm") {
        Some("none") => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyName { roots: Arc::new(roots), algorithms })),
        _ => builder.with_root_certificates(roots),
    };
    let certificate = pem(settings, "ssl.certificate.pem", "ssl.certificate.location")?;
    let key = pem(settings, "ssl.key.pem", "ssl.key.location")?;
    let config = match (certificate, key) {
        (None, _) => builder.with_no_client_auth(),
        (Some((_, what)), None) => return Err(format!("{what}: the key that belongs to it is missing")),
        (Some((chain, what)), Some((key, key_what))) => {
            let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| format!("{key_what}: {error}"))?;
            builder
                .with_client_auth_cert(certificates(&chain, &what)?, key)
                .map_err(|error| format!("{what}: {error}"))?
        }
    };
    Ok(Arc::new(config))
}

/// The PEM that one of two settings gives, inline or by file, and how to name it.
fn pem(
    settings: &BTreeMap<String, String>,
    inline: &str,
    location: &str,
) -> Result<Option<(Vec<u8>, String)>, String> {
    if let Some(text) = settings.get(inline) {
        return Ok(Some((text.clone().into_bytes(), inline.to_owned())));
    }
    let Some(path) = settings.get(location) else { return Ok(None) };
    let what = format!("{location} {path}");
    std::fs::read(path).map(|bytes| Some((bytes, what.clone()))).map_err(|error| format!("{what}: {error}"))
}

fn named_roots(bytes: &[u8], what: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(bytes, what)? {
        roots.add(certificate).map_err(|error| format!("{what}: {error}"))?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match added {
        0 => Err("the system has no root certificates: install ca-certificates, or name a truststore".into()),
        _ => Ok(roots),
    }
}

fn certificates(bytes: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(format!("{what}: it holds no certificate")),
        Err(error) => Err(format!("{what}: {error}")),
    }
}

/// Checks who issued a certificate and not for whom.
#[derive(Debug)]
struct AnyName {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_told_by_its_setting() {
        let wrong = |pairs: &[(&str, &str)]| {
            let settings = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            client_config(&settings.collect()).expect_err("something is wrong")
        };
        assert!(wrong(&[("ssl.ca.location", "/no/such/file")]).starts_with("ssl.ca.location /no/such/file"));
        assert!(wrong(&[("ssl.ca.pem", "nothing")]).contains("no certificate"));
    }
}
