//! The publication and its tables as they are now, asked in one statement; and which cluster a session is in.

use super::Error;
use super::session::{Session, value};
use super::statement::fill;
use crate::fingerprint::{Fingerprint, TABLES_MOST, Table};
use crate::lsn::Lsn;
use std::collections::BTreeMap;
use tokio_postgres::Row;

/// What there is now of the publication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// What is to be compared and stored: the tables that are asked for.
    pub fingerprint: Fingerprint,
    /// Everything through which tables come into the publication; see [`Table::through`].
    pub entries: Vec<String>,
    /// Tables that are not in `fingerprint`, to tell what became of one that was; as many as were asked for.
    pub others: Vec<Table>,
}

/// Which tables to look at beyond those of the publication.
#[derive(Clone, Copy, Debug)]
pub enum Beyond<'a> {
    /// All there are.
    All,
    /// Those of this fingerprint, by OID and by name.
    Known(&'a Fingerprint),
}

/// A relation of the answer.
struct Relation {
    table: Table,
    /// The tables whose entry brings it in, itself among them if it has one.
    roots: Vec<u32>,
}

/// Looks at the publication of this name; `None`: there is none. `serves` says by schema and name whether rows are
/// events; `seen_lsn` is an end of the WAL that was asked for before.
pub async fn observe(
    session: &Session,
    publication: &str,
    seen_lsn: Lsn,
    beyond: Beyond<'_>,
    serves: impl Fn(&str, &str) -> bool,
) -> Result<Option<Observed>, Error> {
    let row_filter =
        if session.major() >= 15 { "pg_catalog.pg_get_expr(r.prqual, r.prrelid)" } else { "null::text" };
    let others = others(beyond);
    let values = [("publication", publication), ("row_filter", row_filter), ("others", &others)];
    let rows = session.query(&fill(include_str!("../../sql/fingerprint.sql"), &values), &[]).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let mut fingerprint = Fingerprint {
        oid: value(first, "publication_oid")?,
        all_tables: value(first, "all_tables")?,
        insert: value(first, "insert")?,
        via_root: value(first, "via_root")?,
        seen_lsn,
        tables: Vec::new(),
    };
    let entries = value(first, "entries")?;
    let relations: Vec<Relation> =
        rows.iter().filter_map(|row| relation(row).transpose()).collect::<Result<_, _>>()?;
    let others;
    (fingerprint.tables, others) = sort(relations, fingerprint.via_root, serves);
    Ok(Some(Observed { fingerprint, entries, others }))
}

/// Which cluster, and which timeline of it; the latter is not known of a standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster's identifier.
    pub system_id: u64,
    /// Its timeline now.
    pub timeline: Option<u32>,
}

/// Asks where the session is; `None`: our role may not know.
pub async fn identity(session: &Session) -> Result<Option<Identity>, Error> {
    let row = match session.query_one(include_str!("../../sql/identity.sql"), &[]).await {
        Ok(row) => row,
        Err(error) if error.sqlstate() == Some("42501") => return Ok(None),
        Err(error) => return Err(error),
    };
    let system_id: String = value(&row, "system_id")?;
    let timeline: Option<i32> = value(&row, "timeline")?;
    Ok(Some(Identity {
        system_id: system_id
            .parse()
            .map_err(|_| Error::Protocol(format!("system identifier {system_id:?}")))?,
        timeline: timeline.and_then(|timeline| u32::try_from(timeline).ok()),
    }))
}

/// The condition for tables that the publication does not have.
fn others(beyond: Beyond<'_>) -> String {
    let Beyond::Known(known) = beyond else { return "true".into() };
    if known.tables.is_empty() {
        return "false".into();
    }
    use postgres_protocol::escape::escape_literal;
    let oids: Vec<String> = known.tables.iter().map(|table| table.oid.to_string()).collect();
    let names = known.tables.iter();
    let names: Vec<String> = names
        .map(|table| format!("({}, {})", escape_literal(&table.schema), escape_literal(&table.table)))
        .collect();
    let (oids, names) = (oids.join(", "), names.join(", "));
    format!("(c.oid in ({oids}) or (n.nspname::text, c.relname::text) in ({names}))")
}

fn relation(row: &Row) -> Result<Option<Relation>, Error> {
    let Some(oid) = value::<Option<u32>>(row, "oid")? else { return Ok(None) };
    let table = Table {
        oid,
        schema: value(row, "schema")?,
        table: value(row, "table")?,
        persistence: value(row, "persistence")?,
        through: value(row, "through")?,
        columns: value(row, "columns")?,
        row_filter: value(row, "row_filter")?,
    };
    Ok(Some(Relation { table, roots: value(row, "roots")? }))
}

