//! PEM texts, for the HTTP client.

use super::{Error, Pem, Tls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};

/// What the client needs to know.
pub(super) fn config(tls: &Tls) -> Result<TlsConfig, Error> {
    let roots = match &tls.roots {
        Some(pem) => certificates(pem, "the trust store")?,
        None => {
            let found = rustls_native_certs::load_native_certs().certs;
            found.iter().map(|der| Certificate::from_der(der).to_owned()).collect()
        }
    };
    let client = match (&tls.chain, &tls.key) {
        (Some(chain), Some(key)) => {
            let chain = certificates(chain, "the certificate chain")?;
            Some(ClientCert::new_with_certs(&chain, private_key(key)?))
        }
        _ => None,
    };
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .client_cert(client)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build())
}

fn certificates(pem: &Pem, what: &str) -> Result<Vec<Certificate<'static>>, Error> {
    let text = read(pem, what)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => {
            Ok(found.iter().map(|der| Certificate::from_der(der).to_owned()).collect())
        }
        Ok(_) => Err(Error::Denied(format!("{what}{} holds no certificate in PEM", place(pem)))),
        Err(error) => Err(Error::Denied(format!("{what}{}: {error}", place(pem)))),
    }
}

fn private_key(pem: &Pem) -> Result<PrivateKey<'static>, Error> {
    let what = "the key";
    let text = read(pem, what)?;
    PrivateKeyDer::from_pem_slice(&text)
        .and_then(|_| PrivateKey::from_pem(&text).map_err(|_| rustls::pki_types::pem::Error::NoItemsFound))
        .map_err(|error| {
            Error::Denied(format!("{what}{}: {error}; it must be PEM without a password", place(pem)))
        })
}

fn read(pem: &Pem, what: &str) -> Result<Vec<u8>, Error> {
    match pem {
        Pem::Text(text) => Ok(text.reveal().as_bytes().to_vec()),
        Pem::File(path) => std::fs::read(path)
            .map_err(|error| Error::Denied(format!("{what}{} cannot be read: {error}", place(pem)))),
    }
}

fn place(pem: &Pem) -> String {
    match pem {
        Pem::File(path) => format!(" {}", path.display()),
        Pem::Text(_) => String::new(),
    }
}
