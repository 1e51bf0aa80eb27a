//! Connect's JSON grammar → Raw: `{"name": …, "config": {…}}`, or the flat map.
//!
//! serde_json reads it; a walk over the two outer levels finds each key's line. Numbers and booleans count as their
//! text, as Connect takes them.

use super::catalog::connector;
use super::raw::{Fault, Written, without_twins};
use serde::de::IgnoredAny;

/// Members of the wrapped form that say nothing about the configuration.
const PASSED_OVER: &[&str] = &["initial_state", "tasks", "type"];

/// Key, value and line of each property; what is wrong with single members; or what is wrong with the whole.
pub(super) fn parse(bytes: &[u8]) -> Result<(Vec<Written>, Vec<Fault>), Fault> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        fault(line, "this is not UTF-8", "save the file as UTF-8")
    })?;
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        let what = error.to_string();
        let what = what.rsplit_once(" at line").map_or(what.as_str(), |(what, _)| what);
        return Err(fault(
            error.line(),
            &format!("this is not JSON: {what} (column {})", error.column()),
            "",
        ));
    }
    let Some(outer) = members(text, 0) else {
        return Err(fault(1, "a JSON object is expected", "write {\"name\": …, \"config\": {…}}"));
    };
    let mut faults = Vec::new();
    let config = outer.iter().find(|member| member.key == "config" && member.value(text).starts_with('{'));
    let flat = match config {
        None => outer,
        Some(config) => {
            let inner = members(text, config.from).unwrap_or_default();
            joined(text, &outer, inner, &mut faults)
        }
    };
    let mut written = Vec::new();
    for member in flat {
        match scalar(member.value(text)) {
            Ok(Some(value)) => written.push(Written { key: member.key, value, line: member.line }),
            Ok(None) => {}
            Err(what) => {
                faults.push(Fault { key: Some(member.key), ..fault(member.line, what, "write one text") })
            }
        }
    }
    Ok((without_twins(written, &mut faults), faults))
}

/// A member of an object: its key, the key's line, and where its value stands.
#[derive(Clone, Debug)]
struct Member {
    key: String,
    line: usize,
    from: usize,
    to: usize,
}

impl Member {
    fn value<'a>(&self, text: &'a str) -> &'a str {
        &text[self.from..self.to]
    }
}

/// The inner members, with the outer `name` among them.
fn joined(text: &str, outer: &[Member], mut inner: Vec<Member>, faults: &mut Vec<Fault>) -> Vec<Member> {
    let mut has_config = false;
    for member in outer {
        if member.key == connector::NAME.name {
            match inner.iter().find(|other| other.key == member.key) {
                None => inner.push(member.clone()),
                Some(other) if scalar(other.value(text)) == scalar(member.value(text)) => {}
                Some(other) => {
                    let what = format!("the two names, in line {} and here, differ", member.line);
                    let fault = fault(other.line, &what, "leave this one out");
                    faults.push(Fault { key: Some(member.key.clone()), ..fault });
                }
            }
        } else if member.key == "config" && !has_config {
            has_config = true;
        } else if !PASSED_OVER.contains(&member.key.as_str()) {
            let fault = fault(member.line, "it stands beside `config`", "move it into `config`");
            faults.push(Fault { key: Some(member.key.clone()), ..fault });
        }
    }
    inner
}

/// The members of the object that begins at `from`; `None` if something else begins there. `text` is valid JSON.
fn members(text: &str, from: usize) -> Option<Vec<Member>> {
    let mut at = skip_blanks(text, from);
    if !text[at..].starts_with('{') {
        return None;
    }
    at += 1;
    let mut found = Vec::new();
    loop {
        at = skip_blanks(text, at);
        match text.as_bytes().get(at)? {
            b'}' => return Some(found),
            b',' => at += 1,
            _ => {
                let key_at = at;
                let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<String>();
                let key = values.next()?.ok()?;
                at = skip_blanks(text, at + values.byte_offset()) + ":".len();
                at = skip_blanks(text, at);
                let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<IgnoredAny>();
                values.next()?.ok()?;
                let to = at + values.byte_offset();
                let line = 1 + text[..key_at].bytes().filter(|byte| *byte == b'\n').count();
                found.push(Member { key, line, from: at, to });
                at = to;
            }
        }
    }
}

fn skip_blanks(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    at + rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len()
}

