//! Named places at which a test can kill the process: `WALPOST_FAILPOINT=name:n` aborts it at the n-th passing.
//!
//! Compiled into dev builds and into builds with the `failpoints` feature; elsewhere `hit` is nothing.

/// The names, in the order the road meets them.
pub const NAMES: &[&str] = &[
    "after_fence",
    "after_position_read",
    "after_slot_create",
    "after_snapshot_begin",
    "after_start",
    "after_decode_unit",
    "after_begin",
    "mid_send",
    "before_position",
    "after_position",
    "before_commit",
    "endtxn_sent",
    "after_commit",
    "mid_split",
    "mid_snapshot",
    "after_snapshot",
    "in_idle_position",
    "before_confirm",
    "after_confirm",
    "in_abort",
    "in_shutdown",
];

/// Dies here, without a goodbye, when the environment asks for it; prints `failpoint NAME` to stderr first.
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub fn hit(name: &'static str) {
    if armed::is_due(name) {
        armed::die(name);
    }
}

/// The same within the next two milliseconds, while the caller goes on: inside a call that nobody can look into.
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub fn soon_hit(name: &'static str) {
    if !armed::is_due(name) {
        return;
    }
    let moment = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let wait = std::time::Duration::from_nanos(u64::from(moment.subsec_nanos()) % 2_000_000);
    std::thread::spawn(move || {
        std::thread::sleep(wait);
        armed::die(name);
    });
}

#[cfg(any(debug_assertions, feature = "failpoints"))]
mod armed {
    use super::NAMES;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Whether this is the passing that the environment names.
    pub(super) fn is_due(name: &str) -> bool {
        static ARMED: OnceLock<Option<(String, u64)>> = OnceLock::new();
        static PASSED: AtomicU64 = AtomicU64::new(0);
        let armed = ARMED.get_or_init(|| {
            let text = std::env::var("WALPOST_FAILPOINT").ok()?;
            let (name, nth) = text.split_once(':').unwrap_or((&text, "1"));
            assert!(
                NAMES.contains(&name),
                "WALPOST_FAILPOINT={text}: no failpoint of that name; there are {NAMES:?}"
            );
            Some((name.to_owned(), nth.parse().expect("WALPOST_FAILPOINT=name:n with a number n")))
        });
        armed
            .as_ref()
            .is_some_and(|(armed, nth)| armed == name && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *nth)
    }

    pub(super) fn die(name: &str) -> ! {
        eprintln!("failpoint {name}");
        std::process::abort();
    }
}

/// Nothing, in a build without failpoints.
#[cfg(not(any(debug_assertions, feature = "failpoints")))]
#[inline(always)]
pub fn hit(_name: &'static str) {}

/// Nothing, in a build without failpoints.
#[cfg(not(any(debug_assertions, feature = "failpoints")))]
#[inline(always)]
pub fn soon_hit(_name: &'static str) {}
