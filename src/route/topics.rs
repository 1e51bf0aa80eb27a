//! Topics by route value, so that the regex runs once per value and not once per event.

use super::topic::{TopicRule, check_topic_name};
use std::collections::HashMap;
use std::sync::Arc;

/// How many route values are remembered; one more, and all are forgotten.
const MOST_ROUTES: usize = 20_000;
/// Longer route values are not worth their memory.
const LONGEST_ROUTE: usize = 512;

/// The topics of a rule.
#[derive(Debug, Default)]
pub(super) struct Topics {
    by_route: HashMap<Arc<str>, usize>,
    known: Vec<(Arc<str>, Arc<str>)>,
    /// Where the last one asked for lies: outboxes of one aggregate type are common.
    last: usize,
    /// The topic of a route value that is not remembered.
    passing: Option<Arc<str>>,
    topic: String,
}

/// Why there is no topic for a route value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoTopic {
    /// What is wrong.
    pub(super) why: String,
    /// The name Kafka does not accept, where there is one.
    pub(super) name: Option<String>,
}

impl Topics {
    /// The topic of this route value.
    pub(super) fn of(&mut self, rule: &TopicRule, route: &str) -> Result<&Arc<str>, NoTopic> {
        let is_last = self.known.get(self.last).is_some_and(|(known, _)| **known == *route);
        if !is_last {
            match self.by_route.get(route) {
                Some(&index) => self.last = index,
                None => {
                    let topic = self.make(rule, route)?;
                    if route.len() > LONGEST_ROUTE {
                        return Ok(self.passing.insert(topic));
                    }
                    self.remember(route, topic);
                }
            }
        }
        Ok(&self.known[self.last].1)
    }

    fn make(&mut self, rule: &TopicRule, route: &str) -> Result<Arc<str>, NoTopic> {
        self.topic.clear();
        rule.apply(route, &mut self.topic).map_err(|error| NoTopic { why: error.to_string(), name: None })?;
        match check_topic_name(&self.topic) {
            Ok(()) => Ok(Arc::from(self.topic.as_str())),
            Err(why) => Err(NoTopic { why: why.to_owned(), name: Some(self.topic.clone()) }),
        }
    }

    fn remember(&mut self, route: &str, topic: Arc<str>) {
        if self.known.len() >= MOST_ROUTES {
            self.by_route.clear();
            self.known.clear();
        }
        let route: Arc<str> = Arc::from(route);
        self.last = self.known.len();
        self.by_route.insert(Arc::clone(&route), self.last);
        self.known.push((route, topic));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> TopicRule {
        TopicRule::new("(?<routedByValue>.*)", "outbox.event.${routedByValue}").unwrap()
    }

    #[test]
    fn a_route_value_seen_before_shares_its_topic() {
        let (mut topics, rule) = (Topics::default(), rule());
        let user = Arc::clone(topics.of(&rule, "User").unwrap());
        assert_eq!(&*user, "outbox.event.User");
        assert_eq!(&**topics.of(&rule, "Address").unwrap(), "outbox.event.Address");
        assert!(Arc::ptr_eq(topics.of(&rule, "User").unwrap(), &user));
    }

    #[test]
    fn memory_for_route_values_is_bounded() {
        let (mut topics, rule) = (Topics::default(), rule());
        for number in 0..MOST_ROUTES + 10 {
            let topic = topics.of(&rule, &format!("r{number}")).unwrap();
            assert_eq!(**topic, *format!("outbox.event.r{number}"));
        }
        assert_eq!((topics.known.len(), topics.by_route.len()), (10, 10));
        assert_eq!(&**topics.of(&rule, "r3").unwrap(), "outbox.event.r3");
    }

    #[test]
    fn a_long_route_value_has_a_topic_but_is_not_remembered() {
        let (mut topics, rule) = (Topics::default(), TopicRule::new("x+", "short").unwrap());
        assert_eq!(&**topics.of(&rule, &"x".repeat(100_000)).unwrap(), "short");
        assert!(topics.known.is_empty());
    }

    #[test]
    fn a_name_that_kafka_refuses_is_no_topic() {
        let (mut topics, rule) = (Topics::default(), rule());
        let refused = topics.of(&rule, "a b").unwrap_err();
        assert_eq!(refused.name.as_deref(), Some("outbox.event.a b"));
        assert!(topics.of(&rule, "a b").is_err());
        let slow = TopicRule::new(r"(?:(a+)+(?!c))+b\1", "x").unwrap();
        assert!(topics.of(&slow, &"a".repeat(200)).unwrap_err().why.contains("backtracks"));
    }
}
