//! What each client error means: one function, exhaustive.
