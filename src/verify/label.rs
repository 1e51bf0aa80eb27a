//! An event id or a key as it is kept and compared: a UUID in its 16 bytes, anything else as it is.
//!
//! Two of them have the same packed form exactly when their bytes are the same; of long keys, when 128 bits of their
//! SHA-256 are. A packed form tells where it ends.

use super::content;
use std::borrow::Cow;

const LONGEST: u8 = 250;
const NULL: u8 = 251;
const UUID: u8 = 252;
const LONG: u8 = 253;
const HASHED: u8 = 254;
/// Longer keys are kept as a hash.
const LONGEST_KEY: usize = 120;

/// Appends the packed form of an id; `None` is a header that is null.
pub fn pack(id: Option<&[u8]>, out: &mut Vec<u8>) {
    match id {
        None => out.push(NULL),
        Some(text) => match uuid(text) {
            Some(bytes) => {
                out.push(UUID);
                out.extend_from_slice(&bytes);
            }
            None if text.len() <= usize::from(LONGEST) => {
                out.push(text.len() as u8);
                out.extend_from_slice(text);
            }
            None => {
                out.push(LONG);
                out.extend_from_slice(&(text.len() as u32).to_le_bytes());
                out.extend_from_slice(text);
            }
        },
    }
}

/// Appends the packed form of a record's key.
pub fn pack_key(key: Option<&[u8]>, out: &mut Vec<u8>) {
    match key {
        Some(long) if long.len() > LONGEST_KEY => {
            out.push(HASHED);
            out.extend_from_slice(&content::hash(key));
        }
        key => pack(key, out),
    }
}

/// The packed form that comes first, and what comes after it.
pub fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let length = match *kind {
        NULL => 0,
        UUID | HASHED => 16,
        LONG => 4 + u32::from_le_bytes(*rest.first_chunk()?) as usize,
        length => usize::from(length),
    };
    bytes.split_at_checked(1 + length)
}

/// Whether it was null: an id that says nothing of which event it is.
pub fn is_null(packed: &[u8]) -> bool {
    packed == [NULL]
}

/// As it was, for people; `None` for null, and where only a hash was kept.
pub fn text(packed: &[u8]) -> Option<String> {
    let (kind, rest) = packed.split_first()?;
    let text: Cow<'_, str> = match *kind {
        NULL | HASHED => return None,
        UUID => {
            let hex: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
            let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range).unwrap_or_default());
            parts.join("-").into()
        }
        LONG => String::from_utf8_lossy(rest.get(4..).unwrap_or_default()),
        _ => String::from_utf8_lossy(rest),
    };
    Some(within_its_schema(&text).unwrap_or_else(|| text.into_owned()))
}

/// JsonConverter writes a header as `{"schema":…,"payload":"…"}`, or as a JSON string.
fn within_its_schema(text: &str) -> Option<String> {
    if !text.starts_with(['{', '"']) {
        return None;
    }
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let value = value.get("payload").unwrap_or(&value);
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// The bytes of a UUID that is written as Postgres writes it; any other form would not come back as it was.
fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    /// Where each byte's two digits are.
    const AT: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let text: &[u8; 36] = text.try_into().ok()?;
    if [8, 13, 18, 23].iter().any(|&at| text[at] != b'-') {
        return None;
    }
    let (mut bytes, mut seen) = ([0; 16], 0);
    for (byte, at) in bytes.iter_mut().zip(AT) {
        let [high, low] = [text[at], text[at + 1]].map(|digit| NIBBLES[usize::from(digit)]);
        seen |= high | low;
        *byte = (high << 4) | (low & 0xf);
    }
    (seen < NO_DIGIT).then_some(bytes)
}

/// More than any digit.
const NO_DIGIT: u8 = 0x10;

/// The value of each digit.
const NIBBLES: [u8; 256] = {
    let (mut nibbles, mut value) = ([NO_DIGIT; 256], 0);
    while value < 16 {
        nibbles[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    nibbles
};

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(id: Option<&str>) -> Vec<u8> {
        let mut out = Vec::new();
        pack(id.map(str::as_bytes), &mut out);
        out
    }

    #[test]
    fn ids_come_back_as_they_were_and_a_uuid_takes_17_bytes() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(packed(Some(id)).len(), 17);
        let long = "x".repeat(300);
        for id in [id, "", "17", "01890A5D-AC96-774B-BCCE-B302099A8057", "--------", "ü", &long] {
            assert_eq!(text(&packed(Some(id))).as_deref(), Some(id));
        }
        assert_eq!(text(&packed(None)), None);
        assert!(is_null(&packed(None)) && !is_null(&packed(Some(""))));
    }

    #[test]
    fn packed_forms_tell_where_they_end() {
        let long = "x".repeat(300);
        let ids =
            [Some("a"), None, Some(""), Some("01890a5d-ac96-774b-bcce-b302099a8057"), Some(long.as_str())];
        let mut all = Vec::new();
        ids.iter().for_each(|id| pack_key(id.map(str::as_bytes), &mut all));
        ids.iter().for_each(|id| pack(id.map(str::as_bytes), &mut all));
        let mut rest = all.as_slice();
        for (number, id) in ids.iter().chain(&ids).enumerate() {
            let (first, after) = split(rest).unwrap();
            // A long key is known by its hash.
            let expected = id.filter(|_| number != 4);
            assert_eq!(text(first).as_deref(), expected, "{number}");
            rest = after;
        }
        assert!(rest.is_empty() && split(rest).is_none() && split(&[5, 1]).is_none());
        let key = |text: &str| {
            let mut out = Vec::new();
            pack_key(Some(text.as_bytes()), &mut out);
            out
        };
        assert_ne!(key(&long), key(&"y".repeat(300)));
    }

    #[test]
    fn different_ids_are_packed_differently() {
        let upper = "01890A5D-AC96-774B-BCCE-B302099A8057";
        let misplaced = "01890a5dac96-774b-bcce-b302099a8057-";
        let spoilt = "01890a5d-ac96-774b-bcce-b302099a805g";
        let ids = [Some("a"), Some("b"), Some(""), None, Some(upper), Some(misplaced), Some(spoilt)];
        let lower = upper.to_lowercase();
        let forms: std::collections::BTreeSet<_> =
            ids.into_iter().chain([Some(lower.as_str())]).map(packed).collect();
        assert_eq!(forms.len(), 8);
    }

    #[test]
    fn what_json_converters_wrap_is_unwrapped_for_people() {
        let wrapped = r#"{"schema":{"type":"string","optional":false},"payload":"a\"b"}"#;
        assert_eq!(text(&packed(Some(wrapped))).as_deref(), Some("a\"b"));
        assert_eq!(text(&packed(Some(r#"{"schema":{"type":"int64"},"payload":7}"#))).as_deref(), Some("7"));
        assert_eq!(text(&packed(Some("{broken"))).as_deref(), Some("{broken"));
    }
}
