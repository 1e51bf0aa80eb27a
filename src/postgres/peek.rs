//! What a slot would send, without moving it.
//!
//! Leaves: pgoutput messages as the stream would have them. Promised: nothing is confirmed, and whoever has the slot is not
//! disturbed (the server refuses). Not done here: decoding them.

use super::Error;
use super::facts::wal_flush_lsn;
use super::session::Session;
use super::statement::fill;
use crate::lsn::Lsn;
use futures_core::Stream as _;
use postgres_protocol::escape::{escape_identifier, escape_literal};
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;
use tokio_postgres::RowStream;
use tokio_postgres::types::ToSql;

/// Between two looks at how far the WAL is flushed; the walwriter comes every 200 ms.
const PAUSE: Duration = Duration::from_millis(20);

/// Messages on their way.
pub struct Messages<'s> {
    session: &'s Session,
    rows: Pin<Box<RowStream>>,
}

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub struct Peek<'a> {
    /// The slot.
    pub slot: &'a str,
    /// Every transaction whose commit begins before this point is shown; some later ones may be.
    pub upto: Lsn,
    /// Of this publication.
    pub publication: &'a str,
    /// Further options, as START_REPLICATION takes them.
    pub parameters: &'a [(String, String)],
}

/// Asks for what there is, once the WAL is flushed so far: what is not is not decoded.
pub async fn messages<'s>(session: &'s Session, peek: Peek<'_>) -> Result<Messages<'s>, Error> {
    session.execute(include_str!("../../sql/patience.sql")).await?;
    let mut is_nudged = false;
    while wal_flush_lsn(session).await? < peek.upto {
        if !std::mem::replace(&mut is_nudged, true) {
            session.query(include_str!("../../sql/wal_nudge.sql"), &[]).await?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let sql = statement(peek);
    let nothing: [&(dyn ToSql + Sync); 0] = [];
    let rows =
        session.client().query_raw(sql.as_str(), nothing).await.map_err(|error| session.error(error))?;
    Ok(Messages { session, rows: Box::pin(rows) })
}

impl Messages<'_> {
    /// The next one; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let row = poll_fn(|context| self.rows.as_mut().poll_next(context)).await;
        let row = row.transpose().map_err(|error| self.session.error(error))?;
        row.map(|row| super::session::value(&row, 0)).transpose()
    }
}

fn statement(peek: Peek<'_>) -> String {
    let parameters = peek.parameters.iter().flat_map(|(name, value)| [name, value]);
    let parameters: String =
        parameters.map(|text| format!(", {}", escape_literal(text).trim_start())).collect();
    let values = [
        ("slot", peek.slot),
        ("upto", &peek.upto.to_string()),
        ("publication", &escape_identifier(peek.publication)),
        ("parameters", &parameters),
    ];
    fill(include_str!("../../sql/slot_peek.sql"), &values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_quoted() {
        let parameters = [("origin".to_owned(), "no'ne".to_owned())];
        let peek = Peek { slot: "s", upto: Lsn::new(0x20), publication: "My\"P'ub", parameters: &parameters };
        let sql = statement(peek);
        let says = "'s', '0/20', null, 'proto_version', '1', 'publication_names', '\"My\"\"P''ub\"' , 'origin', 'no''ne'";
        assert!(sql.contains(says), "{sql}");
        assert!(statement(Peek { parameters: &[], ..peek }).contains("'\"My\"\"P''ub\"' \n"));
    }
}
