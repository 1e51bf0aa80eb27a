//! Every property once: name, kind, default, doc, support.
//!
//! Debezium's Postgres connector and its outbox event router, Kafka Connect, Connect's workers, the Kafka clients, and
//! what only walpost knows. A name with `<…>` is a pattern. From these declarations come the checks of a
//! configuration, its defaults, the nearest name to a misspelt one, and the README's table. No property's name is
//! written anywhere else.

pub mod cloudevents;
pub mod connector;
pub mod converters;
pub mod errors;
pub mod foreign;
pub mod kafka;
pub mod nearest;
pub mod postgres;
pub mod registry;
pub mod router;
pub mod transforms;
pub mod unused;
pub mod walpost;
pub mod worker;

pub use nearest::{distance, nearest};

/// One property.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// Its name; a pattern when it has `<…>` in it.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// What holds when it is not written.
    pub default: Default,
    /// What becomes of it here.
    pub support: Support,
    /// What it says, in one line.
    pub doc: &'static str,
}

/// What values a property has.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Any text.
    Text,
    /// Texts between commas.
    List,
    /// A whole number.
    Int {
        /// What is counted.
        unit: &'static str,
        /// The least there is.
        least: i64,
        /// The most there is.
        most: i64,
    },
    /// Milliseconds, at least so many.
    Millis(i64),
    /// `true` or `false`.
    Boolean,
    /// One of some words, whatever their case.
    Choice(&'static [Choice]),
    /// A Java class: its full name, or a plugin alias as Connect forms them.
    Class(&'static [Choice]),
    /// A Java regular expression.
    Regex,
    /// Java regular expressions between commas.
    RegexList,
    /// A file that can be read.
    Path,
    /// A text that is never shown.
    Password,
}

/// One word of a [`Kind::Choice`] or [`Kind::Class`].
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// The word.
    pub word: &'static str,
    /// Set when it is known but refused.
    pub refused: Option<Refusal>,
}

/// Why something is refused, and what to write.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    /// What is wrong with it.
    pub why: &'static str,
    /// What to write instead.
    pub instead: &'static str,
}

/// What holds when a property is not written.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// Nothing: there is a difference between this and any value.
    Unset,
    /// It must be written.
    Required,
    /// This value.
    Value(&'static str),
    /// A value that depends on others, in words.
    Derived(&'static str),
}

/// What becomes of a property here.
#[derive(Clone, Copy, Debug)]
pub enum Support {
    /// It means what it means elsewhere.
    Honoured,
    /// It is accepted and changes nothing, for this reason.
    Ignored(&'static str),
    /// It would change what is published or promised; written empty, it is as if it were not there.
    Refused(Refusal),
}

/// Properties that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Heading in the README.
    pub title: &'static str,
    /// The properties that have a name in this program too.
    pub named: &'static [Property],
    /// The others.
    pub others: &'static [Property],
}

/// All there are, in the README's order.
pub const SECTIONS: &[Section] = &[
    connector::SECTION,
    errors::SECTION,
    postgres::SECTION,
    router::SECTION,
    converters::SECTION,
    registry::SECTION,
    cloudevents::SECTION,
    kafka::SECTION,
    walpost::SECTION,
    unused::SECTION,
    worker::SECTION,
];

impl Property {
    /// The name with its first `<…>` filled in.
    pub fn key(&self, fill: &str) -> String {
        match (self.name.find('<'), self.name.find('>')) {
            (Some(from), Some(to)) => format!("{}{fill}{}", &self.name[..from], &self.name[to + 1..]),
            _ => self.name.to_owned(),
        }
    }

    /// Whether the name has a `<…>` in it.
    pub fn is_pattern(&self) -> bool {
        self.name.contains('<')
    }

    /// Whether this is what `key` names.
    pub fn matches(&self, key: &str) -> bool {
        fits(self.name, key)
    }

    /// Its values are never shown.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Password)
    }

    /// The default, where it is one value.
    pub fn default_value(&self) -> Option<&'static str> {
        match self.default {
            Default::Value(value) => Some(value),
            Default::Unset | Default::Required | Default::Derived(_) => None,
        }
    }

    /// How much of the name is literal: of two patterns that match a key, the longer one is meant.
    fn literal_length(&self) -> usize {
        self.name.split('<').map(|part| part.rsplit('>').next().unwrap_or_default().len()).sum()
    }
}

