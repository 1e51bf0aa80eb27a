//! The rows that one snapshot sees, sorted by key, in one reading or in several.
//!
//! The first reading is by the snapshot itself, which a replication slot exported. Once that is gone, a later reading has
//! a snapshot of its own and takes only the rows whose transaction the first one saw ([`seen_by`]). Promised: what a later
//! reading takes, the first one saw; what it does not take, the first one did not see, or it was updated or deleted since.

use super::Error;
use super::copy::Select;
use super::session::{Session, value};
use super::statement::fill;
use postgres_protocol::escape::{escape_identifier, escape_literal};
use tokio_postgres::SimpleQueryMessage;

/// Which transactions a snapshot sees: Postgres's `pg_snapshot`.
///
/// That of a slot's snapshot knows subtransactions, too: it is made of what was decoded, and names every transaction and
/// subtransaction between its ends that was not committed. An ordinary one's does not; it is of use here only for its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// As Postgres writes it: `xmin:xmax:xip,…`.
    pub text: String,
    /// All before this one had ended.
    pub xmin: u64,
    /// None from this one on had ended.
    pub xmax: u64,
}

/// From here on, ids that are given out may be those of rows that are still there: half of all ids of 32 bits.
const HALF: u64 = 1 << 31;

impl Horizon {
    /// Reads Postgres's text.
    pub fn parse(text: &str) -> Option<Horizon> {
        let mut parts = text.split(':');
        let (xmin, xmax) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Horizon { text: text.to_owned(), xmin, xmax })
    }

    /// So many transactions have passed since that the ids of rows no longer say which came before it.
    pub fn is_too_old(&self, now: &Horizon) -> bool {
        now.xmax.saturating_sub(self.xmin) >= HALF
    }

    /// So many transactions were there before it that rows may carry an id for the second time.
    pub fn may_have_ancients(&self) -> bool {
        self.xmax >= HALF
    }
}

/// A column of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyColumn {
    /// Name.
    pub name: String,
    /// Type, as SQL.
    pub type_name: String,
}

/// Begins a transaction that sees one moment and changes nothing: that of another transaction, by the name under which
/// it was exported, or now. It ends with the session.
pub async fn begin(session: &Session, exported: Option<&str>) -> Result<Horizon, Error> {
    let import =
        exported.map(|name| fill(include_str!("../../sql/snapshot_import.sql"), &[("snapshot", name)]));
    let import = import.unwrap_or_default();
    session.execute(&fill(include_str!("../../sql/snapshot_begin.sql"), &[("import", &import)])).await?;
    moment(session, None).await.map(|(horizon, _)| horizon)
}

/// Begins a transaction that sees now, if that is all that `first` sees; `None`: not yet, ask again.
pub async fn begin_after(session: &Session, first: &Horizon) -> Result<Option<Horizon>, Error> {
    session.execute(&fill(include_str!("../../sql/snapshot_begin.sql"), &[("import", "")])).await?;
    let (now, sees_all) = moment(session, Some(first)).await?;
    if !sees_all {
        session.execute("rollback").await?;
    }
    Ok(sees_all.then_some(now))
}

async fn moment(session: &Session, first: Option<&Horizon>) -> Result<(Horizon, bool), Error> {
    let first = first.map_or("1:1:", |first| first.text.as_str());
    let sql = fill(include_str!("../../sql/snapshot_moment.sql"), &[("horizon", first)]);
    let row = session.query_one(&sql, &[]).await?;
    let text: String = value(&row, "horizon")?;
    let horizon = Horizon::parse(&text).ok_or_else(|| Error::Protocol(format!("snapshot {text:?}")))?;
    Ok((horizon, value(&row, "sees_all")?))
}

/// Lets other sessions begin at this transaction's moment, by the name that is answered.
pub async fn export(session: &Session) -> Result<String, Error> {
    value(&session.query_one(include_str!("../../sql/snapshot_export.sql"), &[]).await?, "snapshot")
}

/// By what the rows of a table are sorted; empty: there is nothing by which no two are alike.
pub async fn key(session: &Session, oid: u32) -> Result<Vec<KeyColumn>, Error> {
    let sql = fill(include_str!("../../sql/snapshot_key.sql"), &[("oid", &oid.to_string())]);
    let rows = session.query(&sql, &[]).await?;
    rows.iter()
        .map(|row| Ok(KeyColumn { name: value(row, "name")?, type_name: value(row, "type")? }))
        .collect()
}

