//! Rows of a table as a stream, in one snapshot: what a comparison reads.

use super::Error;
use super::session::{Session, value};
use super::statement::fill;
use crate::lsn::Lsn;
use bytes::Bytes;
use futures_core::Stream;
use std::future::poll_fn;
use std::pin::Pin;
use tokio_postgres::CopyOutStream;

/// When a snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Every transaction that the snapshot sees ended before this point of the WAL.
    pub lsn: Lsn,
    /// The server remembers when transactions committed (`track_commit_timestamp`).
    pub commit_times: bool,
}

/// Which rows of a table, and what of each. All but the names are pieces of SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    /// Schema.
    pub schema: String,
    /// Table.
    pub table: String,
    /// Without the rows of tables that inherit from it.
    pub only: bool,
    /// Expressions.
    pub columns: Vec<String>,
    /// All of these hold.
    pub conditions: Vec<String>,
    /// Expressions to sort by; none: as the rows lie.
    pub order: Vec<String>,
}

/// Begins a transaction that sees one moment and changes nothing. It ends with the session.
pub async fn begin(session: &Session) -> Result<Moment, Error> {
    session.execute(include_str!("../../sql/verify_begin.sql")).await?;
    moment(session).await
}

/// The same in a snapshot that another session has exported, and holds until this returns.
pub async fn begin_at(session: &Session, snapshot: &str) -> Result<Moment, Error> {
    let sql = fill(include_str!("../../sql/verify_begin_at.sql"), &[("snapshot", snapshot)]);
    session.execute(&sql).await?;
    moment(session).await
}

async fn moment(session: &Session) -> Result<Moment, Error> {
    let row = session.query_one(include_str!("../../sql/verify_moment.sql"), &[]).await?;
    let lsn = super::facts::lsn(&row, "lsn")?
        .ok_or_else(|| Error::Protocol("the server does not say how far its WAL has come".into()))?;
    Ok(Moment { lsn, commit_times: value(&row, "commit_times")? })
}

/// Rows on their way, in COPY's text format.
pub struct Rows<'s> {
    session: &'s Session,
    stream: Pin<Box<CopyOutStream>>,
}

/// Asks for rows.
pub async fn rows<'s>(session: &'s Session, select: &Select) -> Result<Rows<'s>, Error> {
    let sql = statement(select);
    let stream = session.client().copy_out(sql.as_str()).await.map_err(|error| session.error(error))?;
    Ok(Rows { session, stream: Box::pin(stream) })
}

impl Rows<'_> {
    /// The next piece; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let piece = poll_fn(|context| self.stream.as_mut().poll_next(context)).await;
        piece.transpose().map_err(|error| self.session.error(error))
    }
}

fn statement(select: &Select) -> String {
    let condition = match select.conditions.as_slice() {
        [] => "true".to_owned(),
        conditions => conditions.iter().map(|it| format!("({it})")).collect::<Vec<_>>().join(" and "),
    };
    let order = match select.order.as_slice() {
        [] => String::new(),
        order => format!("order by {}", order.join(", ")),
    };
    let columns = select.columns.join(", ");
    let values = [
        ("columns", columns.as_str()),
        ("only", if select.only { "only" } else { "" }),
        ("schema", &select.schema),
        ("table", &select.table),
        ("condition", &condition),
        ("order", &order),
    ];
    fill(include_str!("../../sql/verify_rows.sql"), &values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(select: &Select) -> String {
        let lines = statement(select);
        let lines: Vec<&str> = lines.lines().filter(|line| !line.starts_with("--")).collect();
        lines.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_statement_has_what_was_asked_for_and_nothing_else() {
        let mut select = Select {
            schema: "app".into(),
            table: "Out\"box".into(),
            only: true,
            columns: vec!["\"id\"".into(), "\"payload\"".into()],
            conditions: Vec::new(),
            order: Vec::new(),
        };
        assert_eq!(
            sql(&select),
            "copy ( select \"id\", \"payload\" from only \"app\".\"Out\"\"box\" where true ) to stdout"
        );
        select.only = false;
        select.conditions = vec!["a = ':schema'".into(), "b or c".into()];
        select.order = vec!["\"n\"".into(), "\"m\"".into()];
        assert_eq!(
            sql(&select),
            "copy ( select \"id\", \"payload\" from \"app\".\"Out\"\"box\" where (a = ':schema') and (b or c) \
             order by \"n\", \"m\" ) to stdout"
        );
    }
}
