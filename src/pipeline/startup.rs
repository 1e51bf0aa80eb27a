//! The start-up matrix: stored position × slot × server → decision. Pure.
