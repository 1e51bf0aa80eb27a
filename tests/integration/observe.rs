//! Metrics, probes and logs: what they show is what is, and never a payload.
