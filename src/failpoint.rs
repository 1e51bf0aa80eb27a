//! Named places at which a test can kill the process: `WALPOST_FAILPOINT=name:n` aborts it at the n-th passing.
//!
//! Compiled into dev builds and into builds with the `failpoints` feature; elsewhere `hit` is nothing.

/// The names, in the order the road meets them.
pub const NAMES: &[&str] = &[
    "after_fence",
    "after_position_read",
    "after_slot_create",
    "after_begin",
    "mid_send",
    "after_position",
    "before_commit",
    "after_commit",
    "before_confirm",
    "mid_split",
];

/// Dies here, without a goodbye, when the environment asks for it; prints `failpoint NAME` to stderr first.
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub fn hit(name: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
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
    if let Some((armed, nth)) = armed
        && armed == name
        && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *nth
    {
        eprintln!("failpoint {name}");
        std::process::abort();
    }
}

/// Nothing, in a build without failpoints.
#[cfg(not(any(debug_assertions, feature = "failpoints")))]
#[inline(always)]
pub fn hit(_name: &'static str) {}
