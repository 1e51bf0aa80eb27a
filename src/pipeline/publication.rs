//! What changed in what the slot sends, and whether rows may be missing for it (row 13 of the start-up matrix). Pure.
//!
//! Enters: the fingerprint that the position carries, and what there is now. Leaves: every change in words, before and
//! now, sorted by whether a row that was committed meanwhile can have passed the slot by.

use crate::error::{Exit, Failure};
use crate::fingerprint::{Fingerprint, Table};
use crate::lsn::Lsn;
use crate::postgres::fingerprint::Observed;
use postgres_protocol::escape::escape_identifier;

/// What is different.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// For these, rows may be missing from the stream.
    pub lossy: Vec<String>,
    /// These lose nothing.
    pub harmless: Vec<String>,
}

impl Changes {
    /// Nothing is.
    pub fn is_empty(&self) -> bool {
        self.lossy.is_empty() && self.harmless.is_empty()
    }

    /// What is lost by them, as a list.
    pub fn lossy_text(&self) -> String {
        self.lossy.join("; ")
    }
}

/// Compares. Whatever can have kept a committed row from the stream, even for a moment between two looks, is lossy.
pub fn compare(before: &Fingerprint, now: &Observed) -> Changes {
    let mut changes = Changes::default();
    let after = &now.fingerprint;
    if before.oid != after.oid {
        changes.lossy.push(format!(
            "the publication was dropped and created again (OID {} before, {} now)",
            before.oid, after.oid
        ));
    }
    if before.insert && !after.insert {
        changes.lossy.push("the publication published inserts and does not now".into());
    } else if !before.insert && after.insert {
        changes.harmless.push("the publication publishes inserts now".into());
    }
    if before.via_root != after.via_root {
        changes.lossy.push(format!(
            "publish_via_partition_root was {} and is {} now: rows of partitions come under other names",
            before.via_root, after.via_root
        ));
    }
    for table in &before.tables {
        look_at(table, before.oid == after.oid, now, &mut changes);
    }
    let is_new = |table: &&Table| {
        !before.tables.iter().any(|known| known.oid == table.oid || known.name() == table.name())
    };
    changes
        .harmless
        .extend(after.tables.iter().filter(is_new).map(|table| format!("{} is new in it", table.name())));
    changes
}

/// What became of one table.
fn look_at(before: &Table, same_publication: bool, now: &Observed, changes: &mut Changes) {
    let name = before.name();
    // The entry that brought it in is still the same: no moment was without it.
    let stayed =
        |entries: &[String]| !same_publication || before.through.iter().any(|entry| entries.contains(entry));
    let with_oid = |tables: &[Table]| tables.iter().find(|table| table.oid == before.oid).cloned();
    if let Some(table) = with_oid(&now.fingerprint.tables) {
        if table.name() != name {
            changes.harmless.push(format!("{name} is called {} now", table.name()));
        }
        return compare_table(before, &table, stayed(&table.through), changes);
    }
    if let Some(table) = with_oid(&now.others) {
        return match () {
            () if table.through.is_empty() => {
                changes.lossy.push(format!("{name} was in the publication and is not now"));
            }
            () if table.name() != name => changes
                .lossy
                .push(format!("{name} is called {} now, which the include lists do not have", table.name())),
            () => changes.harmless.push(format!("{name} is no outbox table any more, by the configuration")),
        };
    }
    let all = || now.fingerprint.tables.iter().chain(&now.others);
    let again = all().find(|table| table.name() == name);
    let became = match again {
        Some(again) => {
            format!("{name} was dropped and created again (OID {} before, {} now)", before.oid, again.oid)
        }
        None => format!("{name} was dropped (OID {} before)", before.oid),
    };
    // In a publication of all tables, or of its schema, a table is from its first row on.
    if same_publication && stayed(&now.entries) && again.is_none_or(Table::is_logged) {
        return changes.harmless.push(became);
    }
    let is_in = again.is_some_and(|again| !again.through.is_empty());
    changes.lossy.push(match (again, is_in) {
        (Some(_), false) => format!("{became} and is not in the publication now"),
        (Some(again), true) if !again.is_logged() => format!("{became}, UNLOGGED now"),
        _ => became,
    });
}

