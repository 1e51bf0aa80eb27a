//! Topic names from route values: Java's `Matcher.matches`, then `replaceFirst`, with Java's replacement syntax.
//!
//! Enters: regex and replacement as configured, then route values. Leaves: topic names. Promised: what Java would
//! refuse per record (an unknown group, a trailing `\`) is refused when the rule is made. A value that the regex does
//! not match whole is its own topic, as in Debezium.

use super::java_regex;
use fancy_regex::Regex;

/// `route.topic.regex` and `route.topic.replacement`, compiled.
#[derive(Clone, Debug)]
pub struct TopicRule {
    /// The regex as written.
    pub regex: String,
    /// The replacement as written.
    pub replacement: String,
    whole: Regex,
    first: Regex,
    /// The replacement, or what is wrong with it.
    parts: Result<Vec<Part>, String>,
}

/// A piece of the replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// What the group of this number captured; nothing when it took no part.
    Group(usize),
}

/// There is no topic for a route value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotApplied {
    /// The regex took too many steps to be worth an answer.
    #[error("the topic regex backtracks too much on this value")]
    TooManySteps,
    /// Java would refuse the replacement.
    #[error("{0}")]
    Replacement(String),
}

impl TopicRule {
    /// Compiles both; the error says what is wrong with which.
    pub fn new(regex: &str, replacement: &str) -> Result<TopicRule, String> {
        let rule = TopicRule::late(regex, replacement)?;
        match rule.parts {
            Err(what) => Err(what),
            Ok(_) => Ok(rule),
        }
    }

    /// The same, but a replacement that cannot be used is an error only of values that match, as it is in Java.
    pub fn late(regex: &str, replacement: &str) -> Result<TopicRule, String> {
        let in_regex = |what: String| format!("the regex {regex:?}: {what}");
        let java = java_regex::translate(regex, false).map_err(in_regex)?;
        let parts = Parts { replacement, java: &java }
            .read()
            .map_err(|what| format!("the replacement {replacement:?}: {what}"));
        Ok(TopicRule {
            regex: regex.to_owned(),
            replacement: replacement.to_owned(),
            whole: java.whole().map_err(in_regex)?,
            first: java.anywhere().map_err(in_regex)?,
            parts,
        })
    }

    /// Appends the topic of `route` to `topic`.
    pub fn apply(&self, route: &str, topic: &mut String) -> Result<(), NotApplied> {
        if !self.whole.is_match(route).map_err(|_| NotApplied::TooManySteps)? {
            topic.push_str(route);
            return Ok(());
        }
        // Java finds anew after it has matched: a lazy pattern replaces less than the whole.
        let Some(captures) = self.first.captures(route).map_err(|_| NotApplied::TooManySteps)? else {
            topic.push_str(route);
            return Ok(());
        };
        let parts = self.parts.as_ref().map_err(|what| NotApplied::Replacement(what.clone()))?;
        let (start, end) = captures.get(0).map_or((0, route.len()), |found| (found.start(), found.end()));
        topic.push_str(&route[..start]);
        for part in parts {
            match part {
                Part::Text(text) => topic.push_str(text),
                Part::Group(number) => {
                    topic.push_str(captures.get(*number).map_or("", |group| group.as_str()))
                }
            }
        }
        topic.push_str(&route[end..]);
        Ok(())
    }
}

impl TopicRule {
    /// Whether a topic of this name looks like one that the replacement gives: it begins, and ends, with its text. A
    /// replacement that begins with a group tells nothing, and gives none by this.
    pub fn may_give(&self, topic: &str) -> bool {
        let Ok(parts) = &self.parts else { return false };
        match parts.as_slice() {
            [Part::Text(whole)] => topic == whole,
            [Part::Text(prefix), .., Part::Text(suffix)] => {
                topic.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.ends_with(suffix.as_str()))
            }
            [Part::Text(prefix), ..] => topic.starts_with(prefix.as_str()),
            _ => false,
        }
    }
}

/// Whether Kafka accepts a topic of this name; the error says why not.
pub fn check_topic_name(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("it is empty"),
        "." | ".." => Err("it is `.` or `..`"),
        _ if name.len() > 249 => Err("it is longer than 249 characters"),
        _ if name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) => Ok(()),
        _ => Err("it has characters other than letters, digits, `.`, `_` and `-`"),
    }
}

