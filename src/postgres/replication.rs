//! The replication connection: start-up, IDENTIFY_SYSTEM, TIMELINE_HISTORY, START_REPLICATION (manual, "Streaming
//! Replication Protocol").
//!
//! Enters: a [`Config`]. Leaves: answers, and in the end a [`Streaming`] socket right behind CopyBothResponse. Promised:
//! the settings that decide the text of values are pinned; errors keep the server's fields. Not done here: reading the
//! stream (see `source::stream`).

use super::auth::{self, Mechanism};
use super::facts::{SystemIdentity, TimelineSwitch};
use super::socket::{self, Socket};
use super::{Config, Error, PINNED_SETTINGS, ServerError, session};
use crate::lsn::Lsn;
use bytes::{Buf, Bytes};
use pgwire_replication::PgWireError;
use pgwire_replication::protocol::framing::{
    BackendMessage, MessageReader, write_password_message, write_query, write_startup_message,
};
use postgres_protocol::escape::escape_identifier;
use std::time::Duration;

/// 3.0: replication needs nothing later.
const PROTOCOL_VERSION: i32 = 3 << 16;
/// No answer to a command of ours is longer (a timeline's history is a few lines).
const MOST_ANSWER_BYTES: usize = 16 << 20;

/// A connection that has logged in and waits for commands.
pub struct Connection {
    wire: Wire,
    mechanism: Mechanism,
}

/// A connection from which the stream comes.
pub struct Streaming {
    /// The next byte is the stream's first.
    pub socket: Socket,
    /// Where the stream was asked to start.
    pub start_lsn: Lsn,
    /// How long the server waits for a word of ours; zero: for ever.
    pub wal_sender_timeout: Duration,
}

/// A snapshot that a new slot has exported. It can be imported until the connection is given its next command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The snapshot sees every transaction that ended before this point, and no other.
    pub lsn: Lsn,
    /// Its name, for SET TRANSACTION SNAPSHOT.
    pub snapshot: String,
}

/// The socket as messages.
pub(super) struct Wire {
    socket: Socket,
    reader: MessageReader,
    address: String,
}

impl Connection {
    /// Connects and logs in with `replication=database`.
    pub async fn connect(config: &Config) -> Result<Connection, Error> {
        socket::open(config, socket::Use::Stream, |socket| log_in(config, socket)).await
    }

    /// How the server let us in.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The bytes are encrypted.
    pub fn is_tls(&self) -> bool {
        self.wire.socket.is_tls()
    }

    /// IDENTIFY_SYSTEM.
    pub async fn identify_system(&mut self) -> Result<SystemIdentity, Error> {
        let rows = self.wire.query("IDENTIFY_SYSTEM").await?;
        let row = rows.first().ok_or_else(|| unexpected("no row from IDENTIFY_SYSTEM"))?;
        let field =
            |index: usize| text(row, index).ok_or_else(|| unexpected("a short row from IDENTIFY_SYSTEM"));
        let number = |index: usize| field(index)?.parse::<u64>().map_err(|e| unexpected(&e.to_string()));
        Ok(SystemIdentity {
            system_id: number(0)?,
            timeline: u32::try_from(number(1)?).map_err(|e| unexpected(&e.to_string()))?,
            flush_lsn: field(2)?
                .parse()
                .map_err(|e: crate::lsn::ParseLsnError| unexpected(&e.to_string()))?,
            database: field(3)?.to_owned(),
        })
    }

    /// TIMELINE_HISTORY: where each earlier timeline ended. Empty for the first, which has no history.
    pub async fn timeline_history(&mut self, timeline: u32) -> Result<Vec<TimelineSwitch>, Error> {
        if timeline <= 1 {
            return Ok(Vec::new());
        }
        let rows = self.wire.query(&format!("TIMELINE_HISTORY {timeline}")).await?;
        let content = rows.first().and_then(|row| text(row, 1));
        parse_history(content.ok_or_else(|| unexpected("no content from TIMELINE_HISTORY"))?)
    }

