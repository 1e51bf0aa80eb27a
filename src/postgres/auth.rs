//! Logging in on the replication connection (manual, "SASL Authentication" and "Message Flow", start-up).

use super::replication::Wire;
use super::{Config, Error};
use pgwire_replication::protocol::framing::BackendMessage;
use pgwire_replication::protocol::messages::{auth, parse_auth_request};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};

/// How the server let us in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// It asked nothing: trust, peer, or a client certificate.
    None,
    /// The password as it is.
    Cleartext,
    /// MD5.
    Md5,
    /// SCRAM-SHA-256.
    ScramSha256,
    /// SCRAM-SHA-256-PLUS: bound to the TLS channel.
    ScramSha256Plus,
}

/// Answers the server until it says AuthenticationOk.
pub(super) async fn authenticate(wire: &mut Wire, config: &Config) -> Result<Mechanism, Error> {
    let mut mechanism = Mechanism::None;
    loop {
        let message = wire.read_expecting(b'R', "an authentication request").await?;
        let (code, data) = request(&message)?;
        mechanism = match code {
            auth::OK => return Ok(mechanism),
            auth::CLEARTEXT_PASSWORD => {
                wire.send_password(password(config)?.as_bytes()).await?;
                Mechanism::Cleartext
            }
            auth::MD5_PASSWORD => {
                let salt =
                    data.try_into().map_err(|_| Error::Protocol("an MD5 salt that is not 4 bytes".into()))?;
                let hash = md5_hash(config.user.as_bytes(), password(config)?.as_bytes(), salt);
                wire.send_password(hash.as_bytes()).await?;
                Mechanism::Md5
            }
            auth::SASL => scram(wire, config, data).await?,
            2 | 7 | 8 | 9 => return Err(Error::Login("Kerberos, GSSAPI and SSPI are not supported".into())),
            code => return Err(Error::Login(format!("authentication request {code} is not supported"))),
        };
    }
}

async fn scram(wire: &mut Wire, config: &Config, offered: &[u8]) -> Result<Mechanism, Error> {
    let offers = |name: &str| offered.split(|byte| *byte == 0).any(|mechanism| mechanism == name.as_bytes());
    let (plus, plain) = (offers(SCRAM_SHA_256_PLUS), offers(SCRAM_SHA_256));
    let (mechanism, name, binding) = match wire.channel_binding() {
        Some(end_point) if plus => {
            let binding = ChannelBinding::tls_server_end_point(end_point.to_vec());
            (Mechanism::ScramSha256Plus, SCRAM_SHA_256_PLUS, binding)
        }
        // "I could, but you did not offer it": a server that did offer it then knows of the man in the middle.
        Some(_) if plain => (Mechanism::ScramSha256, SCRAM_SHA_256, ChannelBinding::unrequested()),
        None if plain => (Mechanism::ScramSha256, SCRAM_SHA_256, ChannelBinding::unsupported()),
        _ => {
            let offered = String::from_utf8_lossy(offered).trim_end_matches('\0').replace('\0', ", ");
            return Err(Error::Login(format!("no supported SASL mechanism among: {offered}")));
        }
    };
    let mut scram = ScramSha256::new(password(config)?.as_bytes(), binding);
    let mut initial = Vec::from(name.as_bytes());
    initial.push(0);
    let length = u32::try_from(scram.message().len()).map_err(|e| Error::Login(e.to_string()))?;
    initial.extend_from_slice(&length.to_be_bytes());
    initial.extend_from_slice(scram.message());
    wire.send_password_message(&initial).await?;

    let message = wire.read_expecting(b'R', "SASLContinue").await?;
    scram.update(expect(auth::SASL_CONTINUE, &message)?).map_err(refused)?;
    wire.send_password_message(scram.message()).await?;

    let message = wire.read_expecting(b'R', "SASLFinal").await?;
    scram.finish(expect(auth::SASL_FINAL, &message)?).map_err(refused)?;
    Ok(mechanism)
}

fn password(config: &Config) -> Result<&str, Error> {
    let password = config.password.as_ref().map(|password| password.reveal());
    password.ok_or_else(|| Error::Login("the server asks for a password, and none is configured".into()))
}

fn request(message: &BackendMessage) -> Result<(i32, &[u8]), Error> {
    parse_auth_request(&message.payload).map_err(|e| Error::Protocol(e.to_string()))
}

fn expect(expected: i32, message: &BackendMessage) -> Result<&[u8], Error> {
    match request(message)? {
        (code, data) if code == expected => Ok(data),
        (code, _) => Err(Error::Protocol(format!("authentication request {code} instead of {expected}"))),
    }
}

/// The server is not who knows our password, or speaks SCRAM badly.
fn refused(error: std::io::Error) -> Error {
    Error::Login(format!("SCRAM: {error}"))
}