/// A JSON value as a property's text; `None` for null, which is as if it were not written.
fn scalar(json: &str) -> Result<Option<String>, &'static str> {
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).map(Some).map_err(|_| "this is not a text"),
        Some(b'{') => Err("an object stands where a text is expected"),
        Some(b'[') => Err("an array stands where a text is expected"),
        Some(b'n') => Ok(None),
        _ => Ok(Some(json.to_owned())),
    }
}

fn fault(line: usize, what: &str, instead: &str) -> Fault {
    Fault { line, key: None, what: what.into(), instead: instead.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<(String, String, usize)>, Vec<Fault>) {
        let (written, faults) = parse(text.as_bytes()).expect("JSON");
        (written.into_iter().map(|it| (it.key, it.value, it.line)).collect(), faults)
    }

    fn row(key: &str, value: &str, line: usize) -> (String, String, usize) {
        (key.into(), value.into(), line)
    }

    #[test]
    fn the_wrapped_form_and_the_flat_one_say_the_same() {
        let (wrapped, faults) = read("{\n\"name\": \"a\",\n\"config\": {\n\"slot.name\": \"s\"}}");
        assert_eq!((wrapped, faults), (vec![row("slot.name", "s", 4), row("name", "a", 2)], vec![]));
        let (flat, faults) = read("{\"name\": \"a\",\n \"slot.name\": \"s\"\n}");
        assert_eq!((flat, faults), (vec![row("name", "a", 1), row("slot.name", "s", 2)], vec![]));
    }

    #[test]
    fn numbers_and_booleans_are_their_text_and_null_is_absent() {
        let (written, faults) =
            read(r#"{"a": 10000, "b": true, "c": null, "d": 1.50, "e": "x\u00e9\n\"y\""}"#);
        let expected =
            vec![row("a", "10000", 1), row("b", "true", 1), row("d", "1.50", 1), row("e", "xé\n\"y\"", 1)];
        assert_eq!((written, faults), (expected, vec![]));
    }

    #[test]
    fn a_key_has_the_line_it_stands_in() {
        let (written, _) =
            read("{\r\n\r\n  \"a\":\n\n \"1\", \"b\": \"x\\ny\",\n\"c\":\"{\\\"d\\\":\\n}\" }");
        assert_eq!(written.iter().map(|row| row.2).collect::<Vec<_>>(), [3, 5, 6]);
    }

    #[test]
    fn a_key_written_twice_is_a_fault_that_names_both_lines() {
        let (written, faults) = read("{\"a\": 1,\n\"b\": 2,\n\"a\": 3}");
        assert_eq!(written, vec![row("a", "1", 1), row("b", "2", 2)]);
        assert_eq!((faults[0].line, faults[0].key.as_deref()), (3, Some("a")));
        assert!(faults[0].what.contains("line 1"), "{faults:?}");
    }

    #[test]
    fn a_syntax_error_names_its_line() {
        let fault = parse(b"{\"a\": 1,\n\"b\" 2}").unwrap_err();
        assert_eq!(fault.line, 2);
        assert!(fault.what.contains("expected `:`"), "{}", fault.what);
        assert_eq!(parse(b"{\n\"a\": \"\xff\"}").unwrap_err().line, 2);
        assert!(parse(b"").is_err());
        assert!(parse(b"[1]").unwrap_err().what.contains("object"));
        assert!(parse(b"\"config\"").is_err());
    }

    #[test]
    fn a_value_that_is_not_one_text_is_a_fault() {
        let (_, faults) = read("{\"a\": [1],\n\"b\": {}}");
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_property_beside_config_is_a_fault() {
        let (_, faults) = read("{\"config\": {},\n \"slot.name\": \"s\", \"initial_state\": \"RUNNING\"}");
        assert_eq!(faults.len(), 1);
        assert_eq!((faults[0].line, faults[0].key.as_deref()), (2, Some("slot.name")));
    }

    #[test]
    fn two_names_must_be_one() {
        let (_, faults) = read("{\"name\": \"a\", \"config\": {\"name\": \"a\"}}");
        assert_eq!(faults, vec![]);
        let (_, faults) = read("{\"name\": \"a\", \"config\": {\n\"name\": \"b\"}}");
        assert_eq!(faults[0].line, 2);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\PC\n\"{}\\[\\]:,\\\\ 0-9a-z]{0,60}") {
            let _ = parse(text.as_bytes());
        }
    }
}
