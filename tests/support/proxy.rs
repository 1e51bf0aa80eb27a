//! A TCP proxy between the connector and a server, for the faults that only a network has.
//!
//! It knows Kafka's frames and Postgres's well enough to lose one of them: it finds out which of the two it hears, and
//! what it does not understand (TLS, say) passes as bytes. For Postgres and any other server `Proxy::start` is all.
//! A Kafka broker tells its clients where it is, and they would leave the proxy: so reserve the port first,
//!
//! ```text
//! let proxy = Proxy::reserve();
//! let kafka = Broker::with(BrokerOptions::new().advertise_proxy(proxy.port()));
//! proxy.forward_to(kafka.proxied());
//! ```
//!
//! and give the connector `proxy.bootstrap()`. Everybody else goes to the broker directly.

mod faults;
mod kafka;
mod link;
mod wire;

pub use faults::Fault;
pub use kafka::{Fate, KafkaApi, Request, Transaction};

use faults::Armed;
use kafka::Record;
use link::Link;
use socket2::SockRef;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Dropped, it stops and resets its connections.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether `state` has anything armed: most bytes meet no fault, and need no lock.
    armed: AtomicBool,
    stopped: AtomicBool,
    bytes: AtomicU64,
    fired: AtomicU64,
}

#[derive(Default)]
struct State {
    upstream: Option<SocketAddr>,
    armed: Vec<Armed>,
    /// How often it was healed: what began before does not go on after.
    healed: u64,
    /// How often what is kept for later was released.
    released: u64,
    links: BTreeMap<u64, Arc<Link>>,
    next_link: u64,
    record: Record,
}

impl Proxy {
    /// In front of a server that is already there.
    pub fn start(upstream: SocketAddr) -> Proxy {
        let proxy = Proxy::reserve();
        proxy.forward_to(upstream);
        proxy
    }

    /// A port of its own, and nobody behind it yet: connections are reset.
    pub fn reserve() -> Proxy {
        // Port numbers of one process never repeat, and another's may be gone a moment later.
        let listener = loop {
            if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, super::free_port())) {
                break listener;
            }
        };
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            armed: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            bytes: AtomicU64::new(0),
            fired: AtomicU64::new(0),
        });
        let accepting = Arc::clone(&shared);
        spawn(move || accept(&accepting, &listener));
        Proxy { shared, address }
    }

    /// New connections go here from now on.
    pub fn forward_to(&self, upstream: SocketAddr) {
        self.shared.lock().upstream = Some(upstream);
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `bootstrap.servers` for whoever is to go through it.
    pub fn bootstrap(&self) -> String {
        self.address.to_string()
    }

    /// Arms a fault beside those that are armed already; `Fault` says when each of them happens.
    pub fn inject(&self, fault: Fault) {
        if matches!(fault, Fault::Cut) {
            let mut state = self.shared.lock();
            let cut = std::mem::take(&mut state.links);
            drop(state);
            cut.values().for_each(|link| link.reset());
            self.shared.fired.fetch_add(u64::from(!cut.is_empty()), Ordering::SeqCst);
        } else {
            let mut state = self.shared.lock();
            state.armed.push(Armed { fault, has_fired: false });
            self.shared.armed.store(true, Ordering::SeqCst);
        }
        self.shared.changed.notify_all();
    }

    /// Passes everything on again. A connection of which bytes were swallowed is reset; a request that was kept for
    /// later is still delivered.
    pub fn heal(&self) {
        let mut state = self.shared.lock();
        state.armed.clear();
        state.healed += 1;
        self.shared.armed.store(false, Ordering::SeqCst);
        let stalled: Vec<_> = state.links.values().filter(|link| link.is_stalled()).cloned().collect();
        drop(state);
        stalled.iter().for_each(|link| link.reset());
        self.shared.changed.notify_all();
    }

    /// Delivers now what is kept for later.
    pub fn release(&self) {
        self.shared.lock().released += 1;
        self.shared.changed.notify_all();
    }

    /// How many of the injected faults have happened: some byte or connection met with them. None counts twice.
    pub fn fired(&self) -> u64 {
        self.shared.fired.load(Ordering::SeqCst)
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.shared.lock().links.len()
    }

    /// Bytes passed on, both ways.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// Kafka requests of this kind that a client sent, whatever became of them.
    pub fn seen(&self, api: KafkaApi) -> u64 {
        self.shared.lock().record.seen(api)
    }

    /// Every InitProducerId, AddPartitionsToTxn and EndTxn, and whatever met a fault, in the order in which clients sent
    /// them; the last 100,000.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().record.requests()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let links = std::mem::take(&mut self.shared.lock().links);
        links.values().for_each(|link| link.reset());
        self.shared.changed.notify_all();
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// What a fault that stays until it is healed says to this, if one that fits is armed; it has fired then.
    fn standing<T>(&self, fits: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        if !self.armed.load(Ordering::SeqCst) {
            return None;
        }
        let mut state = self.lock();
        let mut armed = state.armed.iter_mut();
        let (found, armed) = armed.find_map(|armed| Some((fits(&armed.fault)?, armed)))?;
        if !std::mem::replace(&mut armed.has_fired, true) {
            self.fired.fetch_add(1, Ordering::SeqCst);
        }
        Some(found)
    }

    /// Takes the first armed fault that fits: it happens once. Whoever takes it says when it has `happened`.
    fn take(&self, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
        if !self.armed.load(Ordering::SeqCst) {
            return None;
        }
        let mut state = self.lock();
        let at = state.armed.iter().position(|armed| fits(&armed.fault))?;
        let taken = state.armed.remove(at).fault;
        self.armed.store(!state.armed.is_empty(), Ordering::SeqCst);
        Some(taken)
    }

    fn happened(&self) {
        self.fired.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits for so long, but not beyond a heal, the connection's end or the proxy's.
    fn pause(&self, length: Duration, is_over: impl Fn() -> bool) {
        let until = Instant::now() + length;
        let mut state = self.lock();
        let (healed, released) = (state.healed, state.released);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let goes_on = (state.healed, state.released) == (healed, released);
            if left.is_zero() || !goes_on || self.is_stopped() || is_over() {
                return;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    loop {
        let accepted = listener.accept();
        if shared.is_stopped() {
            return;
        }
        let Ok((client, _)) = accepted else { continue };
        let refused = shared.standing(|fault| matches!(fault, Fault::RefuseNew).then_some(())).is_some();
        let upstream = shared.lock().upstream;
        let (Some(upstream), false) = (upstream, refused) else {
            reset(&client);
            continue;
        };
        let shared = Arc::clone(shared);
        spawn(move || match TcpStream::connect_timeout(&upstream, Duration::from_secs(10)) {
            Ok(server) => link::run(&shared, client, server),
            Err(_) => reset(&client),
        });
    }
}

/// Closing it will be an RST.
fn reset(socket: &TcpStream) {
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

fn spawn(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name("proxy".into()).stack_size(256 << 10).spawn(work).expect("a thread");
}