/// Reads a replacement as `Matcher.appendReplacement` does.
struct Parts<'a> {
    replacement: &'a str,
    java: &'a java_regex::Translated,
}

impl Parts<'_> {
    fn read(&self) -> Result<Vec<Part>, String> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = self.replacement;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '\\' => {
                    let escaped = rest
                        .chars()
                        .next()
                        .ok_or(r"it ends with a single `\`; write `\\` for the character")?;
                    rest = &rest[escaped.len_utf8()..];
                    text.push(escaped);
                }
                '$' => {
                    let number = if let Some(name) = rest.strip_prefix('{') {
                        rest = name;
                        self.named(&mut rest)?
                    } else {
                        self.numbered(&mut rest)?
                    };
                    if !text.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut text)));
                    }
                    parts.push(Part::Group(number));
                }
                c => text.push(c),
            }
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(parts)
    }

    /// `name}`, after `${`.
    fn named(&self, rest: &mut &str) -> Result<usize, String> {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric());
        let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
        *rest = after.strip_prefix('}').filter(|_| !name.is_empty()).ok_or_else(|| {
            "after `${` comes a group's name of letters and digits, then `}`; write `\\$` for a dollar sign".to_owned()
        })?;
        let known = self.java.names.iter().find(|(known, _)| known == name);
        known.map(|&(_, number)| number).ok_or_else(|| {
            format!("the regex has no group {name:?}; {}, or write `\\$` for a dollar sign", self.names())
        })
    }

    /// Digits, after `$`: the first is a group's number for certain, a further one only if there is such a group.
    fn numbered(&self, rest: &mut &str) -> Result<usize, String> {
        let mut number = None;
        while let Some(digit) = rest.chars().next().and_then(|c| c.to_digit(10)) {
            let longer = number.unwrap_or(0) * 10 + digit as usize;
            if number.is_some() && longer > self.java.groups {
                break;
            }
            number = Some(longer);
            *rest = &rest[1..];
        }
        match number {
            Some(number) if number <= self.java.groups => Ok(number),
            Some(number) => Err(format!(
                "${number} refers to a group that the regex does not have (it has {}); write `\\$` for a dollar sign",
                self.java.groups
            )),
            None => {
                Err("after `$` comes a group's number or `{name}`; write `\\$` for a dollar sign".to_owned())
            }
        }
    }

    fn names(&self) -> String {
        let names: Vec<String> = self.java.names.iter().map(|(name, _)| format!("${{{name}}}")).collect();
        if names.is_empty() {
            "it names none: write `(?<name>…)` there".to_owned()
        } else {
            format!("write {}", names.join(" or "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn topic(regex: &str, replacement: &str, route: &str) -> String {
        let mut topic = String::new();
        TopicRule::new(regex, replacement).expect("a rule").apply(route, &mut topic).expect("few steps");
        topic
    }

    fn refused(regex: &str, replacement: &str) -> String {
        TopicRule::new(regex, replacement).expect_err("refused")
    }

    #[test]
    fn the_default_rule_puts_a_prefix_before_the_route_value() {
        assert_eq!(
            topic("(?<routedByValue>.*)", "outbox.event.${routedByValue}", "User"),
            "outbox.event.User"
        );
        assert_eq!(topic("(?<routedByValue>.*)", "outbox.event.${routedByValue}", ""), "outbox.event.");
    }

    #[test]
    fn a_value_that_does_not_match_whole_is_its_own_topic() {
        assert_eq!(topic("User", "x", "UserAccount"), "UserAccount");
        assert_eq!(topic("(?<routedByValue>.*)", "p.${routedByValue}", "two\nlines"), "two\nlines");
        assert_eq!(
            topic("(?<routedByValue>.*)", "p.${routedByValue}", "two\u{2028}lines"),
            "two\u{2028}lines"
        );
    }

    #[test]
    fn only_the_first_find_is_replaced() {
        assert_eq!(topic("(?<routedByValue>.*?)", "p.${routedByValue}", "My Agg.Order"), "p.My Agg.Order");
        assert_eq!(topic("(a|ab)+?", "<$1>", "abab"), "<a>bab");
        assert_eq!(topic("a|ab", "x", "ab"), "xb", "matched whole as ab, found first as a");
    }

    #[test]
    fn a_replacement_speaks_java() {
        assert_eq!(topic("(a)(b)?", "$0-$1-$2.", "a"), "a-a-.", "a group that took no part is empty");
        assert_eq!(topic("(a)(b)", "$12", "ab"), "a2", "there is no group 12");
        let twelve = "(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)(l)";
        assert_eq!(topic(twelve, "$12$1", "abcdefghijkl"), "la");
        assert_eq!(topic(".*", r"\$0\\\x", "a"), r"$0\x");
        assert_eq!(topic("(?<a>x)(?<b2>y)", "${b2}${a}", "xy"), "yx");
        assert_eq!(topic(".*", "", "a"), "");
    }

    #[test]
    fn a_replacement_that_java_would_refuse_per_record_is_refused_at_once() {
        assert!(refused(".*", "x$").contains("after `$`"));
        assert!(refused(".*", "$x").contains("after `$`"));
        assert!(refused(".*", r"x\").contains("ends with a single"));
        assert!(refused(".*", "$1").contains("it has 0"));
        assert!(refused("(?<routedByValue>.*)", "x.${route}").contains("write ${routedByValue}"));
        assert!(refused(".*", "${name}").contains("(?<name>…)"));
        for replacement in ["${", "${}", "${a", "${a b}", "${a_b}", "${ä}"] {
            assert!(refused("(?<a>.*)", replacement).contains("after `${`"), "{replacement}");
        }
    }

    #[test]
    fn a_replacement_may_be_refused_late() {
        let rule = TopicRule::late("My", "x.${route}").expect("a rule");
        let mut topic = String::new();
        assert_eq!((rule.apply("User", &mut topic), topic.as_str()), (Ok(()), "User"));
        assert!(matches!(rule.apply("My", &mut topic), Err(NotApplied::Replacement(_))));
        assert!(TopicRule::late("(", "x").is_err());
    }

    #[test]
    fn a_regex_that_is_none_is_refused_by_character() {
        assert!(refused(" [[a-z]", "x").contains("a class is not closed"), "{}", refused(" [[a-z]", "x"));
        assert!(refused("(a", "x").contains("at character 3"));
    }

    #[test]
    fn topics_are_known_by_the_text_of_the_replacement() {
        let rule = |replacement: &str| TopicRule::new("(?<a>.*)", replacement).expect("a rule");
        for (replacement, topic, may_give) in [
            ("outbox.event.${a}", "outbox.event.order", true),
            ("outbox.event.${a}", "outbox.events", false),
            ("events", "events", true),
            ("events", "events2", false),
            ("p.${a}.v1", "p.order.v1", true),
            ("p.${a}.v1", "p.order.v2", false),
            ("p.${a}.v1", "p.v1", false),
            ("${a}.v1", "order.v1", false),
        ] {
            assert_eq!(rule(replacement).may_give(topic), may_give, "{replacement} {topic}");
        }
    }

    #[test]
    fn kafka_accepts_what_passes() {
        let longest = "x".repeat(249);
        for name in ["a", "a.b-c_D9", "...", &longest] {
            assert_eq!(check_topic_name(name), Ok(()), "{name}");
        }
        for name in ["", ".", "..", "a b", "ä", "a/b", "a\n", &"x".repeat(250)] {
            assert!(check_topic_name(name).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_rule_and_any_value_give_a_topic_or_an_error(
            regex in r"[a-c().*+?|\\$^\[\]{}<>:=!&dwsQEpx0-9 -]{0,24}",
            replacement in r"[a-c$\\{}0-3]{0,12}",
            route in r"[a-c0-3\n ä-]{0,12}",
        ) {
            if let Ok(rule) = TopicRule::new(&regex, &replacement) {
                let mut topic = String::new();
                let _ = rule.apply(&route, &mut topic);
            }
        }

        #[test]
        fn a_literal_replacement_of_everything_is_the_topic(route in any::<String>(), name in "[a-z.-]{1,20}") {
            prop_assert_eq!(topic("(?s).*", &name, &route), name);
        }
    }
}
