//! What decides about bytes: JSON taken apart, how types are read, and `debezium.compat`.

use super::*;
use crate::decode::value::{Binary, Decimals, Hstore, Intervals, Modes, Times};
use crate::encode::{Expand, Nulls, Number, Renaming};

#[test]
fn payloads_are_taken_apart_only_when_that_is_asked_for() {
    let expand = |lines: &str| config(lines).encode.expand;
    assert_eq!(expand("transforms.outbox.table.json.payload.null.behavior=optional_bytes"), None);
    let asked = "transforms.outbox.table.expand.json.payload=true";
    assert_eq!(expand(asked), Some(Expand { nulls: Nulls::Ignore, renaming: Renaming::Never }));
    let further = "transforms.outbox.table.json.payload.null.behavior=OPTIONAL_BYTES\n\
                   transforms.outbox.field.name.adjustment.mode=avro_unicode";
    let both = Expand { nulls: Nulls::OptionalBytes, renaming: Renaming::Unicode };
    assert_eq!(expand(&format!("{asked}\n{further}")), Some(both));
}

#[test]
fn types_are_read_as_the_modes_say() {
    assert_eq!(config("").route.types, Modes::default());
    let lines = "time.precision.mode=isostring\ndecimal.handling.mode=string\nbinary.handling.mode=base64-url-safe\n\
                 interval.handling.mode=string\nhstore.handling.mode=map";
    let modes = Modes {
        times: Times::Iso,
        decimals: Decimals::Text,
        binary: Binary::Base64UrlSafe,
        intervals: Intervals::Text,
        hstore: Hstore::Map,
    };
    assert_eq!(config(lines).route.types, modes);
    assert!(problem("time.precision.mode=structured").contains("3.7"));
}

#[test]
fn the_converters_of_numbers_are_known_by_their_classes() {
    let key = |class: &str| config(&format!("key.converter={class}")).encode.key;
    assert_eq!(key("org.apache.kafka.connect.converters.LongConverter"), Converter::Number(Number::Long));
    assert_eq!(key("Integer"), Converter::Number(Number::Integer));
    assert_eq!(key("BooleanConverter"), Converter::Number(Number::Boolean));
}

#[test]
fn strict_is_what_debezium_would_do() {
    assert!(!config("").route.strict && !config("debezium.compat=default").encode.strict);
    let strict = config("debezium.compat=strict");
    assert!(strict.route.strict && strict.encode.strict);

    let old_name = "transforms.outbox.table.fields.additional.error.on.missing=false";
    assert!(config(old_name).route.ignore_missing);
    let both = format!("debezium.compat=strict\n{old_name}");
    assert!(!config(&both).route.ignore_missing);
    assert!(notices(&both).iter().any(|notice| notice.contains("does not know it any more")));

    for property in ["table.field.event.key", "table.fields.additional.placement", "route.by.field"] {
        let empty = format!("transforms.outbox.{property}=");
        assert!(with(&empty).is_ok());
        assert!(problem(&format!("debezium.compat=strict\n{empty}")).contains("Debezium dies"));
    }

    let late = "transforms.outbox.route.topic.regex=My\ntransforms.outbox.route.topic.replacement=${x}";
    assert!(problem(late).contains("has no group"));
    let mut topic = String::new();
    let rule = config(&format!("debezium.compat=strict\n{late}")).route.topic;
    assert!(rule.apply("User", &mut topic).is_ok() && rule.apply("My", &mut topic).is_err());
}
