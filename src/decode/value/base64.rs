//! Base64 with padding (RFC 4648), as `java.util.Base64` writes it.

/// Which digits stand for 62 and 63.
pub type Alphabet = [u8; 64];

/// `+` and `/`: `getEncoder`.
pub const STANDARD: &Alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// `-` and `_`: `getUrlEncoder`.
pub const URL_SAFE: &Alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Appends the base64 of `bytes`.
pub fn write(bytes: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
    write_with(STANDARD, bytes, out);
}

/// Appends the base64 of `bytes` in the digits of `alphabet`.
pub fn write_with(alphabet: &Alphabet, mut bytes: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
    while let Some(first) = bytes.next() {
        let (second, third) = (bytes.next(), bytes.next());
        let group =
            u32::from(first) << 16 | u32::from(second.unwrap_or(0)) << 8 | u32::from(third.unwrap_or(0));
        let digit = |shift: u32| alphabet[(group >> shift & 63) as usize];
        out.push(digit(18));
        out.push(digit(12));
        out.push(if second.is_some() { digit(6) } else { b'=' });
        out.push(if third.is_some() { digit(0) } else { b'=' });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_examples_of_the_rfc() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = Vec::new();
            write(plain.bytes(), &mut out);
            assert_eq!(out, encoded.as_bytes());
        }
        let mut out = Vec::new();
        write([0xff, 0xef, 0xbe].into_iter(), &mut out);
        assert_eq!(out, b"/+++");
        out.clear();
        write_with(URL_SAFE, [0xff, 0xef, 0xbe].into_iter(), &mut out);
        assert_eq!(out, b"_---");
    }
}
