//! Which events have an order among each other: those of one table, route value and key, told by 16 bytes.

use ring::digest::{Context, SHA256};
use std::fmt::{self, Write as _};
use std::str::FromStr;

/// The first half of a SHA-256 over table, route value and key; in text, 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash([u8; 16]);

impl KeyHash {
    /// Of `schema.table`, the route column's text (`None`: NULL or no such column), and the key as a converter is given
    /// it.
    pub fn of(table: &str, route: Option<&[u8]>, key: &[u8]) -> KeyHash {
        let mut context = Context::new(&SHA256);
        context.update(table.as_bytes());
        // No text of Postgres has a zero byte.
        context.update(if route.is_some() { b"\0r" } else { b"\0n" });
        context.update(route.unwrap_or_default());
        context.update(b"\0");
        context.update(key);
        let mut half = [0; 16];
        half.copy_from_slice(&context.finish().as_ref()[..16]);
        KeyHash(half)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({self})")
    }
}

/// What was read is no such hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 32 hexadecimal digits")]
pub struct NoHash;

impl FromStr for KeyHash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<KeyHash, NoHash> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NoHash);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| NoHash)?;
        Ok(KeyHash(number.to_be_bytes()))
    }
}

/// For whoever writes it as a header.
pub(super) fn write(hash: KeyHash, out: &mut Vec<u8>) {
    let mut text = String::with_capacity(32);
    let _ = write!(text, "{hash}");
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_route_and_key_are_told_apart() {
        let all = [
            KeyHash::of("a.b", Some(b"order"), b"1"),
            KeyHash::of("a.c", Some(b"order"), b"1"),
            KeyHash::of("a.b", Some(b"customer"), b"1"),
            KeyHash::of("a.b", Some(b"order"), b"2"),
            KeyHash::of("a.b", Some(b""), b"1"),
            KeyHash::of("a.b", None, b"1"),
            KeyHash::of("a.b", Some(b"order"), b""),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = KeyHash::of("public.outbox", Some(b"order"), b"1");
        let text = hash.to_string();
        assert_eq!((text.len(), text.parse()), (32, Ok(hash)));
        for wrong in ["", &text[1..], &format!("{text}0"), &text.replace(&text[..1], "+")] {
            assert_eq!(wrong.parse::<KeyHash>(), Err(NoHash), "{wrong}");
        }
    }
}