/// The same table, still in the publication.
fn compare_table(before: &Table, now: &Table, stayed: bool, changes: &mut Changes) {
    let name = before.name();
    let count = changes.lossy.len();
    if before.is_logged() && !now.is_logged() {
        changes
            .lossy
            .push(format!("{name}, or a partition of it, was made UNLOGGED: its rows are not in the WAL"));
    }
    if before.row_filter != now.row_filter {
        let filter = |table: &Table| table.row_filter.clone().unwrap_or_else(|| "none".into());
        changes.lossy.push(format!(
            "the row filter of {name} was {} and is {} now",
            filter(before),
            filter(now)
        ));
    }
    if before.columns != now.columns {
        let columns = |table: &Table| {
            table
                .columns
                .as_ref()
                .map_or_else(|| "all".to_owned(), |columns| format!("({})", columns.join(", ")))
        };
        changes.lossy.push(format!(
            "the published columns of {name} were {} and are {} now",
            columns(before),
            columns(now)
        ));
    }
    // What was put back with a difference is told by the difference.
    if !stayed && changes.lossy.len() == count {
        changes.lossy.push(format!(
            "{name} was taken out of the publication and put back ({} before, {} now)",
            before.through.join(" "),
            now.through.join(" ")
        ));
    }
}

/// Row 13: which committed rows may be missing, and what to do. `from` is the WAL's end when it was last seen to be well,
/// `to` its end now.
pub fn changed(name: &str, slot: &str, changes: &Changes, from: Lsn, to: Lsn) -> Failure {
    Failure::new(
        Exit::Publication,
        format!("publication {name:?} was changed, and events may be missing from the stream"),
        format!(
            "{}. Events committed between {from} and {to} may never be sent; nothing after the stored position is confirmed, \
             and Postgres keeps the rest",
            changes.lossy_text()
        ),
        format!(
            "repair the publication if the change was not meant. Compare the outbox rows committed since the change with \
             their topics, and publish what is missing. Then walpost publication accept --confirm {slot}: the next run goes \
             on from the stored position with the publication as it is now. If the publication was dropped and rows were \
             written before it was created again, those cannot be decoded: begin anew with walpost slot drop, walpost \
             offsets forget and walpost slot create"
        ),
    )
}

/// Row 13: there is none.
pub fn missing(name: &str, before: Option<&Fingerprint>, now: Lsn) -> Failure {
    let was = before.map(|before| format!("it had OID {}{}. ", before.oid, of_tables(before)));
    let since =
        before.map(|before| format!("; at risk is what was committed between {} and {now}", before.seen_lsn));
    let (was, since) = (was.unwrap_or_default(), since.unwrap_or_default());
    Failure::new(
        Exit::Publication,
        format!("publication {name:?} does not exist"),
        format!(
            "{was}Without it Postgres sends no row; rows that were written while it was missing cannot be decoded \
             afterwards{since}"
        ),
        format!(
            "check publication.name. On a first start: walpost init --apply, or \
             CREATE PUBLICATION {} FOR TABLE … WITH (publish = 'insert'). If it was dropped: create it again, compare the \
             outbox with its topics, and publish what is missing; then walpost publication accept",
            escape_identifier(name)
        ),
    )
}

fn of_tables(before: &Fingerprint) -> String {
    let names: Vec<String> = before.tables.iter().map(Table::name).collect();
    if names.is_empty() { String::new() } else { format!(" and sent rows of {}", names.join(", ")) }
}

#[cfg(test)]
#[path = "publication_tests.rs"]
mod tests;