impl Choice {
    /// Whether `value` means this word: itself, in any case.
    pub fn is_meant_by(&self, value: &str) -> bool {
        self.word.eq_ignore_ascii_case(value.trim())
    }

    /// Whether `value` names this class: in full, by its simple name, or by that without `Converter` or `Connector`.
    pub fn is_class(&self, value: &str) -> bool {
        let value = value.trim();
        let simple = self.word.rsplit('.').next().unwrap_or(self.word);
        let pruned = simple.strip_suffix("Converter").or(simple.strip_suffix("Connector"));
        value == self.word || value == simple || Some(value) == pruned
    }
}

impl Support {
    /// The word for [`Support::Honoured`].
    pub const HONOURED: &str = "honoured";
    /// The word for [`Support::Ignored`].
    pub const IGNORED: &str = "ignored";

    /// One word for tables.
    pub fn word(&self) -> &'static str {
        match self {
            Support::Honoured => Support::HONOURED,
            Support::Ignored(_) => Support::IGNORED,
            Support::Refused(_) => "refused",
        }
    }
}

/// Every property.
pub fn all() -> impl Iterator<Item = &'static Property> {
    SECTIONS.iter().flat_map(|section| section.named.iter().chain(section.others))
}

/// The property that `key` names: by name before any pattern, by the longer pattern before the shorter.
pub fn find(key: &str) -> Option<&'static Property> {
    all()
        .filter(|property| property.matches(key))
        .max_by_key(|property| (!property.is_pattern(), property.literal_length()))
}

/// Whether a key's value must not be shown, whether or not the key is known.
pub fn is_secret_key(key: &str) -> bool {
    const TELLING: &[&str] = &[
        "pass",
        "pwd",
        "secret",
        "jaas",
        "credential",
        "token",
        "private",
        "keystore.key",
        "user.info",
        "license",
    ];
    let key = key.to_ascii_lowercase();
    if [".location", ".url", ".type", ".file", ".source"].iter().any(|ending| key.ends_with(ending)) {
        return false;
    }
    TELLING.iter().any(|part| key.contains(part)) || find(&key).is_some_and(Property::is_secret)
}

/// Whether `key` is what `pattern` describes. A placeholder stands for one part without dots, at the end of a pattern
/// for any rest; `<converter>` for the places a converter can be configured.
fn fits(pattern: &str, key: &str) -> bool {
    if pattern == kafka::ANY_CLIENT {
        return false;
    }
    let Some((before, after)) = pattern.split_once('<') else { return pattern == key };
    let Some((placeholder, after)) = after.split_once('>') else { return false };
    let Some(rest) = key.strip_prefix(before) else { return false };
    if placeholder == converters::PLACEHOLDER {
        return converters::PLACES
            .iter()
            .any(|place| rest.strip_prefix(place).is_some_and(|rest| fits(after, rest)));
    }
    if after.is_empty() {
        return !rest.is_empty();
    }
    let part = rest.find('.').unwrap_or(rest.len());
    part > 0 && fits(after, &rest[part..])
}

/// Whether `key` is this option at `place`, and not that of another place that begins the same.
pub fn is_of(property: &Property, place: &str, key: &str) -> bool {
    fits(&property.key(place), key)
}

/// A property that is honoured.
const fn honoured(name: &'static str, kind: Kind, default: Default, doc: &'static str) -> Property {
    Property { name, kind, default, support: Support::Honoured, doc }
}

/// A property that is accepted and changes nothing.
const fn ignored(name: &'static str, default: Default, why: &'static str) -> Property {
    Property { name, kind: Kind::Text, default, support: Support::Ignored(why), doc: "" }
}

/// A property that is refused unless it is empty.
const fn refused(name: &'static str, why: &'static str, instead: &'static str) -> Property {
    let support = Support::Refused(Refusal { why, instead });
    Property { name, kind: Kind::Text, default: Default::Unset, support, doc: "" }
}

/// A word that is taken.
const fn word(word: &'static str) -> Choice {
    Choice { word, refused: None }
}

/// A word that is known but refused.
const fn not(word: &'static str, why: &'static str, instead: &'static str) -> Choice {
    Choice { word, refused: Some(Refusal { why, instead }) }
}

