//! A certificate authority with a server and client certificates, made with `openssl` for one test.
//!
//! Everything is PEM, keys are PKCS#8 and elliptic (P-256), valid for two days.

use super::paths::Scratch;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The paths of the files; they live as long as this.
pub struct Certificates {
    scratch: Scratch,
    /// The authority's certificate, that clients and servers trust.
    pub ca: PathBuf,
    pub server_cert: PathBuf,
    pub server_key: PathBuf,
    /// A client's certificate with the common name `walpost`.
    pub client_cert: PathBuf,
    pub client_key: PathBuf,
}

impl Certificates {
    /// For a server called `localhost` and `127.0.0.1`.
    pub fn new() -> Certificates {
        Certificates::for_names(&["localhost", "127.0.0.1"])
    }

    /// For a server with these names (or addresses) and no others.
    pub fn for_names(names: &[&str]) -> Certificates {
        let scratch = Scratch::new("certificates");
        // Others than the owner must get in: Postgres runs as somebody else.
        std::fs::set_permissions(scratch.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("chmod");
        std::fs::write(scratch.join("openssl.cnf"), "[req]\ndistinguished_name=dn\nprompt=no\n[dn]\n")
            .expect("write");
        let ca = scratch.join("ca.pem");
        request(
            scratch.path(),
            "ca",
            "/CN=walpost test authority",
            &[
                "basicConstraints=critical,CA:TRUE",
                "keyUsage=critical,keyCertSign,cRLSign",
                "subjectKeyIdentifier=hash",
            ],
        );
        let names: Vec<String> =
            names
                .iter()
                .map(|name| {
                    if name.parse::<IpAddr>().is_ok() { format!("IP:{name}") } else { format!("DNS:{name}") }
                })
                .collect();
        let names = format!("subjectAltName={}", names.join(","));
        request(
            scratch.path(),
            "server",
            "/CN=walpost test server",
            &[&names, "extendedKeyUsage=serverAuth"],
        );
        request(scratch.path(), "client", "/CN=walpost", &["extendedKeyUsage=clientAuth"]);
        Certificates {
            ca,
            server_cert: scratch.join("server.pem"),
            server_key: scratch.join("server.key"),
            client_cert: scratch.join("client.pem"),
            client_key: scratch.join("client.key"),
            scratch,
        }
    }

    /// Another client's certificate and key, from the same authority.
    pub fn client(&self, common_name: &str) -> (PathBuf, PathBuf) {
        let subject = format!("/CN={common_name}");
        request(
            self.scratch.path(),
            &format!("client-{common_name}"),
            &subject,
            &["extendedKeyUsage=clientAuth"],
        );
        let file = |ending| self.scratch.join(format!("client-{common_name}.{ending}"));
        (file("pem"), file("key"))
    }

    /// A file beside the certificates, for keystores in other shapes.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.scratch.join(name);
        std::fs::write(&path, content).expect("write");
        path
    }
}

/// NAME.pem and NAME.key; signed by `ca`, which signs itself.
fn request(directory: &Path, name: &str, subject: &str, extensions: &[&str]) {
    let mut openssl = Command::new("openssl");
    openssl.current_dir(directory).args(["req", "-x509", "-config", "openssl.cnf", "-days", "2", "-nodes"]);
    openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", subject]);
    openssl.arg("-keyout").arg(format!("{name}.key")).arg("-out").arg(format!("{name}.pem"));
    if name != "ca" {
        openssl.args(["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"]);
    }
    for extension in extensions {
        openssl.args(["-addext", extension]);
    }
    let done = openssl.output().expect("openssl runs");
    assert!(done.status.success(), "openssl: {}", String::from_utf8_lossy(&done.stderr));
}
