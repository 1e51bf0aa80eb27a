//! The HTTP page: metrics, probes and version.
