//! The SQL session: a tokio-postgres client with our TLS and the pinned settings.
