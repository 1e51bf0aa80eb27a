//! The replication connection: startup, TLS, SCRAM or md5, IDENTIFY_SYSTEM, TIMELINE_HISTORY, START_REPLICATION.
