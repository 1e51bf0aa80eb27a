//! Schemas and payloads for property tests: made of choices, so that fewer of them make simpler ones.

use std::fmt::Write as _;

/// Choices that were made beforehand; the first of all things once there are no more.
pub(in crate::encode) struct Choices(std::vec::IntoIter<u16>);

/// A type, whatever the language.
#[derive(Clone, Debug)]
pub(in crate::encode) enum Kind {
    Bool,
    Int,
    Long,
    Double,
    Text,
    Bytes,
    Enum,
    Moment,
    List(Box<Kind>),
    Map(Box<Kind>),
    Record(Vec<Field>),
    /// It may be null.
    Maybe(Box<Kind>),
    /// Null, or the first of these that it fits.
    Any(Vec<Kind>),
}

/// A record's field.
#[derive(Clone, Debug)]
pub(in crate::encode) struct Field {
    pub(in crate::encode) name: String,
    pub(in crate::encode) kind: Kind,
    /// It may be missing.
    pub(in crate::encode) optional: bool,
}

/// How a payload is to be.
#[derive(Clone, Copy)]
pub(in crate::encode) struct Manner {
    /// It fits its schema, and there is nothing in it that is not written straight.
    pub(in crate::encode) tame: bool,
    /// Members that are not in the schema are no harm.
    pub(in crate::encode) others: bool,
    /// Names may be in camelCase.
    pub(in crate::encode) camel: bool,
}

impl Choices {
    pub(in crate::encode) fn new(choices: Vec<u16>) -> Choices {
        Choices(choices.into_iter())
    }

    /// One of so many.
    pub(in crate::encode) fn of(&mut self, count: usize) -> usize {
        usize::from(self.0.next().unwrap_or(0)) % count
    }

    fn one_of<'c>(&mut self, all: &[&'c str]) -> &'c str {
        all[self.of(all.len())]
    }

    /// It happens once in so many times.
    fn rarely(&mut self, count: usize) -> bool {
        self.of(count) == count - 1
    }
}

impl Kind {
    /// A record; `flat`: no lists of lists, and what may be null is a field.
    pub(in crate::encode) fn record(choices: &mut Choices, depth: usize, flat: bool) -> Kind {
        const NAMES: [&str; 6] =
            ["a", "id", "order_id", "fourteen_bytes", "a_name_of_more_than_sixteen_bytes", "x"];
        // Two names of one field are the same only where there is no underscore.
        let count = if choices.rarely(40) { 70 } else { choices.of(6) };
        let field = |number: usize| Field {
            name: format!("{}{number}", choices.one_of(&NAMES)),
            optional: choices.of(2) == 1,
            kind: Kind::any(choices, depth, flat, true),
        };
        Kind::Record((0..count).map(field).collect())
    }

    fn any(choices: &mut Choices, depth: usize, flat: bool, is_field: bool) -> Kind {
        let scalar = |choice| match choice {
            0 => Kind::Int,
            1 => Kind::Text,
            2 => Kind::Long,
            3 => Kind::Bool,
            4 => Kind::Double,
            5 => Kind::Bytes,
            6 => Kind::Enum,
            _ => Kind::Moment,
        };
        match choices.of(if depth == 0 { 8 } else { 14 }) {
            8 if is_field || !flat => Kind::List(Box::new(Kind::any(choices, depth - 1, flat, false))),
            9 if is_field || !flat => Kind::Map(Box::new(Kind::any(choices, depth - 1, flat, false))),
            10 if is_field && !flat => Kind::Maybe(Box::new(Kind::record(choices, depth - 1, flat))),
            11 if is_field && !flat => Kind::Maybe(Box::new(scalar(choices.of(8)))),
            12 if is_field && !flat => {
                Kind::Any(vec![Kind::Int, Kind::Text, Kind::record(choices, depth - 1, flat), Kind::Double])
            }
            choice @ 8.. => match choice % 2 {
                0 => scalar(choices.of(8)),
                _ => Kind::record(choices, depth - 1, flat),
            },
            choice => scalar(choice),
        }
    }

    /// A payload.
    pub(in crate::encode) fn payload(&self, choices: &mut Choices, manner: Manner) -> String {
        let mut out = String::new();
        self.value(choices, manner, &mut out);
        if manner.tame {
            return out;
        }
        let place = choices.of(out.len() + 1);
        let place = (0..=place).rev().find(|place| out.is_char_boundary(*place)).unwrap_or(0);
        match choices.of(8) {
            4 => out.push_str(" {\"more\""),
            5 => out.truncate(place),
            6 => out.insert_str(
                place,
                choices.one_of(&["{", "}", "[", "]", "\"", ",", ":", "\\", "0", " ", "\0", "é"]),
            ),
            7 => drop(out[place..].chars().next().map(|_| out.remove(place))),
            _ => {}
        }
        out
    }

