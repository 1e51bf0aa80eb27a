//! Arrays in their text form (manual, "Array Input and Output Syntax").

use super::{Kind, Value, read as read_element};
use std::borrow::Cow;

/// Reads an array of `element`; inner arrays of several dimensions become arrays in arrays.
pub(super) fn read<'a>(element: &Kind, text: &'a str) -> Result<Value<'a>, &'static str> {
    // A lower bound other than 1 is written in front: `[2:4]={…}`.
    let braces = match text.strip_prefix('[') {
        Some(bounds) => bounds.split_once("]={").map(|(_, rest)| &text[text.len() - rest.len() - 1..]),
        None => Some(text),
    };
    let mut reader = Reader { element, text: braces.ok_or("bounds without an array")?, at: 0 };
    let value = reader.array(0)?;
    match reader.at == reader.text.len() {
        true => Ok(value),
        false => Err("something after the closing brace"),
    }
}

/// Times of day in arrays are as fine as JDBC hands them to Debezium: to the millisecond, and with a zone to the second.
fn as_fine<'a>(element: &Kind, item: &'a str) -> Cow<'a, str> {
    let digits = match element {
        Kind::Time | Kind::MicroTime | Kind::NanoTime | Kind::ConnectTime | Kind::IsoTime => 3,
        Kind::ZonedTime => 0,
        _ => return Cow::Borrowed(item),
    };
    let Some((seconds, rest)) = item.split_once('.') else { return Cow::Borrowed(item) };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (fraction, zone) = rest.split_at(end);
    let kept = &fraction[..fraction.len().min(digits)];
    let point = if kept.is_empty() { "" } else { "." };
    Cow::Owned(format!("{seconds}{point}{kept}{zone}"))
}

/// Postgres allows no more dimensions than this (`MAXDIM`).
const DIMENSIONS_MOST: usize = 6;

struct Reader<'k, 'a> {
    element: &'k Kind,
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'_, 'a> {
    fn array(&mut self, depth: usize) -> Result<Value<'a>, &'static str> {
        if depth == DIMENSIONS_MOST {
            return Err("too many dimensions");
        }
        self.expect(b'{')?;
        let mut items = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            items.push(match self.peek() {
                Some(b'{') => self.array(depth + 1)?,
                Some(b'"') => self.quoted()?,
                _ => self.bare()?,
            });
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => break,
            }
        }
        self.expect(b'}')?;
        Ok(Value::Array(items))
    }

    fn bare(&mut self) -> Result<Value<'a>, &'static str> {
        let rest = &self.text[self.at..];
        let item = &rest[..rest.find([',', '}', '{', '"']).ok_or("an element without end")?];
        self.at += item.len();
        match item {
            "" => Err("an empty element without quotes"),
            _ if item.eq_ignore_ascii_case("null") => Ok(Value::Null),
            // Postgres quotes whatever has a backslash in it.
            _ => match as_fine(self.element, item) {
                Cow::Borrowed(item) => read_element(self.element, item.as_bytes()),
                Cow::Owned(item) => read_element(self.element, item.as_bytes()).map(Value::into_owned),
            },
        }
    }

    fn quoted(&mut self) -> Result<Value<'a>, &'static str> {
        self.expect(b'"')?;
        let rest = &self.text[self.at..];
        let plain = &rest[..rest.find(['"', '\\']).ok_or("a quote without end")?];
        if rest.as_bytes()[plain.len()] == b'"' {
            self.at += plain.len() + 1;
            return read_element(self.element, plain.as_bytes());
        }
        let mut item = String::with_capacity(rest.len().min(64));
        let mut characters = rest.char_indices();
        while let Some((offset, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += offset + 1;
                    return read_element(self.element, item.as_bytes()).map(Value::into_owned);
                }
                '\\' => item.push(characters.next().ok_or("a backslash at the end")?.1),
                other => item.push(other),
            }
        }
        Err("a quote without end")
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), &'static str> {
        if self.peek() != Some(byte) {
            return Err("not an array");
        }
        self.at += 1;
        Ok(())
    }
}
