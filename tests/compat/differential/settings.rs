//! What a connector has for all its tables, from a seed: type modes, converters, headers.

use super::case::Setting;
use super::generate::pick;
use crate::random::Random;

const KAFKA: &str = "org.apache.kafka.connect";

/// A connector's settings.
pub fn setting(random: &mut Random) -> Setting {
    let mut setting = Setting::new();
    converters(random, &mut setting);
    let modes: [(&str, &[&str]); 5] = [
        (
            "time.precision.mode",
            &["adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds"],
        ),
        ("decimal.handling.mode", &["double", "string"]),
        ("binary.handling.mode", &["base64", "base64-url-safe", "hex"]),
        ("interval.handling.mode", &["string"]),
        ("hstore.handling.mode", &["map"]),
    ];
    for (name, words) in modes {
        if random.percent(40) {
            setting.insert(name.into(), (*pick(random, words)).into());
        }
    }
    if random.percent(70) {
        setting.insert("extended.headers.enabled".into(), "false".into());
    }
    if random.percent(15) {
        setting.insert("skipped.operations".into(), (*pick(random, &["none", "u,t", "u,d,t"])).into());
    }
    setting.insert("topic.prefix".into(), (*pick(random, &["app", "my-app.v1"])).into());
    setting
}

fn converters(random: &mut Random, setting: &mut Setting) {
    let json = |random: &mut Random, place: &str, setting: &mut Setting| {
        setting.insert(place.into(), format!("{KAFKA}.json.JsonConverter"));
        if random.percent(55) {
            setting.insert(format!("{place}.schemas.enable"), "false".into());
        }
        if random.percent(25) {
            setting.insert(format!("{place}.decimal.format"), "NUMERIC".into());
        }
        if random.percent(25) {
            setting.insert(format!("{place}.replace.null.with.default"), "false".into());
        }
    };
    let binary = |random: &mut Random, place: &str, setting: &mut Setting| {
        setting.insert(place.into(), "io.debezium.converters.BinaryDataConverter".into());
        if random.percent(60) {
            let delegate = format!("{place}.delegate.converter.type");
            setting.insert(delegate.clone(), format!("{KAFKA}.json.JsonConverter"));
            setting.insert(format!("{delegate}.schemas.enable"), "false".into());
        }
    };
    let string = || format!("{KAFKA}.storage.StringConverter");
    match random.below(20) {
        0..10 => drop(setting.insert("key.converter".into(), string())),
        10..16 => json(random, "key.converter", setting),
        16 => binary(random, "key.converter", setting),
        17 => drop(setting.insert("key.converter".into(), format!("{KAFKA}.converters.ByteArrayConverter"))),
        _ => {
            let number = *pick(random, &["Long", "Integer", "Short", "Double", "Float", "Boolean"]);
            setting.insert("key.converter".into(), format!("{KAFKA}.converters.{number}Converter"));
        }
    }
    match random.below(20) {
        0..5 => drop(setting.insert("value.converter".into(), string())),
        5..17 => json(random, "value.converter", setting),
        17 => binary(random, "value.converter", setting),
        _ => drop(setting.insert("value.converter".into(), format!("{KAFKA}.converters.ByteArrayConverter"))),
    }
    match random.below(10) {
        0..6 => {}
        6 | 7 => drop(setting.insert("header.converter".into(), string())),
        _ => json(random, "header.converter", setting),
    }
}
