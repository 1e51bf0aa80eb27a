//! What can be seen from outside: metrics, health, logs and the HTTP page that shows them. Never a payload.

pub mod health;
pub mod http;
pub mod logging;
pub mod metrics;
