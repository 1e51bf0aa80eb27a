//! The server's certificate, checked as much as `sslmode` says.
//!
//! rustls checks everything or nothing; libpq has modes between, takes a certificate that is itself in `sslrootcert`,
//! and falls back to the common name. The handshake's signature is checked in every mode: channel binding rests on it.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Whom to believe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Whoever answers.
    Anyone,
    /// Whoever has a certificate from one of the roots.
    Issuer,
    /// Whoever has one for the host's name.
    IssuerAndName,
}

/// A [`ServerCertVerifier`] for libpq's modes.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: Trust,
    roots: RootCertStore,
    /// The certificates of `sslrootcert` themselves: a server may present one of them.
    known: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(
        trust: Trust,
        roots: RootCertStore,
        known: Vec<CertificateDer<'static>>,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Verifier {
        Verifier { trust, roots, known, algorithms }
    }

    fn verify_issuer(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.known.iter().any(|known| known == end_entity) {
            return verify_validity(end_entity, now);
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.trust != Trust::Anyone {
            self.verify_issuer(end_entity, intermediates, now)?;
        }
        if self.trust == Trust::IssuerAndName {
            verify_name(end_entity, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match ParsedCertificate::try_from(cert) {
            Ok(_) => verify_tls12_signature(message, cert, signed, &self.algorithms),
            Err(_) => verify_signature_by_key(message, cert, signed, &self.algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match ParsedCertificate::try_from(cert) {
            Ok(_) => verify_tls13_signature(message, cert, signed, &self.algorithms),
            Err(_) => verify_signature_by_key(message, cert, signed, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// For certificates that webpki does not read at all (X.509 version 1, as `openssl x509 -req` makes them).
fn verify_signature_by_key(
    message: &[u8],
    cert: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let bad = || Error::InvalidCertificate(CertificateError::BadEncoding);
    let key = Certificate::from_der(cert).map_err(|_| bad())?.tbs_certificate.subject_public_key_info;
    let key_algorithm = key.algorithm.to_der().map_err(|_| bad())?;
    let key_bytes = key.subject_public_key.as_bytes().ok_or_else(bad)?;
    let candidates = algorithms.mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme);
    for algorithm in candidates.flat_map(|(_, algorithms)| algorithms.iter()) {
        // The identifier is the content of the SEQUENCE; the encoding has a tag and a short length before it.
        if key_algorithm.get(2..) == Some(algorithm.public_key_alg_id().as_ref())
            && algorithm.verify_signature(key_bytes, message, signed.signature()).is_ok()
        {
            return Ok(HandshakeSignatureValid::assertion());
        }
    }
    Err(Error::InvalidCertificate(CertificateError::BadSignature))
}

fn verify_validity(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let parsed = Certificate::from_der(certificate)
        .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let validity = parsed.tbs_certificate.validity;
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(Error::InvalidCertificate(CertificateError::Expired));
    }
    Ok(())
}

/// A subject alternative name; the common name only where there is no alternative name of the host's kind.
fn verify_name(certificate: &CertificateDer<'_>, host: &ServerName<'_>) -> Result<(), Error> {
    let by_alternative_name =
        ParsedCertificate::try_from(certificate).and_then(|parsed| verify_server_name(&parsed, host));
    match by_alternative_name {
        Ok(()) => Ok(()),
        Err(_) if common_name_is(certificate, host) => Ok(()),
        Err(e) => Err(e),
    }
}

fn common_name_is(certificate: &CertificateDer<'_>, host: &ServerName<'_>) -> bool {
    let Ok(certificate) = Certificate::from_der(certificate) else { return false };
    let alternatives = match certificate.tbs_certificate.get::<SubjectAltName>() {
        Ok(found) => found.map(|(_, names)| names.0).unwrap_or_default(),
        // An extension that cannot be read may hold a name that rules this out.
        Err(_) => return false,
    };
    let of_the_same_kind = |name: &GeneralName| match host {
        ServerName::IpAddress(_) => matches!(name, GeneralName::IpAddress(_)),
        _ => matches!(name, GeneralName::DnsName(_)),
    };
    if alternatives.iter().any(of_the_same_kind) {
        return false;
    }
    let subject = certificate.tbs_certificate.subject;
    let names = subject.0.iter().flat_map(|rdn| rdn.0.iter()).filter(|name| name.oid == COMMON_NAME);
    // libpq looks at one common name; with several, no one knows which is meant.
    let [name] = names.collect::<Vec<_>>()[..] else { return false };
    let value = &name.value;
    let text = (value.decode_as::<Utf8StringRef<'_>>().map(|s| s.as_str().to_owned()))
        .or_else(|_| value.decode_as::<PrintableStringRef<'_>>().map(|s| s.as_str().to_owned()))
        .or_else(|_| value.decode_as::<Ia5StringRef<'_>>().map(|s| s.as_str().to_owned()))
        .or_else(|_| value.decode_as::<TeletexStringRef<'_>>().map(|s| s.as_str().to_owned()));
    text.is_ok_and(|text| name_matches(&text, &host.to_str(), matches!(host, ServerName::IpAddress(_))))
}

/// Case-insensitive; `*.` stands for one label and only in front.
fn name_matches(pattern: &str, host: &str, host_is_address: bool) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let (Some(suffix), Some(dot)) = (pattern.strip_prefix('*'), host.find('.')) else { return false };
    !host_is_address && suffix.starts_with('.') && dot > 0 && suffix.eq_ignore_ascii_case(&host[dot..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_name_matches_as_libpq_matches_it() {
        for (pattern, host, matches) in [
            ("db.example.com", "db.example.com", true),
            ("DB.Example.com", "db.example.COM", true),
            ("*.example.com", "db.example.com", true),
            ("*.example.com", "a.db.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("d*.example.com", "db.example.com", false),
            ("*", "localhost", false),
            ("db", "db.example.com", false),
        ] {
            assert_eq!(name_matches(pattern, host, false), matches, "{pattern} for {host}");
        }
        assert!(name_matches("10.0.0.1", "10.0.0.1", true));
        assert!(!name_matches("*.0.0.1", "10.0.0.1", true));
    }
}
