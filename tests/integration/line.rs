//! A broker behind a proxy that loses requests, and the ways in which it loses them.

use crate::support::{Broker, BrokerOptions, Fault, KafkaApi, Proxy};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

/// Later than any test; it is released when another epoch has begun.
const LATE: Duration = Duration::from_secs(3_600);

/// A broker behind a proxy, for one test at a time: a fault must hit the test that wants it.
pub struct Line {
    pub kafka: &'static Broker,
    pub proxy: &'static Proxy,
    _turn: MutexGuard<'static, ()>,
}

/// The line, healed, when nobody else has it.
pub fn line() -> Line {
    static TURN: Mutex<()> = Mutex::new(());
    static LINE: OnceLock<(Broker, Proxy)> = OnceLock::new();
    let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (kafka, proxy) = LINE.get_or_init(|| {
        let proxy = Proxy::reserve();
        let kafka = Broker::with(BrokerOptions::new().advertise_proxy(proxy.port()));
        proxy.forward_to(kafka.proxied());
        (kafka, proxy)
    });
    proxy.heal();
    Line { kafka, proxy, _turn: turn }
}

/// The four ways.
pub fn losses(api: KafkaApi) -> [Fault; 4] {
    [
        Fault::SwallowRequest { api: Some(api) },
        Fault::SwallowAnswer { api: Some(api) },
        Fault::ResetMidAnswer { api },
        Fault::LateRequest { api, after: LATE },
    ]
}