/// A whole number in a range.
const fn int(unit: &'static str, least: i64, most: i64) -> Kind {
    Kind::Int { unit, least, most }
}

/// Declares honoured properties with a name in this program, and their list.
macro_rules! named {
    ($($constant:ident = $name:literal, $kind:expr, $default:expr, $doc:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`: ", $doc)]
            pub const $constant: $crate::config::catalog::Property =
                $crate::config::catalog::honoured($name, $kind, $default, $doc);
        )*
        const NAMED: &[$crate::config::catalog::Property] = &[$($constant),*];
    };
}
use named;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_property_is_declared_twice() {
        let mut names = BTreeSet::new();
        for property in all() {
            assert!(names.insert(property.name), "{} is declared twice", property.name);
        }
    }

    #[test]
    fn every_property_says_something() {
        for property in all() {
            match property.support {
                Support::Honoured => assert!(property.doc.ends_with('.'), "{}", property.name),
                Support::Ignored(why) => assert!(!why.is_empty(), "{}", property.name),
                Support::Refused(refusal) => {
                    assert!(!refusal.why.is_empty() && !refusal.instead.is_empty(), "{}", property.name)
                }
            }
        }
    }

    #[test]
    fn every_default_is_one_of_its_own_values() {
        for property in all() {
            let Some(default) = property.default_value() else { continue };
            match property.kind {
                Kind::Int { least, most, .. } => {
                    let default: i64 = default.parse().expect(property.name);
                    assert!((least..=most).contains(&default), "{}", property.name);
                }
                Kind::Millis(least) => assert!(default.parse::<i64>().expect(property.name) >= least),
                Kind::Boolean => assert!(["true", "false"].contains(&default), "{}", property.name),
                Kind::Choice(choices) => {
                    let choice = choices.iter().find(|choice| choice.is_meant_by(default));
                    assert!(choice.is_some_and(|choice| choice.refused.is_none()), "{}", property.name);
                }
                Kind::Class(choices) => {
                    let choice = choices.iter().find(|choice| choice.is_class(default));
                    assert!(choice.is_some_and(|choice| choice.refused.is_none()), "{}", property.name);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn a_key_is_found_by_name_before_pattern_and_by_the_longer_pattern() {
        assert_eq!(find("slot.name").unwrap().name, "slot.name");
        assert_eq!(find("transforms.x.route.by.field").unwrap().name, "transforms.<name>.route.by.field");
        assert_eq!(
            find("topic.creation.default.partitions").unwrap().name,
            "topic.creation.default.partitions"
        );
        assert_eq!(
            find("topic.creation.default.cleanup.policy").unwrap().name,
            "topic.creation.default.<topic property>"
        );
        assert_eq!(find("producer.override.acks").unwrap().name, "producer.override.<client property>");
        assert_eq!(find("producer.acks").unwrap().name, "producer.<client property>");
        assert_eq!(
            find("key.converter.delegate.converter.type.schemas.enable").unwrap().name,
            "<converter>.schemas.enable"
        );
        assert_eq!(find("column.mask.with.4.chars").unwrap().name, "column.mask.with.<length>.chars");
        assert!(find("slot.nam").is_none());
        assert!(find("transforms..route.by.field").is_none());
        assert!(find("producer.").is_none());
    }

    #[test]
    fn secrets_are_known_by_their_keys() {
        for key in [
            "database.password",
            "ssl.truststore.password",
            "producer.sasl.jaas.config",
            "ssl.keystore.key",
            "consumer.sasl.oauthbearer.client.secret",
        ] {
            assert!(is_secret_key(key), "{key}");
        }
        for key in [
            "transforms.outbox.table.field.event.key",
            "key.converter",
            "slot.name",
            "sasl.oauthbearer.token.endpoint.url",
            "ssl.keystore.location",
        ] {
            assert!(!is_secret_key(key), "{key}");
        }
    }

    #[test]
    fn classes_are_known_by_their_plugin_aliases() {
        let class = word("org.apache.kafka.connect.json.JsonConverter");
        for name in ["org.apache.kafka.connect.json.JsonConverter", "JsonConverter", "Json", " Json "] {
            assert!(class.is_class(name), "{name}");
        }
        assert!(!class.is_class("json"));
    }
}