/// The outbox tables of the publication, and all others.
///
/// A partition counts as its root: what comes in through the root may be dropped, detached or made anew, and no row
/// that is committed is lost by that. It tells the root its own name, under which its rows may come, and that it is
/// UNLOGGED.
fn sort(
    relations: Vec<Relation>,
    via_root: bool,
    serves: impl Fn(&str, &str) -> bool,
) -> (Vec<Table>, Vec<Table>) {
    let own = |relation: &Relation| relation.table.through.iter().any(|entry| entry.starts_with("table:"));
    let is_part = |relation: &Relation| {
        let below = relation.roots.iter().any(|root| *root != relation.table.oid);
        let by_itself = relation.roots.contains(&relation.table.oid) && own(relation) && !via_root;
        below && !by_itself
    };
    let (parts, whole): (Vec<Relation>, Vec<Relation>) = relations.into_iter().partition(is_part);
    let mut served: BTreeMap<u32, bool> = BTreeMap::new();
    let mut unlogged: BTreeMap<u32, bool> = BTreeMap::new();
    for part in &parts {
        for root in part.roots.iter().filter(|root| **root != part.table.oid) {
            *served.entry(*root).or_default() |= !via_root && serves(&part.table.schema, &part.table.table);
            *unlogged.entry(*root).or_default() |= !part.table.is_logged();
        }
    }
    let (mut tables, mut others) = (Vec::new(), Vec::new());
    for Relation { mut table, .. } in whole {
        let is_served =
            serves(&table.schema, &table.table) || served.get(&table.oid).copied().unwrap_or_default();
        if unlogged.get(&table.oid).copied().unwrap_or_default() {
            table.persistence = "u".into();
        }
        let room = tables.len() < TABLES_MOST;
        let into = if is_served && !table.through.is_empty() && room { &mut tables } else { &mut others };
        into.push(table);
    }
    others.extend(parts.into_iter().map(|part| part.table));
    (tables, others)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(oid: u32, table: &str, through: &str, roots: &[u32]) -> Relation {
        let through = through.split_whitespace().map(str::to_owned).collect();
        let table = Table {
            oid,
            schema: "public".into(),
            table: table.into(),
            persistence: "p".into(),
            through,
            ..Table::default()
        };
        Relation { table, roots: roots.to_vec() }
    }

    fn names(tables: &[Table]) -> Vec<&str> {
        tables.iter().map(|table| table.table.as_str()).collect()
    }

    #[test]
    fn only_outbox_tables_of_the_publication_count() {
        let relations = vec![
            relation(1, "outbox", "table:9", &[1]),
            relation(2, "orders", "table:8", &[2]),
            relation(3, "outbox_old", "", &[]),
        ];
        let (tables, others) = sort(relations, false, |_, table| table.starts_with("outbox"));
        assert_eq!((names(&tables), names(&others)), (vec!["outbox"], vec!["orders", "outbox_old"]));
    }

    #[test]
    fn partitions_count_as_their_root_unless_they_were_added_by_themselves() {
        let relations = || {
            vec![
                relation(1, "outbox", "table:9", &[1]),
                relation(2, "outbox_1", "table:9", &[1]),
                relation(3, "outbox_2", "table:8 table:9", &[1, 3]),
            ]
        };
        let (tables, _) = sort(relations(), true, |_, table| table == "outbox");
        assert_eq!(names(&tables), ["outbox"]);
        // Their rows come under their own names, and the root is an outbox because they are.
        let (tables, _) = sort(relations(), false, |_, table| table != "outbox");
        assert_eq!(names(&tables), ["outbox", "outbox_2"]);
        let (tables, _) = sort(relations(), true, |_, table| table != "outbox");
        assert_eq!(names(&tables), [""; 0], "no row comes under a name that is served");
        // FOR ALL TABLES has an entry for each.
        let all = vec![relation(1, "outbox", "all", &[1]), relation(2, "outbox_1", "all", &[1, 2])];
        assert_eq!(names(&sort(all, false, |_, _| true).0), ["outbox"]);
    }

    #[test]
    fn a_partition_that_is_unlogged_shows_in_its_root() {
        let mut part = relation(2, "outbox_1", "table:9", &[1]);
        part.table.persistence = "u".into();
        let (tables, _) = sort(vec![relation(1, "outbox", "table:9", &[1]), part], true, |_, _| true);
        assert!(!tables[0].is_logged());
    }

    #[test]
    fn known_tables_are_asked_for_by_oid_and_by_name() {
        let mut known = Fingerprint::default();
        assert_eq!(others(Beyond::Known(&known)), "false");
        known.tables = vec![Table { oid: 7, schema: "s".into(), table: "it's".into(), ..Table::default() }];
        assert_eq!(
            others(Beyond::Known(&known)),
            "(c.oid in (7) or (n.nspname::text, c.relname::text) in (('s', 'it''s')))"
        );
    }
}
