//! `hstore` text (manual, "hstore"), in the order in which a Java HashMap tells its entries.

use std::borrow::Cow;

/// An entry: key, and value or NULL.
pub(super) type Entry<'a> = (Cow<'a, str>, Option<Cow<'a, str>>);

/// Reads `"a"=>"1", "b"=>NULL`.
pub(super) fn entries(text: &str) -> Result<Vec<Entry<'_>>, &'static str> {
    let mut entries = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (key, after) = quoted(rest)?;
        rest = after.strip_prefix("=>").ok_or("a key without a value")?;
        let value = match rest.strip_prefix("NULL") {
            Some(after) => {
                rest = after;
                None
            }
            None => {
                let (value, after) = quoted(rest)?;
                rest = after;
                Some(value)
            }
        };
        entries.push((key, value));
        if !rest.is_empty() {
            rest = rest.strip_prefix(", ").ok_or("no comma between entries")?;
        }
    }
    as_a_hash_map(&mut entries, |(key, _)| key);
    Ok(entries)
}

/// Sorts entries as a Java HashMap tells them that was filled in this order.
pub fn as_a_hash_map<T>(entries: &mut [T], key: impl Fn(&T) -> &str) {
    let capacity = capacity(entries.len());
    entries.sort_by_key(|entry| hash(key(entry)) & (capacity - 1));
}

/// The entries as a JSON object, as Jackson writes one into a text.
pub(super) fn json(text: &str) -> Result<String, &'static str> {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('{');
    for (index, (key, value)) in entries(text)?.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        string(key, &mut json);
        json.push(':');
        match value {
            Some(value) => string(value, &mut json),
            None => json.push_str("null"),
        }
    }
    json.push('}');
    Ok(json)
}

fn quoted(text: &str) -> Result<(Cow<'_, str>, &str), &'static str> {
    let inside = text.strip_prefix('"').ok_or("no quote where one belongs")?;
    let plain = inside.find(['"', '\\']).ok_or("a quote without end")?;
    if inside.as_bytes()[plain] == b'"' {
        return Ok((Cow::Borrowed(&inside[..plain]), &inside[plain + 1..]));
    }
    let mut decoded = String::with_capacity(inside.len().min(64));
    let mut characters = inside.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((Cow::Owned(decoded), &inside[at + 1..])),
            '\\' => decoded.push(characters.next().ok_or("a backslash at the end")?.1),
            other => decoded.push(other),
        }
    }
    Err("a quote without end")
}

/// Buckets of a HashMap that grew to so many entries: it doubles when three quarters are passed.
fn capacity(entries: usize) -> u32 {
    let mut capacity = 16;
    while entries > capacity / 4 * 3 {
        capacity *= 2;
    }
    capacity as u32
}

/// `String.hashCode` as a HashMap spreads it.
fn hash(key: &str) -> u32 {
    let hash =
        key.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    hash ^ hash >> 16
}

fn string(text: &str, json: &mut String) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            '\u{8}' => json.push_str("\\b"),
            '\t' => json.push_str("\\t"),
            '\n' => json.push_str("\\n"),
            '\u{c}' => json.push_str("\\f"),
            '\r' => json.push_str("\\r"),
            control @ '\0'..' ' => json.push_str(&format!("\\u{:04X}", u32::from(control))),
            other => json.push(other),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hstore_is_an_object_in_the_order_of_its_hashes() {
        assert_eq!(json("").unwrap(), "{}");
        assert_eq!(json(r#""a"=>"1", "b"=>NULL"#).unwrap(), r#"{"a":"1","b":null}"#);
        // Buckets of 16: "p" is 0, "a" 1, "o" 15.
        assert_eq!(json(r#""a"=>"1", "o"=>"2", "p"=>"3""#).unwrap(), r#"{"p":"3","a":"1","o":"2"}"#);
        assert_eq!(json(r#""k\"\\"=>"v\\ =>\" x""#).unwrap(), r#"{"k\"\\":"v\\ =>\" x"}"#);
        for broken in ["\"a\"", "\"a\"=>", "\"a\"=>x", "a=>1", "\"a\"=>\"1\"\"b\"=>\"2\"", "\"a", "\"a\\"] {
            assert!(json(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_hash_map_doubles_when_three_quarters_are_passed() {
        assert_eq!([0, 12, 13, 24, 25].map(capacity), [16, 16, 32, 32, 64]);
        assert_eq!(hash("Aa"), hash("BB"), "as in Java");
        let text: Vec<String> = (0..20).map(|n| format!(r#""key{n}"=>"{n}""#)).collect();
        let text = text.join(", ");
        let order: Vec<String> =
            entries(&text).unwrap().iter().map(|(_, n)| n.as_deref().unwrap().into()).collect();
        let java = [1, 2, 0, 5, 6, 3, 4, 9, 7, 8, 11, 10, 15, 14, 13, 12, 19, 18, 17, 16];
        assert_eq!(order, java.map(|n| n.to_string()));
    }
}
