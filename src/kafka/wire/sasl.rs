//! Logging in on a fresh connection: SaslHandshake, then SaslAuthenticate as often as the mechanism wants.

use super::connection::Connection;
use super::errors::{self, UNSUPPORTED_SASL_MECHANISM};
use super::failure;
use super::scram::{Hash, Scram};
use crate::kafka::classify::{Call, Class};
use crate::kafka::producer::Failure;
use crate::secret::Secret;
use kafka_protocol::messages::{
    ApiKey, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use kafka_protocol::protocol::StrBytes;
use std::time::{Duration, Instant};

const DOING: &str = "logging in";

/// Who logs in, and how.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub mechanism: Mechanism,
    pub user: String,
    pub password: Secret,
}

/// How a password is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    Plain,
    Scram(Hash),
}

impl Mechanism {
    /// By its name.
    pub(super) fn named(name: &str) -> Option<Mechanism> {
        match name {
            "PLAIN" => Some(Mechanism::Plain),
            "SCRAM-SHA-256" => Some(Mechanism::Scram(Hash::Sha256)),
            "SCRAM-SHA-512" => Some(Mechanism::Scram(Hash::Sha512)),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Scram(Hash::Sha256) => "SCRAM-SHA-256",
            Mechanism::Scram(Hash::Sha512) => "SCRAM-SHA-512",
        }
    }
}

/// Logs in, and says how long that holds, if it does not for ever; whoever is refused is `Denied`.
pub(super) fn log_in(
    connection: &mut Connection,
    login: &Login,
    deadline: Instant,
) -> Result<Option<Duration>, Failure> {
    let name = StrBytes::from_static_str(login.mechanism.name());
    let hello = SaslHandshakeRequest::default().with_mechanism(name);
    let answer: SaslHandshakeResponse = connection.ask(ApiKey::SaslHandshake, 1, &hello, deadline)?;
    match answer.error_code {
        errors::NONE => {}
        UNSUPPORTED_SASL_MECHANISM => {
            let offered = answer.mechanisms.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            let wanted = login.mechanism.name();
            return Err(failure(Class::Denied, format!("{DOING}: {wanted} is not offered; {offered} is")));
        }
        code => return Err(errors::refused(Call::Init, DOING, code)),
    }
    match login.mechanism {
        Mechanism::Plain => {
            let token = format!("\0{}\0{}", login.user, login.password.reveal());
            Ok(lifetime(&say(connection, token, deadline)?))
        }
        Mechanism::Scram(hash) => {
            let denied = |why: String| failure(Class::Denied, format!("{DOING}: {why}"));
            let mut scram = Scram::new(hash, &login.user, login.password.reveal()).map_err(denied)?;
            let challenge = say(connection, scram.first(), deadline)?;
            let last = scram.last(&challenge.auth_bytes).map_err(denied)?;
            let verdict = say(connection, last, deadline)?;
            scram.check(&verdict.auth_bytes).map_err(denied)?;
            Ok(lifetime(&verdict))
        }
    }
}

/// One message of the mechanism, and the broker's answer. What brokers say besides the code is not repeated: nobody
/// knows what is in it.
fn say(
    connection: &mut Connection,
    token: String,
    deadline: Instant,
) -> Result<SaslAuthenticateResponse, Failure> {
    let said = SaslAuthenticateRequest::default().with_auth_bytes(token.into_bytes().into());
    let answer: SaslAuthenticateResponse = connection.ask(ApiKey::SaslAuthenticate, 1, &said, deadline)?;
    match answer.error_code {
        errors::NONE => Ok(answer),
        code => Err(errors::refused(Call::Init, DOING, code)),
    }
}

/// KIP-368: the broker closes a connection that is used for longer.
fn lifetime(answer: &SaslAuthenticateResponse) -> Option<Duration> {
    u64::try_from(answer.session_lifetime_ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis)
}
