//! Under which name a schema is kept: Confluent's strategies.

/// `key.subject.name.strategy`, `value.subject.name.strategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// `TopicNameStrategy`: one line of schemas to a topic.
    #[default]
    Topic,
    /// `RecordNameStrategy`: one to a type of records, whatever the topic.
    Record,
    /// `TopicRecordNameStrategy`: one to a type of records within a topic.
    TopicRecord,
}

impl Strategy {
    /// Appends the subject to `out`; `record` is the record's full name.
    pub fn write(self, topic: &str, is_key: bool, record: &str, out: &mut String) {
        match self {
            Strategy::Topic => {
                out.push_str(topic);
                out.push_str(if is_key { "-key" } else { "-value" });
            }
            Strategy::Record => out.push_str(record),
            Strategy::TopicRecord => {
                out.push_str(topic);
                out.push('-');
                out.push_str(record);
            }
        }
    }

    /// Whether the subject has the record's name in it.
    pub fn names_records(self) -> bool {
        self != Strategy::Topic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_named_as_confluents_strategies_name_them() {
        let of = |strategy: Strategy, is_key| {
            let mut subject = String::new();
            strategy.write("orders", is_key, "acme.Order", &mut subject);
            subject
        };
        assert_eq!(of(Strategy::Topic, true), "orders-key");
        assert_eq!(of(Strategy::Topic, false), "orders-value");
        assert_eq!(of(Strategy::Record, false), "acme.Order");
        assert_eq!(of(Strategy::TopicRecord, true), "orders-acme.Order");
    }
}
