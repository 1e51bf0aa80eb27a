//! Name → value, and where it was written.
