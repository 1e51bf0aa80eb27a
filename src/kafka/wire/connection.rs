//! One connection to one broker: requests go out, answers come back in their order.
//!
//! Promised: whoever waits for an answer gets that one or a failure. After a failure the connection is not used again.

use super::errors::{self, UNSUPPORTED_VERSION};
use super::settings::Settings;
use super::stream::Stream;
use super::{failure, sasl};
use crate::kafka::classify::{Call, Class};
use crate::kafka::producer::Failure;
use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use std::collections::HashMap;
use std::io;
use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

/// No answer to a producer is nearly as long.
const ANSWER_MOST: usize = 64 << 20;
/// Read at once; most answers are shorter.
const CHUNK: usize = 4096;
/// No quota is waited for longer: its window is some seconds.
const MUTED_MOST: Duration = Duration::from_secs(30);
const FEATURE: &str = "transaction.version";

/// A broker that can be asked.
pub(super) struct Connection {
    stream: Stream,
    peer: String,
    client_id: Option<StrBytes>,
    next: i32,
    out: Vec<u8>,
    inbox: BytesMut,
    used: Instant,
    /// When the log-in has run out, or nearly.
    expires: Option<Instant>,
    /// Until when the broker reads nothing, because of a quota.
    muted: Instant,
    offers: HashMap<i16, (i16, i16)>,
    transaction_version: i16,
}

impl Connection {
    /// Connects, asks what the broker can do, and logs in.
    pub(super) fn open(
        settings: &Settings,
        host: &str,
        port: u16,
        deadline: Instant,
    ) -> Result<Connection, Failure> {
        let peer = format!("{host}:{port}");
        let stream =
            Stream::open(settings, host, port, deadline).map_err(|error| unreached(&peer, &error))?;
        let mut connection = Connection {
            stream,
            peer,
            client_id: settings.client_id.clone().map(StrBytes::from_string),
            next: 0,
            out: Vec::new(),
            inbox: BytesMut::new(),
            used: Instant::now(),
            expires: None,
            muted: Instant::now(),
            offers: HashMap::new(),
            transaction_version: 0,
        };
        connection.learn(deadline)?;
        if let Some(login) = &settings.login {
            let lifetime = sasl::log_in(&mut connection, login, deadline)?;
            connection.expires = lifetime.map(|lifetime| Instant::now() + lifetime * 4 / 5);
        }
        tracing::debug!(broker = %connection.peer, tls = settings.tls.is_some(), "connected to a broker");
        Ok(connection)
    }

