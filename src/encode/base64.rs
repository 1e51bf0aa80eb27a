//! Standard base64 with padding (RFC 4648, section 4), as `java.util.Base64.getEncoder` writes it.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the base64 of `bytes`.
pub(super) fn write(mut bytes: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
    while let Some(first) = bytes.next() {
        let (second, third) = (bytes.next(), bytes.next());
        let group =
            u32::from(first) << 16 | u32::from(second.unwrap_or(0)) << 8 | u32::from(third.unwrap_or(0));
        let digit = |shift: u32| ALPHABET[(group >> shift & 63) as usize];
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
    }
}
