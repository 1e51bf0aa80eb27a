//! In which order missing events are published, as far as a table can tell it. Pure.
//!
//! The rule, the first that holds: rows of transactions whose commit times the server knows (`track_commit_timestamp`) by
//! these; others before them, by the columns that the operator names, else by the event id where it is a whole number.
//! Within one transaction by the same columns, then by the statement that wrote a row (`cmin`), then by where it lies
//! (`ctid`). Two rows of one key of which none of this says which came first have no order, and their key is left alone.

use super::left::{Left, LeftEvent, Why};
use crate::verify::Sorted;
use crate::verify::content::{self, Digest};
use crate::verify::label;
use postgres_protocol::escape::escape_identifier;
use std::collections::HashMap;

/// Types of whole numbers: int2, int4, int8.
const WHOLE: &[u32] = &[21, 23, 20];

/// By what the rows of a table are put in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The server knows when transactions committed.
    pub commit_times: bool,
    /// Columns.
    pub columns: Vec<String>,
}

impl Rule {
    /// The rule of a table whose event ids are of this type.
    pub fn new(commit_times: bool, order_by: &[String], id: &str, id_type: u32) -> Rule {
        let by_id = order_by.is_empty() && WHOLE.contains(&id_type);
        let columns = if by_id { vec![id.to_owned()] } else { order_by.to_vec() };
        Rule { commit_times, columns }
    }

    /// In SQL. What comes with each row: commit time in µs or null, transaction id, and then the columns.
    pub fn sorted(&self) -> Sorted {
        let committed = "pg_catalog.pg_xact_commit_timestamp(xmin)";
        let time = self.commit_times.then(|| format!("{committed} nulls first"));
        let columns: Vec<String> = self.columns.iter().map(|column| escape_identifier(column)).collect();
        let place = ["cmin::text::int8", "tableoid", "ctid"].map(str::to_owned);
        let us = match self.commit_times {
            true => format!("(extract(epoch from {committed}) * 1000000)::int8"),
            false => "null::int8".to_owned(),
        };
        Sorted {
            by: time.into_iter().chain(columns.iter().cloned()).chain(place).collect(),
            with: [us, "xmin::text".to_owned()].into_iter().chain(columns).collect(),
        }
    }

    /// For people.
    pub fn words(&self) -> String {
        let columns = self.columns.join(", ");
        match (self.commit_times, self.columns.is_empty()) {
            (true, true) => "commit time".to_owned(),
            (true, false) => format!("commit time, then {columns}"),
            (false, false) => columns,
            (false, true) => "none".to_owned(),
        }
    }
}

/// A row's place in its table's order.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Number of its table.
    pub table: u16,
    /// When it was committed, where that is known.
    pub commit_us: Option<i64>,
    /// The transaction that wrote it, as Postgres prints it.
    pub xmin: &'a [u8],
    /// The columns that say which row comes first.
    pub columns: &'a [u8],
}

/// The keys of missing events, and whether their order is known. Takes some 150 bytes of memory for each.
#[derive(Debug, Default)]
pub struct Keys(HashMap<(u32, Digest), Line>);

/// The missing events of one key, as far as they were met.
#[derive(Debug)]
struct Line {
    key: Box<[u8]>,
    table: u16,
    commit_us: Option<i64>,
    xmin: Box<[u8]>,
    columns: Digest,
    missing: u64,
    /// Before a row that has its record.
    late: u64,
    is_unknown: bool,
}

impl Keys {
    /// A missing event, in the order of rows.
    pub fn missing(&mut self, topic: u32, key: &[u8], place: Place<'_>) {
        let columns = content::hash(Some(place.columns));
        let line = self.0.entry((topic, content::hash(Some(key)))).or_insert_with(|| Line {
            key: key.into(),
            table: place.table,
            commit_us: place.commit_us,
            xmin: place.xmin.into(),
            columns,
            missing: 0,
            late: 0,
            is_unknown: false,
        });
        line.is_unknown |= line.missing > 0 && !line.is_before(place, columns);
        line.missing += 1;
        (line.table, line.commit_us, line.columns) = (place.table, place.commit_us, columns);
        if *line.xmin != *place.xmin {
            line.xmin = place.xmin.into();
        }
    }

    /// A row that has its record.
    pub fn there(&mut self, topic: u32, key: &[u8], place: Place<'_>) {
        if self.0.is_empty() {
            return;
        }
        if let Some(line) = self.0.get_mut(&(topic, content::hash(Some(key)))) {
            let columns = content::hash(Some(place.columns));
            if line.is_before(place, columns) {
                line.late = line.missing;
            }
        }
    }

    /// The events of this key are left alone.
    pub fn is_unknown(&self, topic: u32, key: &[u8]) -> bool {
        self.0.get(&(topic, content::hash(Some(key)))).is_some_and(|line| line.is_unknown)
    }

    /// Events that will come after later ones of their key.
    pub fn late(&self) -> u64 {
        self.0.values().filter(|line| !line.is_unknown).map(|line| line.late).sum()
    }

