//! The connector's clock: time since 1970, for what a record, a metric or an audit says of when it was made.

use std::time::{SystemTime, UNIX_EPOCH};

/// In ns.
pub fn unix_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64)
}

/// In µs.
pub fn unix_us() -> i64 {
    unix_ns() / 1_000
}

/// In ms.
pub fn unix_ms() -> i64 {
    unix_ns() / 1_000_000
}