    fn value(&self, choices: &mut Choices, manner: Manner, out: &mut String) {
        if !manner.tame && choices.rarely(24) {
            let odd = [
                "null",
                "1",
                "\"x\"",
                "{}",
                "[]",
                "[null]",
                "true",
                "nul",
                "-",
                "01",
                "{\"a\":1,}",
                "1e999",
                "\"\u{1}\"",
            ];
            return out.push_str(choices.one_of(&odd));
        }
        match self {
            Kind::Bool => out.push_str(choices.one_of(&["true", "false"])),
            Kind::Int => out.push_str(choices.one_of(&["7", "0", "-0", "-64", "63", "2147483647", "-2147483648"])),
            Kind::Long => out.push_str(choices.one_of(&[
                "3",
                "0",
                "-1",
                "2147483648",
                "9223372036854775807",
                "-9223372036854775808",
            ])),
            Kind::Double => out.push_str(choices.one_of(&["1.5", "0", "-0.0", "1e3", "12345678901234567890", "4"])),
            Kind::Text => out.push_str(choices.one_of(&[
                "\"\"",
                "\"abc\"",
                "\"Zürich\"",
                "\"eight...\"",
                "\"a \\\"b\\\" \\u00e9\\n\"",
                "\"\\ud83d\\ude00\"",
                "\"a text that is rather longer than all the others, so that its length is two bytes if it is all told\"",
            ])),
            Kind::Bytes => out.push_str(choices.one_of(&["\"\"", "\"AQI=\"", "\"AP+A\""])),
            Kind::Enum => out.push_str(choices.one_of(&["\"NONE\"", "\"SOME\"", "\"ALL\""])),
            Kind::Moment => {
                out.push_str(choices.one_of(&["\"2024-02-29T13:51:30.123Z\"", "\"1970-01-01T00:00:00+02:00\""]));
            }
            Kind::List(item) => {
                let count = if choices.rarely(16) { 130 } else { choices.of(3) };
                let item = |choices: &mut Choices, out: &mut String| item.value(choices, manner, out);
                listed(choices, "[]", (0..count).map(|_| item), out);
            }
            Kind::Map(value) => {
                let keys = ["k", "\u{fc}", "k"];
                let count = choices.of(if manner.tame { 2 } else { 4 });
                let member = |key: &'static str| {
                    move |choices: &mut Choices, out: &mut String| {
                        let _ = write!(out, "\"{key}\":");
                        value.value(choices, manner, out);
                    }
                };
                listed(choices, "{}", keys[..count].iter().map(|key| member(key)), out);
            }
            Kind::Record(fields) => self.members(fields, choices, manner, out),
            Kind::Maybe(kind) => match choices.of(3) {
                2 => out.push_str("null"),
                _ => kind.value(choices, manner, out),
            },
            Kind::Any(kinds) => match choices.of(kinds.len() + 1) {
                0 => out.push_str("null"),
                number => kinds[number - 1].value(choices, manner, out),
            },
        }
    }

    fn members(&self, fields: &[Field], choices: &mut Choices, manner: Manner, out: &mut String) {
        let mut order: Vec<&Field> = fields.iter().collect();
        order.retain(|field| !choices.rarely(6) || manner.tame && !field.optional);
        let half = order.len() / 2;
        // Of very many fields, the members come in their order.
        match choices.of(4) {
            1 if fields.len() < 60 => order.reverse(),
            2 if fields.len() < 60 => order.rotate_left(half),
            3 if fields.len() < 60 && order.len() > 2 => order.swap(0, 2),
            _ => {}
        }
        if !manner.tame && choices.rarely(12) && !order.is_empty() {
            order.insert(choices.of(order.len()), order[choices.of(order.len())]);
        }
        let members = order.into_iter().map(|field| {
            move |choices: &mut Choices, out: &mut String| {
                if (manner.others || !manner.tame) && choices.rarely(20) {
                    out.push_str("\"other\" : {\"a\":[1, {}, \"x\\n\"]} , ");
                }
                let camel = manner.camel && choices.of(3) > 0;
                let name = if camel { camel_case(&field.name) } else { field.name.clone() };
                match !manner.tame && choices.rarely(24) {
                    true => {
                        let (first, rest) = name.split_at(1);
                        let _ = write!(out, "\"\\u{:04x}{rest}\"", first.as_bytes()[0]);
                    }
                    false => {
                        let _ = write!(out, "\"{name}\"");
                    }
                }
                out.push_str(choices.one_of(&[":", ": ", "\n:\t"]));
                match field.optional && choices.rarely(6) {
                    true => out.push_str("null"),
                    false => field.kind.value(choices, manner, out),
                }
            }
        });
        listed(choices, "{}", members, out);
    }
}

/// Items between these signs.
fn listed<F: FnOnce(&mut Choices, &mut String)>(
    choices: &mut Choices,
    signs: &str,
    items: impl Iterator<Item = F>,
    out: &mut String,
) {
    out.push_str(&signs[..1]);
    out.push_str(choices.one_of(&["", " "]));
    for (number, item) in items.enumerate() {
        if number > 0 {
            out.push_str(choices.one_of(&[", ", ",", " ,\r\n"]));
        }
        item(choices, out);
    }
    out.push_str(&signs[1..]);
}

/// As Protobuf's JSON has a name.
fn camel_case(name: &str) -> String {
    let mut upper = false;
    let mut out = String::new();
    for letter in name.chars() {
        match letter {
            '_' => upper = true,
            letter if upper => {
                out.push(letter.to_ascii_uppercase());
                upper = false;
            }
            letter => out.push(letter),
        }
    }
    out
}
