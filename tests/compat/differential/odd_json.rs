//! JSON texts, ordinary and odd ones.

use super::generate::pick;
use crate::random::Random;

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "42",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "0.1",
    "1.10",
    "1.0",
    "1e2",
    "1E+2",
    "1e-7",
    "123456789.125",
    "12345678901234567890",
    "1e400",
    "-0",
    "-0.0",
    "0.001",
    "1e21",
    "4.35",
];
const STRINGS: &[&str] = &[
    "\"\"",
    "\"x\"",
    "\"q\\\"\\\\\"",
    "\"\\u00fc\"",
    "\"ü日\"",
    "\"\\ud83d\\ude00\"",
    "\"\\n\\t\"",
    "\"\\/\"",
    "\"{\\\"a\\\": 1}\"",
    "\"null\"",
];
const NAMES: &[&str] =
    &["a", "b", "c", "id", "name", "a-b", "1x", "ü", "payload", "a.b", "A", "_", "x y", "$"];
const BROKEN: &[&str] = &[
    " {\"a\":1}",
    "{\"a\":1} xyz",
    "{\"a\":1}{\"b\":2}",
    "{'a':1}",
    "{a:1}",
    "{\"a\":NaN}",
    "{\"a\":1",
    "{",
    "[",
    "[1,2",
    "{\"a\":01}",
    "{\"a\":1,}",
    "[1,]",
    "\u{feff}{\"a\":1}",
    "{\"a\":.5}",
    "{\"a\":+1}",
    "{\"a\":1.}",
    "{}}",
    "[]]",
    "{\"\":1}",
    "{\"a\":{\"\":1}}",
    "{\"a\":\"\t\"}",
    "{\"a\":/**/1}",
    "\"x\"",
    "7",
    "null",
    "true",
    "{\"a\":1}\n",
    "{\"a\":1,\"a\":\"x\"}",
    "{\"a\":1,\"b\":2,\"a\":null}",
    "[ ]",
    "{ }",
    "{\"a\":\"\\u0000\"}",
    "{\"a\":\"\\x\"}",
    "{\"a\":1e}",
    "{\"a\":tru}",
    "{\"a\" 1}",
    "[1 2]",
    "{\"a\":\"\\ud83d\"}",
    "{\"a\":-}",
    "[[]]",
    "[[],[1]]",
    "[null]",
];

/// A text for a column of JSON: what Postgres reads.
pub fn valid(random: &mut Random) -> String {
    let text = match random.below(10) {
        0 => array(random, 0),
        1 => value(random, 0),
        _ => object(random, 0),
    };
    if random.percent(25) { spaced(&text) } else { text }
}

/// A text for a column of text: not always JSON.
pub fn any(random: &mut Random) -> String {
    if random.percent(35) { (*pick(random, BROKEN)).to_owned() } else { valid(random) }
}

fn value(random: &mut Random, depth: u32) -> String {
    match random.below(if depth > 2 { 6 } else { 9 }) {
        0 | 1 => (*pick(random, NUMBERS)).to_owned(),
        2 | 3 => (*pick(random, STRINGS)).to_owned(),
        4 => (*pick(random, &["true", "false"])).to_owned(),
        5 => "null".to_owned(),
        6 => array(random, depth + 1),
        _ => object(random, depth + 1),
    }
}

fn object(random: &mut Random, depth: u32) -> String {
    let count = random.below(5);
    let member = |random: &mut Random| {
        let name = *pick(random, NAMES);
        format!("\"{name}\":{}", value(random, depth))
    };
    let members: Vec<String> = (0..count).map(|_| member(random)).collect();
    format!("{{{}}}", members.join(","))
}

/// Mostly of one kind, as Debezium wants it.
fn array(random: &mut Random, depth: u32) -> String {
    let count = random.below(4);
    let kind = random.below(if depth > 2 { 4 } else { 7 });
    let element = |random: &mut Random| match kind {
        _ if random.percent(8) => "null".to_owned(),
        0 => (*pick(random, NUMBERS)).to_owned(),
        1 => (*pick(random, &["1", "2", "-3"])).to_owned(),
        2 => (*pick(random, STRINGS)).to_owned(),
        3 => value(random, depth + 1),
        4 => array(random, depth + 1),
        _ => object(random, depth + 1),
    };
    let elements: Vec<String> = (0..count).map(|_| element(random)).collect();
    format!("[{}]", elements.join(","))
}

/// The same with blanks, which a column of json keeps; none within strings.
fn spaced(text: &str) -> String {
    let (mut spaced, mut inside, mut escaped) = (String::new(), false, false);
    for c in text.chars() {
        spaced.push(c);
        if c == '"' && !escaped {
            inside = !inside;
        }
        escaped = c == '\\' && !escaped;
        if !inside && matches!(c, ',' | ':' | '{' | '[') {
            spaced.push_str(" \n");
        }
    }
    spaced
}
