//! Live and ready: what the probes are told.
