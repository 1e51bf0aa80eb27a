//! TLS as libpq means it: from `sslmode` and files to a rustls configuration.
