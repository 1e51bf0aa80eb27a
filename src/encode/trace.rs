//! A trace context as applications leave it in an outbox row, and the headers that pass it on (W3C Trace Context).
//!
//! Enters: the column's text: Java properties (`Properties.store`, as Debezium's outbox extension for Quarkus writes
//! them), a JSON object, or a `traceparent` alone. Leaves: the values of three headers. No span is made here: whoever
//! consumes the event goes on where its writer was.

use std::borrow::Cow;

/// What a row says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Trace<'t> {
    parent: Cow<'t, str>,
    state: Option<Cow<'t, str>>,
    baggage: Option<Cow<'t, str>>,
}

impl<'t> Trace<'t> {
    /// The headers, in the order they have.
    pub(super) const HEADERS: [&'static str; 3] = ["traceparent", "tracestate", "baggage"];

    /// `None` when there is no context that could be passed on.
    pub(super) fn read(text: &'t str) -> Option<Trace<'t>> {
        let text = text.trim();
        let trace = match text.as_bytes().first()? {
            b'{' => Trace::of_json(text)?,
            b'0'..=b'9' | b'a'..=b'f' if is_parent(text) => {
                Trace { parent: Cow::Borrowed(text), ..Trace::default() }
            }
            _ => Trace::of_properties(text),
        };
        is_parent(&trace.parent).then_some(trace)
    }

    /// The headers' values.
    pub(super) fn values(&self) -> [Option<&str>; 3] {
        [Some(&self.parent), self.state.as_deref(), self.baggage.as_deref()]
    }

    fn of_json(text: &str) -> Option<Trace<'t>> {
        let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
        let mut trace = Trace::default();
        for (name, value) in members {
            if let serde_json::Value::String(value) = value {
                trace.take(&name, Cow::Owned(value));
            }
        }
        Some(trace)
    }

    fn of_properties(text: &'t str) -> Trace<'t> {
        let mut trace = Trace::default();
        for line in text.lines().map(str::trim_start).filter(|line| !line.starts_with(['#', '!'])) {
            if let Some((name, value)) = line.split_once(['=', ':']) {
                trace.take(name.trim(), plain(value.trim()));
            }
        }
        trace
    }

    fn take(&mut self, name: &str, value: Cow<'t, str>) {
        match name {
            _ if value.is_empty() => {}
            "traceparent" => self.parent = value,
            "tracestate" => self.state = Some(value),
            "baggage" => self.baggage = Some(value),
            _ => {}
        }
    }
}

/// A property's value without its escapes: `Properties.store` writes `a\=b` for `a=b`.
fn plain(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut plain = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    Cow::Owned(plain)
}

/// `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`; a later version may have more behind it.
fn is_parent(text: &str) -> bool {
    let mut parts = text.splitn(5, '-');
    let mut hex = |length: usize| {
        let part = parts.next().unwrap_or_default();
        let is_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        (part.len() == length && part.bytes().all(is_hex)).then_some(part)
    };
    let is_some = |id: &str| id.bytes().any(|byte| byte != b'0');
    match (hex(2), hex(32), hex(16), hex(2)) {
        (Some(version), Some(trace), Some(span), Some(_)) => {
            let further = parts.next();
            is_some(trace) && is_some(span) && version != "ff" && (version != "00" || further.is_none())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn values(text: &str) -> Option<Vec<String>> {
        let trace = Trace::read(text)?;
        Some(trace.values().into_iter().flatten().map(str::to_owned).collect())
    }

    #[test]
    fn a_context_is_read_from_properties_json_or_as_it_is() {
        let alone = Some(vec![PARENT.to_owned()]);
        assert_eq!(values(PARENT), alone);
        assert_eq!(values(&format!(" {PARENT}\n")), alone);
        let stored = format!("#\n#Tue Mar 03 10:00:00 UTC 2026\ntraceparent={PARENT}\n");
        assert_eq!(values(&stored), alone);
        let three = Some(vec![PARENT.to_owned(), "a=b,c=d:e".to_owned(), "user=x".to_owned()]);
        let stored =
            format!("baggage=user\\=x\r\ntracestate=a\\=b,c\\=d\\:e\r\ntraceparent={PARENT}\r\nother=1");
        assert_eq!(values(&stored), three);
        let json = format!(
            r#"{{"tracestate": "a=b,c=d:e", "traceparent": "{PARENT}", "n": 1, "baggage": "user=x"}}"#
        );
        assert_eq!(values(&json), three);
    }

    #[test]
    fn what_is_no_context_is_nothing() {
        for text in [
            "",
            " ",
            "hello",
            "{",
            "{}",
            "[]",
            "tracestate=a",
            "traceparent=",
            "traceparent=x",
            r#"{"traceparent": 1}"#,
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert_eq!(values(text), None, "{text}");
        }
        assert!(values("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").is_some());
    }
}