    /// What the broker can do.
    fn learn(&mut self, deadline: Instant) -> Result<(), Failure> {
        let asked = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str(env!("CARGO_PKG_NAME")))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let correlation = self.send(ApiKey::ApiVersions, 3, &asked, deadline)?;
        let answer = self.receive(correlation, deadline)?;
        // Who does not know the question answers in the oldest form, which begins with the code as well.
        if answer.get(4..6) == Some(&UNSUPPORTED_VERSION.to_be_bytes()[..]) {
            let what = format!("{} is older than Kafka 2.5", self.peer);
            return Err(failure(Class::Fatal, what));
        }
        let answer: ApiVersionsResponse = self.decode(3, answer)?;
        if answer.error_code != errors::NONE {
            return Err(errors::refused(Call::Init, "asking for versions", answer.error_code));
        }
        let ranges = answer.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version)));
        self.offers = ranges.collect();
        let feature = answer.finalized_features.iter().find(|feature| &*feature.name == FEATURE);
        self.transaction_version = feature.map_or(0, |feature| feature.max_version_level);
        Ok(())
    }

    /// The newest version of a request that both sides speak.
    pub(super) fn version(&self, api: ApiKey, ours: RangeInclusive<i16>) -> Result<i16, Failure> {
        let (least, most) = self.offers.get(&(api as i16)).copied().unwrap_or((0, -1));
        let version = most.min(*ours.end());
        match version >= least && version >= *ours.start() {
            true => Ok(version),
            false => {
                let what = format!(
                    "{} has versions {least} to {most} of {api:?}, and {ours:?} are spoken here",
                    self.peer
                );
                Err(failure(Class::Fatal, what))
            }
        }
    }

    /// The level of transactions that the whole cluster has agreed on: 2 and more bumps epochs (KIP-890).
    pub(super) fn transaction_version(&self) -> i16 {
        self.transaction_version
    }

    /// Whom the connection is to, for people.
    pub(super) fn peer(&self) -> &str {
        &self.peer
    }

    pub(super) fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// When it was last written to or read from.
    pub(super) fn used(&self) -> Instant {
        self.used
    }

    /// Whether the log-in holds for a while.
    pub(super) fn is_logged_in(&self) -> bool {
        self.expires.is_none_or(|expires| Instant::now() < expires)
    }

    /// Whether the broker has neither closed it nor said anything of itself. Only where no answer is due.
    pub(super) fn is_quiet(&self) -> bool {
        self.inbox.is_empty() && self.stream.is_quiet()
    }

    /// A number for a request that is written elsewhere.
    pub(super) fn number(&mut self) -> i32 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    /// Sends a request; the number is for `receive`.
    pub(super) fn send<Q: Encodable + HeaderVersion>(
        &mut self,
        api: ApiKey,
        version: i16,
        request: &Q,
        deadline: Instant,
    ) -> Result<i32, Failure> {
        let number = self.number();
        let header = RequestHeader::default()
            .with_request_api_key(api as i16)
            .with_request_api_version(version)
            .with_correlation_id(number)
            .with_client_id(self.client_id.clone());
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        out.extend_from_slice(&[0; 4]);
        let encoded = header
            .encode(&mut out, Q::header_version(version))
            .and_then(|()| request.encode(&mut out, version));
        if let Err(error) = encoded {
            return Err(failure(Class::Fatal, format!("{api:?} cannot be written: {error}")));
        }
        let length = (out.len() - 4) as u32;
        out[..4].copy_from_slice(&length.to_be_bytes());
        let written = self.write(&out, deadline);
        self.out = out;
        written.map(|()| number)
    }

    /// Writes a whole request, its length before it.
    pub(super) fn write(&mut self, frame: &[u8], deadline: Instant) -> Result<(), Failure> {
        self.used = Instant::now();
        self.stream.write(frame, deadline).map_err(|error| self.broken(&error))
    }

    /// What an answer says of quotas: the broker reads nothing from here for so long (KIP-219), and to wait for an
    /// answer meanwhile would look like silence.
    pub(super) fn heed(&mut self, throttle_ms: i32) {
        if let Some(throttle) = u64::try_from(throttle_ms).ok().filter(|ms| *ms > 0) {
            tracing::debug!(broker = %self.peer, throttle, "a quota is exceeded");
            self.muted = Instant::now() + Duration::from_millis(throttle);
        }
    }

    /// Waits until the broker reads again; returns for how long.
    pub(super) fn unmute(&mut self) -> Duration {
        let wait = self.muted.saturating_duration_since(Instant::now()).min(MUTED_MOST);
        if !wait.is_zero() {
            thread::sleep(wait);
        }
        wait
    }

    /// The answer to the request of this number, which must be the next; its header comes first.
    pub(super) fn receive(&mut self, number: i32, deadline: Instant) -> Result<Bytes, Failure> {
        let frame = self.frame(deadline).map_err(|error| self.broken(&error))?;
        self.used = Instant::now();
        let answered =
            frame.get(..4).map(|bytes| i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        match answered == Some(number) {
            true => Ok(frame),
            false => Err(self.confused("an answer to another request")),
        }
    }

    /// What an answer says.
    pub(super) fn decode<A: Decodable + HeaderVersion>(
        &self,
        version: i16,
        mut answer: Bytes,
    ) -> Result<A, Failure> {
        ResponseHeader::decode(&mut answer, A::header_version(version))
            .and_then(|_| A::decode(&mut answer, version))
            .map_err(|error| self.confused(&error.to_string()))
    }

    /// Asks and waits for the answer; the deadline is later by what a quota costs.
    pub(super) fn ask<Q, A>(
        &mut self,
        api: ApiKey,
        version: i16,
        request: &Q,
        deadline: Instant,
    ) -> Result<A, Failure>
    where
        Q: Encodable + HeaderVersion,
        A: Decodable + HeaderVersion,
    {
        let deadline = deadline + self.unmute();
        let number = self.send(api, version, request, deadline)?;
        let answer = self.receive(number, deadline)?;
        self.decode(version, answer)
    }

    fn frame(&mut self, deadline: Instant) -> io::Result<Bytes> {
        loop {
            let mut missing = CHUNK;
            if let Some(prefix) = self.inbox.get(..4) {
                let length = u32::from_be_bytes([prefix[0], prefix[1], prefix[2], prefix[3]]) as usize;
                if !(4..=ANSWER_MOST).contains(&length) {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "this is not Kafka's protocol"));
                }
                if self.inbox.len() >= 4 + length {
                    self.inbox.advance(4);
                    return Ok(self.inbox.split_to(length).freeze());
                }
                missing = (4 + length - self.inbox.len()).max(CHUNK);
            }
            let had = self.inbox.len();
            self.inbox.resize(had + missing, 0);
            let read = self.stream.read(&mut self.inbox[had..], deadline);
            self.inbox.truncate(had + *read.as_ref().unwrap_or(&0));
            read?;
        }
    }

    fn broken(&self, error: &io::Error) -> Failure {
        failure(Class::Indefinite, format!("{}: {error}", self.peer))
    }

    fn confused(&self, what: &str) -> Failure {
        failure(Class::Indefinite, format!("{}: an answer is not understood: {what}", self.peer))
    }
}

/// Nothing was asked yet: a broker that is not reached has done nothing.
fn unreached(peer: &str, error: &io::Error) -> Failure {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let class = match tls {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_)) => Class::Denied,
        _ => Class::Abortable,
    };
    failure(class, format!("connecting to {peer}: {error}"))
}