    /// CREATE_REPLICATION_SLOT for pgoutput, with its snapshot exported; a temporary slot goes with the connection. Waits
    /// for every transaction that runs now. `failover` takes Postgres 17 and later.
    pub async fn create_slot(
        &mut self,
        slot: &str,
        temporary: bool,
        failover: bool,
    ) -> Result<Exported, Error> {
        let rows = self.wire.query(&create_command(slot, temporary, failover)).await?;
        let row = rows.first().ok_or_else(|| unexpected("no row from CREATE_REPLICATION_SLOT"))?;
        let short = || unexpected("a short row from CREATE_REPLICATION_SLOT");
        let lsn = text(row, 1).ok_or_else(short)?;
        let lsn = lsn.parse().map_err(|e: crate::lsn::ParseLsnError| unexpected(&e.to_string()))?;
        Ok(Exported { lsn, snapshot: text(row, 2).ok_or_else(short)?.to_owned() })
    }

    /// DROP_REPLICATION_SLOT.
    pub async fn drop_slot(&mut self, slot: &str) -> Result<(), Error> {
        self.wire.query(&format!("DROP_REPLICATION_SLOT {}", escape_identifier(slot))).await.map(|_| ())
    }

    /// START_REPLICATION of pgoutput, protocol 1, from `start_lsn` or, if it is later, the slot's confirmed position.
    ///
    /// `sign_of_life` is how long we want to wait before we take a silent server for dead: `wal_sender_timeout` is
    /// lowered to it for this session, because the server says something at least every half of that.
    pub async fn start_replication(
        mut self,
        slot: &str,
        start_lsn: Lsn,
        publication: &str,
        parameters: &[(String, String)],
        sign_of_life: Duration,
    ) -> Result<Streaming, Error> {
        let wal_sender_timeout = self.limit_wal_sender_timeout(sign_of_life).await?;
        let command = start_command(slot, start_lsn, publication, parameters);
        self.wire.send_query(&command).await?;
        // CopyBothResponse
        self.wire.read_expecting(b'W', "the stream").await?;
        Ok(Streaming { socket: self.wire.socket, start_lsn, wal_sender_timeout })
    }

    async fn limit_wal_sender_timeout(&mut self, most: Duration) -> Result<Duration, Error> {
        let rows = self.wire.query(include_str!("../../sql/wal_sender_timeout.sql")).await?;
        let set = rows
            .first()
            .and_then(|row| text(row, 0))
            .and_then(|ms| ms.parse().ok())
            .map(Duration::from_millis);
        let set = set.ok_or_else(|| unexpected("no number for wal_sender_timeout"))?;
        if most.is_zero() || (!set.is_zero() && set <= most) {
            return Ok(set);
        }
        self.wire.query(&format!("set wal_sender_timeout = {}", most.as_millis())).await?;
        Ok(most)
    }
}

async fn log_in(config: &Config, socket: Socket) -> Result<Connection, Error> {
    let reader = MessageReader::with_capacity(1024).with_max_message_size(MOST_ANSWER_BYTES);
    let mut wire = Wire { socket, reader, address: socket::address(config) };
    let keepalives = session::server_keepalives(config);
    let mut parameters = vec![
        ("user", config.user.as_str()),
        ("database", &config.database),
        ("replication", "database"),
        ("application_name", &config.application_name),
    ];
    parameters.extend(PINNED_SETTINGS);
    parameters.extend(keepalives.iter().map(|(name, value)| (*name, value.as_str())));
    if parameters.iter().any(|(_, value)| value.contains('\0')) {
        return Err(Error::Login("a zero byte in user, database or application name".into()));
    }
    write_startup_message(&mut wire.socket, PROTOCOL_VERSION, &parameters)
        .await
        .map_err(|e| wire.error(e))?;
    let mechanism = auth::authenticate(&mut wire, config).await?;
    tracing::debug!(?mechanism, tls = wire.socket.is_tls(), "logged in for replication");
    wire.read_until_ready().await?;
    Ok(Connection { wire, mechanism })
}

