//! TLS to the registry: whom we trust, and who we are.

use crate::support::{Certificates, PATIENCE};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use walpost::registry::{Client, Config, Endpoint, Error, Pem, Tls};

/// A server that lets in whoever has a certificate of the authority, and has no subjects. Its port.
fn strict_registry(certificates: &Certificates) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let pem = |path: &Path| CertificateDer::from_pem_file(path).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(pem(&certificates.ca)).expect("a root");
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let key = PrivateKeyDer::from_pem_file(&certificates.server_key).expect("a key");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(clients.build().expect("a verifier"))
        .with_single_cert(vec![pem(&certificates.server_cert)], key)
        .expect("a server's certificate");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let mut stream = StreamOwned::new(connection, stream);
            let mut request = [0; 4096];
            // Who is not let in has sent nothing that could be read.
            if stream.read(&mut request).is_ok_and(|count| count > 0) {
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]");
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    port
}

fn subjects(port: u16, host: &str, tls: Tls) -> Result<Vec<String>, Error> {
    let endpoint = Endpoint { url: format!("https://{host}:{port}"), authorization: None };
    Client::new(Config {
        endpoints: vec![endpoint],
        tls,
        headers: Vec::new(),
        connect_timeout: PATIENCE,
        read_timeout: PATIENCE,
    })?
    .subjects()
}

#[test]
fn a_certificate_of_our_own_opens_and_a_stranger_is_not_asked() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let port = strict_registry(&certificates);
    let file = |path: &Path| Some(Pem::File(path.to_owned()));
    let (chain, key) = (file(&certificates.client_cert), file(&certificates.client_key));
    let both = Tls { roots: file(&certificates.ca), chain, key };
    assert_eq!(subjects(port, "localhost", both.clone()), Ok(Vec::new()));
    // One file with certificate and key, as Kafka's PEM stores are.
    let store = [&certificates.client_key, &certificates.client_cert]
        .map(|path| std::fs::read_to_string(path).expect("PEM"))
        .concat();
    let store = file(&certificates.write("store.pem", &store));
    assert_eq!(
        subjects(port, "127.0.0.1", Tls { chain: store.clone(), key: store, ..both.clone() }),
        Ok(Vec::new())
    );
    let nobody = subjects(port, "localhost", Tls { chain: None, key: None, ..both.clone() });
    assert!(nobody.is_err(), "{nobody:?}");
    let strangers = subjects(port, "localhost", Tls { roots: file(&others.ca), ..both });
    assert!(matches!(&strangers, Err(Error::Denied(_))), "{strangers:?}");
}
