//! `bytea` in hex, in other notations, and bit strings.

use super::Value;
use super::base64;
use super::modes::Binary;
use std::borrow::Cow;

/// The hex text of a `bytea` (`bytea_output=hex`), checked; decoded when and where it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HexText<'a> {
    digits: &'a [u8],
}

impl<'a> HexText<'a> {
    /// Checks the prefix and that digits come in pairs.
    pub fn new(text: &'a [u8]) -> Result<HexText<'a>, &'static str> {
        let digits = text.strip_prefix(b"\\x").ok_or("not in hex format")?;
        if !digits.len().is_multiple_of(2) {
            return Err("an odd number of hex digits");
        }
        // Without a branch per digit, so that it is done many digits at a time.
        match digits.iter().fold(true, |all, digit| all & digit.is_ascii_hexdigit()) {
            true => Ok(HexText { digits }),
            false => Err("not a hex digit"),
        }
    }

    /// Number of bytes it stands for.
    pub fn len(&self) -> usize {
        self.digits.len() / 2
    }

    /// It stands for no bytes.
    pub fn is_empty(&self) -> bool {
        self.digits.is_empty()
    }

    /// The bytes, one after another.
    pub fn bytes(&self) -> impl ExactSizeIterator<Item = u8> + use<'a> {
        self.digits.chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1]))
    }

    /// The bytes in a vector of their own.
    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes().collect()
    }
}

/// The value of an ASCII hex digit: letters have bit 6 set, and `a` ends in 1.
fn nibble(digit: u8) -> u8 {
    (digit & 0x0f) + 9 * (digit >> 6)
}

/// Bytes that are there as they are, as `bytea` of this notation has them.
pub fn of_bytes(bytes: &[u8], binary: Binary) -> Value<'_> {
    let mut digits = Vec::new();
    match binary {
        Binary::Bytes => return Value::Bytes(Cow::Borrowed(bytes)),
        Binary::Hex => digits.extend(bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit)),
        Binary::Base64 => base64::write_with(base64::STANDARD, bytes.iter().copied(), &mut digits),
        Binary::Base64UrlSafe => base64::write_with(base64::URL_SAFE, bytes.iter().copied(), &mut digits),
    }
    Value::Text(Cow::Owned(String::from_utf8_lossy(&digits).into_owned()))
}

fn hex_digit(nibble: u8) -> u8 {
    b"0123456789abcdef"[usize::from(nibble & 15)]
}

/// The notation of `binary`. `text` is what `hex` was read from, whose digits Java writes alike.
pub(super) fn text<'a>(hex: HexText<'a>, text: &'a str, binary: Binary) -> Cow<'a, str> {
    let alphabet = match binary {
        Binary::Bytes | Binary::Hex => return Cow::Borrowed(text.strip_prefix("\\x").unwrap_or(text)),
        Binary::Base64 => base64::STANDARD,
        Binary::Base64UrlSafe => base64::URL_SAFE,
    };
    let mut digits = Vec::with_capacity(hex.len().div_ceil(3) * 4);
    base64::write_with(alphabet, hex.bytes(), &mut digits);
    Cow::Owned(String::from_utf8(digits).unwrap_or_default())
}

/// A bit string as Java's `BitSet.toByteArray` gives it: the last bit is bit 0, and there are no bytes beyond the
/// highest bit that is set.
pub(super) fn bits(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut bytes = vec![0; text.len().div_ceil(8)];
    for (position, bit) in text.iter().rev().enumerate() {
        match bit {
            b'1' => bytes[position / 8] |= 1 << (position % 8),
            b'0' => {}
            _ => return Err("neither 0 nor 1"),
        }
    }
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(used);
    Ok(bytes)
}