impl Wire {
    pub(super) fn channel_binding(&self) -> Option<&[u8]> {
        self.socket.channel_binding()
    }

    pub(super) async fn send_password(&mut self, password: &[u8]) -> Result<(), Error> {
        let mut message = password.to_vec();
        message.push(0);
        self.send_password_message(&message).await
    }

    /// A password, or what SASL says instead of one; the message type is the same.
    pub(super) async fn send_password_message(&mut self, payload: &[u8]) -> Result<(), Error> {
        write_password_message(&mut self.socket, payload).await.map_err(|e| self.error(e))
    }

    async fn send_query(&mut self, command: &str) -> Result<(), Error> {
        write_query(&mut self.socket, command).await.map_err(|e| self.error(e))
    }

    /// Runs a command to its ReadyForQuery; the rows are in text format.
    async fn query(&mut self, command: &str) -> Result<Vec<Vec<Option<Bytes>>>, Error> {
        self.send_query(command).await?;
        let mut rows = Vec::new();
        loop {
            let message = self.read().await?;
            match message.tag {
                b'D' => rows.push(data_row(message.payload)?),
                b'Z' => return Ok(rows),
                // RowDescription, CommandComplete, EmptyQueryResponse
                b'T' | b'C' | b'I' => {}
                tag => return Err(unexpected(&format!("message {:?} in answer to a command", tag as char))),
            }
        }
    }

    async fn read_until_ready(&mut self) -> Result<(), Error> {
        loop {
            match self.read().await?.tag {
                b'Z' => return Ok(()),
                // BackendKeyData, NegotiateProtocolVersion
                b'K' | b'v' => {}
                tag => return Err(unexpected(&format!("message {:?} after logging in", tag as char))),
            }
        }
    }

    pub(super) async fn read_expecting(&mut self, tag: u8, what: &str) -> Result<BackendMessage, Error> {
        let message = self.read().await?;
        if message.tag == tag {
            Ok(message)
        } else {
            Err(unexpected(&format!("message {:?} instead of {what}", message.tag as char)))
        }
    }

    /// The next message that is not an aside (notices are logged, parameter reports skipped). An error ends the
    /// command; the connection is not used after it.
    async fn read(&mut self) -> Result<BackendMessage, Error> {
        loop {
            let message = self.reader.read(&mut self.socket).await.map_err(|e| self.error(e))?;
            match message.tag {
                b'E' => return Err(Error::Server(ServerError::parse(&message.payload))),
                b'N' => super::log_notice(&ServerError::parse(&message.payload)),
                b'S' | b'A' => {}
                _ => return Ok(message),
            }
        }
    }

    fn error(&self, error: PgWireError) -> Error {
        match error {
            PgWireError::Io(cause) => Error::Unreachable {
                address: self.address.clone(),
                source: std::io::Error::new(cause.kind(), cause.to_string()),
            },
            other => Error::Protocol(other.to_string()),
        }
    }
}

fn unexpected(what: &str) -> Error {
    Error::Protocol(what.to_owned())
}

fn text(row: &[Option<Bytes>], index: usize) -> Option<&str> {
    std::str::from_utf8(row.get(index)?.as_ref()?).ok()
}

fn data_row(mut payload: Bytes) -> Result<Vec<Option<Bytes>>, Error> {
    let short = || unexpected("a DataRow that ends too early");
    let columns = payload.try_get_u16().map_err(|_| short())?;
    let mut row = Vec::with_capacity(columns.into());
    for _ in 0..columns {
        let length = payload.try_get_i32().map_err(|_| short())?;
        row.push(match usize::try_from(length) {
            Err(_) => None,
            Ok(length) if length <= payload.len() => Some(payload.split_to(length)),
            Ok(_) => return Err(short()),
        });
    }
    Ok(row)
}

