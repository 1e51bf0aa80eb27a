//! What becomes of an event that cannot be published: by table and reason, by table, by reason, else by one word for all.

use super::Reason;
use std::collections::BTreeMap;

/// What becomes of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The connector stops before its transaction.
    #[default]
    Stop,
    /// It goes to the dead letters, in its place and in its neighbours' Kafka transaction.
    DeadLetter,
    /// It is passed over and counted.
    Skip,
}

/// What is said of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TablePolicies {
    /// For every reason that has none of its own.
    pub every: Option<Policy>,
    /// For one reason.
    pub by_reason: BTreeMap<Reason, Policy>,
}

/// Everything that is said. What is said of less wins: table and reason, table, reason, all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// For whatever nothing else is said of.
    pub every: Policy,
    /// By reason.
    pub by_reason: BTreeMap<Reason, Policy>,
    /// By `schema.table`.
    pub by_table: BTreeMap<String, TablePolicies>,
}

impl Policies {
    /// What becomes of an event of `schema.table`.
    pub fn of(&self, reason: Reason, table: &str) -> Policy {
        let of_table = self.by_table.get(table);
        of_table
            .and_then(|table| table.by_reason.get(&reason).copied().or(table.every))
            .or_else(|| self.by_reason.get(&reason).copied())
            .unwrap_or(self.every)
    }

    /// Whether anything is said to go this way.
    pub fn has(&self, policy: Policy) -> bool {
        let tables = self.by_table.values();
        let tables = tables.flat_map(|table| table.every.iter().chain(table.by_reason.values()));
        self.every == policy || self.by_reason.values().chain(tables).any(|said| *said == policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Policy::{DeadLetter, Skip, Stop};

    #[test]
    fn what_is_said_of_less_wins() {
        let mut policies = Policies { every: DeadLetter, ..Policies::default() };
        policies.by_reason.insert(Reason::TooLarge, Skip);
        policies.by_reason.insert(Reason::UpdateRefused, Skip);
        let by_reason = BTreeMap::from([(Reason::TooLarge, DeadLetter)]);
        let orders = TablePolicies { every: Some(Stop), by_reason: by_reason.clone() };
        policies.by_table.insert("public.orders".into(), orders);
        policies.by_table.insert("public.users".into(), TablePolicies { every: None, by_reason });
        for (table, reason, policy) in [
            ("public.other", Reason::TopicIllegal, DeadLetter),
            ("public.other", Reason::TooLarge, Skip),
            ("public.orders", Reason::TopicIllegal, Stop),
            ("public.orders", Reason::UpdateRefused, Stop),
            ("public.orders", Reason::TooLarge, DeadLetter),
            ("public.users", Reason::TooLarge, DeadLetter),
            ("public.users", Reason::UpdateRefused, Skip),
            ("public.users", Reason::TopicIllegal, DeadLetter),
        ] {
            assert_eq!(policies.of(reason, table), policy, "{table}, {reason:?}");
        }
    }

    #[test]
    fn nothing_said_is_to_stop() {
        let policies = Policies::default();
        assert_eq!(policies.of(Reason::TooLarge, "public.outbox"), Stop);
        assert!(policies.has(Stop) && !policies.has(DeadLetter) && !policies.has(Skip));
        let table = TablePolicies { every: Some(Skip), ..TablePolicies::default() };
        let policies = Policies { by_table: BTreeMap::from([("a.b".into(), table)]), ..policies };
        assert!(policies.has(Skip) && !policies.has(DeadLetter));
    }
}