/// Rows of a table that were updated and deleted since the server counts.
pub async fn changed(session: &Session, oid: u32) -> Result<(i64, i64), Error> {
    let sql = fill(include_str!("../../sql/snapshot_changed.sql"), &[("oid", &oid.to_string())]);
    let row = session.query_one(&sql, &[]).await?;
    Ok((value(&row, "updated")?, value(&row, "deleted")?))
}

/// How many rows Postgres expects to find.
pub async fn estimate(session: &Session, select: &Select) -> Result<Option<u64>, Error> {
    let sql = about(include_str!("../../sql/snapshot_estimate.sql"), select);
    let answer = session.client().simple_query(&sql).await.map_err(|error| session.error(error))?;
    let text = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    let plan = text.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    Ok(plan.and_then(|plan| plan[0]["Plan"]["Plan Rows"].as_f64()).map(|rows| rows as u64))
}

/// Whether a table has rows of which [`seen_by`] would say something wrong, now or later. To be asked in the snapshot of
/// `horizon` itself.
pub async fn has_ancients(session: &Session, select: &Select, horizon: &Horizon) -> Result<bool, Error> {
    let xids_ago = xids_ago(horizon.xmax);
    let seen = seen_by(horizon, horizon);
    let unsure = format!("{RAW} >= 3 and ({xids_ago} >= {HALF} or not ({seen}))");
    let select = Select { conditions: vec![unsure], ..select.clone() };
    let sql = about(include_str!("../../sql/snapshot_ancient.sql"), &select);
    value(&session.query_one(&sql, &[]).await?, "ancient")
}

/// A condition that takes the rows which `first` sees, for a reading at `now`.
///
/// A row names its transaction by the lower 32 bits of the id, also when it is frozen; the upper ones follow from how long
/// ago it was: less than 2^31 ids, or the row is frozen and older than anything `first` did not see.
pub fn seen_by(first: &Horizon, now: &Horizon) -> String {
    let xids_ago = xids_ago(now.xmax);
    let (since, now, first) = (now.xmax.saturating_sub(first.xmin), now.xmax, escape_literal(&first.text));
    format!(
        "{RAW} < 3 or {xids_ago} > {since} \
         or pg_catalog.pg_visible_in_snapshot(({now} - {xids_ago})::text::xid8, {first}::pg_snapshot)"
    )
}

/// The row's transaction id; 1 and 2 are older than all others.
const RAW: &str = "xmin::text::int8";

fn xids_ago(now: u64) -> String {
    format!("(({now} - {RAW}) & 4294967295)")
}

/// A condition that takes the rows after this key.
pub fn after(key: &[KeyColumn], reached: &[String]) -> String {
    let columns: Vec<String> = key.iter().map(|column| escape_identifier(&column.name)).collect();
    let values = key.iter().zip(reached);
    let values: Vec<String> =
        values.map(|(column, value)| format!("{}::{}", escape_literal(value), column.type_name)).collect();
    format!("({}) > ({})", columns.join(", "), values.join(", "))
}

fn about(template: &str, select: &Select) -> String {
    let condition: Vec<String> = select.conditions.iter().map(|it| format!("({it})")).collect();
    let condition = if condition.is_empty() { "true".to_owned() } else { condition.join(" and ") };
    let values = [
        ("only", if select.only { "only" } else { "" }),
        ("schema", &select.schema),
        ("table", &select.table),
        ("condition", &condition),
        ("unsure", &condition),
    ];
    fill(template, &values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_horizon_is_read_as_postgres_writes_it() {
        let horizon = Horizon::parse("4294967300:4294967305:4294967301,4294967303").unwrap();
        assert_eq!((horizon.xmin, horizon.xmax), (4_294_967_300, 4_294_967_305));
        assert!(horizon.may_have_ancients());
        assert!(!Horizon::parse("750:750:").unwrap().may_have_ancients());
        assert!(Horizon::parse("750").is_none() && Horizon::parse("a:b:").is_none());
        let later = |xmax: u64| Horizon::parse(&format!("{xmax}:{xmax}:")).unwrap();
        assert!(!horizon.is_too_old(&later(4_294_967_300 + HALF - 1)));
        assert!(horizon.is_too_old(&later(4_294_967_300 + HALF)));
    }

    #[test]
    fn a_key_of_several_columns_is_compared_as_one() {
        let column =
            |name: &str, type_name: &str| KeyColumn { name: name.into(), type_name: type_name.into() };
        let key = [column("Day", "date"), column("id", "character varying(10)")];
        assert_eq!(
            after(&key, &["2026-01-01".into(), "it's".into()]),
            "(\"Day\", \"id\") > ('2026-01-01'::date, 'it''s'::character varying(10))"
        );
    }
}