/// The spelling without parentheses is understood by every version; options it has no word for take the other one.
fn create_command(slot: &str, temporary: bool, failover: bool) -> String {
    let (slot, temporary) = (escape_identifier(slot), if temporary { " TEMPORARY" } else { "" });
    let options = if failover { "(SNAPSHOT 'export', FAILOVER)" } else { "EXPORT_SNAPSHOT" };
    format!("CREATE_REPLICATION_SLOT {slot}{temporary} LOGICAL pgoutput {options}")
}

/// Slot and publication are quoted: unquoted, a name that begins with a digit is refused, and `MyPub` is folded.
fn start_command(slot: &str, start_lsn: Lsn, publication: &str, parameters: &[(String, String)]) -> String {
    let publications = literal(&escape_identifier(publication));
    let mut command = format!(
        "START_REPLICATION SLOT {} LOGICAL {start_lsn} (\"proto_version\" '1', \"publication_names\" {publications}",
        escape_identifier(slot)
    );
    for (name, value) in parameters {
        command.push_str(&format!(", {} {}", escape_identifier(name), literal(value)));
    }
    command.push(')');
    command
}

/// In the form that every version takes, where it can say what is wanted.
/// The replication grammar knows doubled quotes and no backslash escapes.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The history file (src/backend/access/transam/timeline.c): timeline, switch point, reason; `#` begins a comment.
fn parse_history(content: &str) -> Result<Vec<TimelineSwitch>, Error> {
    let lines = content.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let timeline = fields.next().and_then(|field| field.parse().ok());
            let switch_lsn = fields.next().and_then(|field| field.parse().ok());
            match (timeline, switch_lsn) {
                (Some(timeline), Some(switch_lsn)) => Ok(TimelineSwitch { timeline, switch_lsn }),
                _ => Err(unexpected(&format!("line {line:?} in a timeline's history"))),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_command_quotes_names_and_values() {
        let parameters = [("origin".to_owned(), "no'ne\\".to_owned())];
        assert_eq!(
            start_command("1slot", "16/B374D848".parse().unwrap(), "My\"P'ub", &parameters),
            "START_REPLICATION SLOT \"1slot\" LOGICAL 16/B374D848 (\"proto_version\" '1', \
             \"publication_names\" '\"My\"\"P''ub\"', \"origin\" 'no''ne\\')"
        );
    }

    #[test]
    fn a_slot_is_created_with_the_options_that_were_asked_for() {
        let begun = "CREATE_REPLICATION_SLOT \"1s\"";
        for (temporary, failover, rest) in [
            (false, false, " LOGICAL pgoutput EXPORT_SNAPSHOT"),
            (true, false, " TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT"),
            (false, true, " LOGICAL pgoutput (SNAPSHOT 'export', FAILOVER)"),
        ] {
            assert_eq!(create_command("1s", temporary, failover), format!("{begun}{rest}"));
        }
    }

    #[test]
    fn a_history_is_read_as_the_server_writes_it() {
        let content =
            "1\t0/150009C8\tno recovery target specified\n\n# remark\n2\t16/B374D848\tbefore 2026\n";
        let expected = [(1, "0/150009C8"), (2, "16/B374D848")]
            .map(|(timeline, lsn)| TimelineSwitch { timeline, switch_lsn: lsn.parse().unwrap() });
        assert_eq!(parse_history(content).unwrap(), expected);
        assert!(parse_history("1 nowhere").is_err());
    }

    #[test]
    fn a_data_row_that_ends_too_early_is_an_error() {
        let whole: &[u8] = &[0, 2, 0, 0, 0, 1, b'x', 0xff, 0xff, 0xff, 0xff];
        let row = data_row(Bytes::from_static(whole)).unwrap();
        assert_eq!(row, [Some(Bytes::from_static(b"x")), None]);
        for length in 0..whole.len() {
            assert!(data_row(Bytes::from_static(&whole[..length])).is_err(), "{length}");
        }
    }
}
