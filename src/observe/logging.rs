//! Structured logs, as text or JSON, on stderr.
