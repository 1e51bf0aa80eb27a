//! What a change event tells of where it happened beyond its row: the transaction, the commit before, the replication origin,
//! and its number among the events of its transaction.

use crate::encode::change::{At, Order};
use crate::lsn::Lsn;
use crate::position::Position;

/// What Debezium means the collection of messages to be called.
const MESSAGES: &str = "LOGICAL_DECODING_MESSAGE";

/// The open transaction, and the commit before it.
#[derive(Debug, Default)]
pub struct Telling {
    /// Where the last commit ended, if there was one.
    committed: Option<Lsn>,
    xid: u32,
    commit_us: i64,
    origin: Option<(String, Lsn)>,
    /// Events of the open transaction by table (`schema.table`), those of earlier batches included; kept only where they
    /// are told.
    counts: Vec<(String, u64)>,
}

impl Telling {
    /// After what is published.
    pub fn after(position: &Position) -> Telling {
        // A message of no transaction is counted as one, and has no number.
        let has_ended = position.last_xid != 0 || position.transactions > 0;
        let committed = has_ended.then_some(position.end_lsn);
        Telling { committed, commit_us: position.last_commit_us, ..Telling::default() }
    }

    /// A transaction begins.
    pub(super) fn begin(&mut self, xid: u32, commit_us: i64) {
        (self.xid, self.commit_us, self.origin) = (xid, commit_us, None);
        self.counts.clear();
    }

    /// It came from another node.
    pub(super) fn origin(&mut self, name: &str, lsn: Lsn) {
        self.origin = Some((name.to_owned(), lsn));
    }

    /// It ends.
    pub(super) fn commit(&mut self, end_lsn: Lsn) {
        self.committed = Some(end_lsn);
    }

    /// A message of no transaction lies at `lsn`: to Debezium, which may be asked for it or not, it is a commit.
    pub(super) fn alone(&mut self, lsn: Lsn) {
        self.committed = self.committed.max(Some(lsn));
    }

    /// One more message that is an event. To Debezium each is of a collection of its own, so it is always the first there;
    /// that the name of this collection is a Java object's identity is not followed.
    pub(super) fn count_message(&mut self) -> Order {
        Order { in_table: 1, ..self.count("", MESSAGES, 1) }
    }

    /// One more change of a table, of which so many events are made; the place of the first.
    pub(super) fn count(&mut self, schema: &str, table: &str, events: u64) -> Order {
        let is_it = |name: &str| match schema {
            "" => name == table,
            schema => name.strip_prefix(schema).and_then(|rest| rest.strip_prefix('.')) == Some(table),
        };
        let total: u64 = self.counts.iter().map(|(_, count)| count).sum();
        let at = self.counts.iter().position(|(name, _)| is_it(name)).unwrap_or_else(|| {
            if events > 0 {
                let between = if schema.is_empty() { "" } else { "." };
                self.counts.push((format!("{schema}{between}{table}"), 0));
            }
            self.counts.len().saturating_sub(1)
        });
        let Some((_, count)) = self.counts.get_mut(at).filter(|_| events > 0) else {
            return Order { total: total + 1, in_table: 1 };
        };
        let order = Order { total: total + 1, in_table: *count + 1 };
        *count += events;
        order
    }

    /// Events of the open transaction by table, in the order in which a Java HashMap tells them.
    pub(super) fn counts(&self) -> Vec<(String, u64)> {
        let mut counts = self.counts.clone();
        crate::decode::value::as_a_hash_map(&mut counts, |(table, _)| table);
        counts
    }

    /// The transaction's id and the time of its commit.
    pub(super) fn transaction(&self) -> (u32, i64) {
        (self.xid, self.commit_us)
    }

