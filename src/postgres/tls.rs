//! TLS as libpq means it: from `sslmode` and files to a rustls configuration.
//!
//! Enters: a [`Config`]. Leaves: a client configuration whose verifier checks as much as the mode says. Promised: a
//! file that is named and cannot be read is an error in every mode that may use TLS. Not done here: the order in
//! which the modes try with and without TLS (see `socket`).

use super::verifier::{Trust, Verifier};
use super::{Config, Error, SslMode};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// What `sslrootcert` says instead of a file, to mean the roots of the operating system.
const SYSTEM: &str = "system";

/// Builds the configuration for one connection; files are read anew, so that renewed certificates are used.
pub fn client_config(config: &Config) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let verifier = match (trust(config)?, config.ssl_root_cert.as_deref()) {
        (Trust::Anyone, _) => Verifier::new(Trust::Anyone, RootCertStore::empty(), Vec::new(), algorithms),
        (trust, Some(path)) if path != Path::new(SYSTEM) => {
            let certificates = certificates(path, "sslrootcert")?;
            let mut roots = RootCertStore::empty();
            for certificate in &certificates {
                roots.add(certificate.clone()).map_err(|e| unusable(path, "sslrootcert", &e.to_string()))?;
            }
            Verifier::new(trust, roots, certificates, algorithms)
        }
        (trust, _) => Verifier::new(trust, system_roots()?, Vec::new(), algorithms),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Tls(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match (&config.ssl_cert, &config.ssl_key) {
        (None, _) => builder.with_no_client_auth(),
        (Some(_), None) => return Err(Error::Tls("sslcert is given, but no sslkey".into())),
        (Some(cert), Some(key)) => {
            builder.with_client_auth_cert(certificates(cert, "sslcert")?, private_key(key)?).map_err(|e| {
                Error::Tls(format!("sslcert {} with sslkey {}: {e}", cert.display(), key.display()))
            })?
        }
    };
    Ok(Arc::new(config))
}

/// How much a mode checks (libpq: a root certificate that is there is used, whatever the mode).
fn trust(config: &Config) -> Result<Trust, Error> {
    let root = config.ssl_root_cert.as_deref();
    if root == Some(Path::new(SYSTEM)) && config.ssl_mode != SslMode::VerifyFull {
        // Any owner of any domain has a certificate from one of them: without the name, it says nothing.
        return Err(Error::Tls(
            "sslrootcert=system needs sslmode=verify-full: weaker modes would accept anyone".into(),
        ));
    }
    Ok(match config.ssl_mode {
        SslMode::VerifyFull => Trust::IssuerAndName,
        SslMode::VerifyCa => Trust::Issuer,
        _ if root.is_some() => Trust::Issuer,
        _ => Trust::Anyone,
    })
}

fn system_roots() -> Result<RootCertStore, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or_else(|| "none is installed".to_owned(), ToString::to_string);
        return Err(Error::Tls(format!(
            "the system has no root certificates ({why}): install ca-certificates, or name a file in sslrootcert"
        )));
    }
    Ok(roots)
}

fn certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let bytes = read(path, what)?;
    if !is_pem(&bytes) {
        return Ok(vec![CertificateDer::from(bytes)]);
    }
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(unusable(path, what, "it holds no certificate")),
        Err(e) => Err(unusable(path, what, &e.to_string())),
    }
}

/// PEM in any of the three forms, or bare DER, which pgjdbc's users have.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let bytes = read(path, "sslkey")?;
    let contains = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    if contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || contains("Proc-Type: 4,ENCRYPTED") {
        return Err(unusable(
            path,
            "sslkey",
            &format!(
                "the key is encrypted; write it without a passphrase: openssl pkey -in {} -out walpost.key && chmod 600 walpost.key",
                path.display()
            ),
        ));
    }
    if is_pem(&bytes) {
        return PrivateKeyDer::from_pem_slice(&bytes).map_err(|e| unusable(path, "sslkey", &e.to_string()));
    }
    PrivateKeyDer::try_from(bytes).map_err(|_| {
        unusable(
            path,
            "sslkey",
            "it is neither PEM nor an unencrypted DER key; PKCS#12 and JKS stores are not read",
        )
    })
}

fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(11).any(|window| window == b"-----BEGIN ")
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|e| unusable(path, what, &e.to_string()))
}

fn unusable(path: &Path, what: &str, why: &str) -> Error {
    Error::Tls(format!("{what} {}: {why}", path.display()))
}