    /// How many events of each topic are left alone, key by key.
    pub fn unknown(&self) -> impl Iterator<Item = (u32, u64)> {
        self.0.iter().filter(|(_, line)| line.is_unknown).map(|((topic, _), line)| (*topic, line.missing))
    }

    /// The keys that are left alone.
    pub fn left(&self) -> Left {
        let mut left = Left::default();
        for ((topic, _), line) in self.0.iter().filter(|(_, line)| line.is_unknown) {
            let (why, key, topic) = (Why::Order, label::text(&line.key), Some(*topic));
            left.add(LeftEvent { why, id: None, key, topic, events: line.missing });
        }
        left.listed.sort_by(|one, other| (one.topic, &one.key).cmp(&(other.topic, &other.key)));
        left
    }
}

impl Line {
    /// The last row of it came before that one, as is known from something.
    fn is_before(&self, place: Place<'_>, columns: Digest) -> bool {
        if self.table != place.table {
            return false;
        }
        // Rows of one time are rows of one transaction.
        if self.commit_us.is_some() || place.commit_us.is_some() {
            return true;
        }
        *self.xmin == *place.xmin || self.columns != columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place<'a>(commit_us: Option<i64>, xmin: &'a str, columns: &'a str) -> Place<'a> {
        Place { table: 0, commit_us, xmin: xmin.as_bytes(), columns: columns.as_bytes() }
    }

    fn key(text: &str) -> Vec<u8> {
        let mut packed = Vec::new();
        label::pack_key(Some(text.as_bytes()), &mut packed);
        packed
    }

    fn is_known(places: &[Place<'_>]) -> bool {
        let mut keys = Keys::default();
        places.iter().for_each(|place| keys.missing(0, &key("k"), *place));
        !keys.is_unknown(0, &key("k"))
    }

    #[test]
    fn the_rule_is_commit_time_then_what_the_operator_names_then_a_whole_id() {
        let named = ["seq".to_owned()];
        for (commit_times, order_by, id_type, words) in [
            (true, &named[..], 2950, "commit time, then seq"),
            (false, &named[..], 20, "seq"),
            (true, &[][..], 2950, "commit time"),
            (false, &[][..], 20, "id"),
            (false, &[][..], 2950, "none"),
        ] {
            assert_eq!(Rule::new(commit_times, order_by, "id", id_type).words(), words);
        }
        let sorted = Rule::new(true, &["Seq\"".to_owned()], "id", 2950).sorted();
        assert_eq!(
            sorted.by,
            [
                "pg_catalog.pg_xact_commit_timestamp(xmin) nulls first",
                "\"Seq\"\"\"",
                "cmin::text::int8",
                "tableoid",
                "ctid"
            ]
        );
        assert_eq!(sorted.with.len(), 3);
        let plain = Rule::new(false, &[], "id", 2950).sorted();
        assert_eq!((plain.with[0].as_str(), plain.by.len()), ("null::int8", 3));
    }

    #[test]
    fn an_order_is_known_by_time_by_column_or_within_one_transaction() {
        assert!(is_known(&[place(None, "1", "")]));
        assert!(!is_known(&[place(None, "1", ""), place(None, "2", "")]));
        assert!(is_known(&[place(None, "1", ""), place(None, "1", "")]));
        assert!(is_known(&[place(None, "1", "a"), place(None, "2", "b")]));
        assert!(!is_known(&[place(None, "1", "a"), place(None, "2", "b"), place(None, "3", "b")]));
        assert!(is_known(&[place(Some(5), "1", ""), place(Some(6), "2", "")]));
        assert!(is_known(&[place(None, "1", ""), place(Some(6), "2", "")]));
        // A savepoint has an id of its own.
        assert!(is_known(&[place(Some(5), "1", ""), place(Some(5), "2", "")]));
        let elsewhere = Place { table: 1, ..place(Some(9), "2", "") };
        assert!(!is_known(&[place(Some(5), "1", ""), elsewhere]));
    }

    #[test]
    fn a_key_without_an_order_is_left_whole_and_others_are_not() {
        let mut keys = Keys::default();
        for (text, xmin) in [("a", "1"), ("b", "1"), ("a", "2"), ("a", "3")] {
            keys.missing(3, &key(text), place(None, xmin, ""));
        }
        assert!(
            keys.is_unknown(3, &key("a")) && !keys.is_unknown(3, &key("b")) && !keys.is_unknown(2, &key("a"))
        );
        let left = keys.left();
        assert_eq!((left.counts, left.listed.len()), ([("order_unknown", 3)].into(), 1));
        assert_eq!((left.listed[0].key.as_deref(), left.listed[0].topic), (Some("a"), Some(3)));
    }

    #[test]
    fn events_before_a_later_one_that_is_published_are_late() {
        let mut keys = Keys::default();
        let at = |us| place(Some(us), "1", "");
        keys.there(0, &key("a"), at(1));
        keys.missing(0, &key("a"), at(2));
        keys.missing(0, &key("b"), at(3));
        keys.there(0, &key("a"), at(4));
        keys.missing(0, &key("a"), at(5));
        assert_eq!(keys.late(), 1);
    }
}