    /// What a message of no transaction tells. The time is that of the commit before, as far as that is known.
    pub(super) fn at_alone(&self, lsn: Lsn, now_ns: i64) -> At<'_> {
        let commit_us = if self.commit_us == 0 { now_ns / 1000 } else { self.commit_us };
        At { xid: None, commit_us, ..self.at(lsn, now_ns, None) }
    }

    /// What a change at `lsn` tells.
    pub(super) fn at(&self, lsn: Lsn, now_ns: i64, order: Option<Order>) -> At<'_> {
        At {
            lsn,
            xid: Some(self.xid),
            commit_us: self.commit_us,
            committed: self.committed,
            snapshot: None,
            origin: self.origin.as_ref().map(|(name, lsn)| (name.as_str(), *lsn)),
            order,
            now_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_numbered_in_their_transaction_and_in_their_table() {
        let mut telling = Telling::default();
        telling.begin(7, 1);
        let orders = [("a", 1), ("b", 2), ("a", 1), ("c", 0), ("b", 1)].map(|(table, events)| {
            let Order { total, in_table } = telling.count("s", table, events);
            (total, in_table)
        });
        assert_eq!(orders, [(1, 1), (2, 1), (4, 2), (5, 1), (5, 3)]);
        // Java's hash of s.b falls before that of s.a.
        assert_eq!(telling.counts(), [("s.b".to_owned(), 3), ("s.a".to_owned(), 2)]);
        telling.begin(8, 1);
        assert_eq!(telling.count("s", "b", 1), Order { total: 1, in_table: 1 });
    }

    #[test]
    fn messages_count_in_their_transaction_and_each_is_the_first_of_its_collection() {
        let mut telling = Telling::default();
        telling.begin(7, 1);
        telling.count("s", "a", 1);
        let orders = [telling.count_message(), telling.count_message()];
        assert_eq!(orders.map(|order| (order.total, order.in_table)), [(2, 1), (3, 1)]);
        assert_eq!(telling.count("s", "a", 1), Order { total: 4, in_table: 2 });
        let mut counts = telling.counts();
        counts.sort();
        assert_eq!(counts, [("LOGICAL_DECODING_MESSAGE".to_owned(), 2), ("s.a".to_owned(), 2)]);
    }

    #[test]
    fn a_message_of_no_transaction_is_a_commit_to_what_comes_after_it() {
        let mut telling = Telling::default();
        telling.alone(Lsn::new(12));
        let first = telling.at_alone(Lsn::new(12), 5_000_000);
        assert_eq!((first.xid, first.committed, first.commit_us), (None, Some(Lsn::new(12)), 5_000));
        telling.begin(7, 33);
        assert_eq!(telling.at(Lsn::new(14), 0, None).committed, Some(Lsn::new(12)));
        telling.commit(Lsn::new(20));
        // Sent again after a restart, it lies before what is known.
        telling.alone(Lsn::new(12));
        let next = telling.at_alone(Lsn::new(25), 0);
        assert_eq!((next.xid, next.committed, next.commit_us), (None, Some(Lsn::new(20)), 33));
    }

    #[test]
    fn the_commit_before_is_known_from_the_first_that_was_published() {
        let creating = Position::creating(1, 1, "test");
        assert_eq!(Telling::after(&creating).at(Lsn::new(9), 0, None).committed, None);
        let position = Position { last_xid: 5, end_lsn: Lsn::new(7), ..creating };
        let message = Position { last_xid: 0, transactions: 1, ..position.clone() };
        assert_eq!(Telling::after(&message).at(Lsn::new(9), 0, None).committed, Some(Lsn::new(7)));
        let mut telling = Telling::after(&position);
        assert_eq!(telling.at(Lsn::new(9), 0, None).committed, Some(Lsn::new(7)));
        telling.commit(Lsn::new(12));
        assert_eq!(telling.at(Lsn::new(14), 0, None).committed, Some(Lsn::new(12)));
        telling.origin("elsewhere", Lsn::new(3));
        assert_eq!(telling.at(Lsn::new(14), 0, None).origin, Some(("elsewhere", Lsn::new(3))));
        telling.begin(8, 1);
        assert_eq!(telling.at(Lsn::new(14), 0, None).origin, None);
    }
}
