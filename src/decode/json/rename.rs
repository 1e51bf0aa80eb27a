//! Member names that Avro does not know, made into others (`field.name.adjustment.mode` of the router).
//!
//! Debezium looks for the value of a member under its new name, and finds none: it is null. A digit that is none of
//! ASCII's and comes first is not kept behind its underscore, as it would be there.

/// How names are made over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Renaming {
    /// They are not.
    #[default]
    Never,
    /// `avro`: what is not a letter, digit or underscore is an underscore.
    Underscore,
    /// `avro_unicode`: what is not a letter or digit is its number in hex.
    Unicode,
}

impl Renaming {
    /// The other name; `None` when it is the same.
    pub(super) fn rename(self, name: &[u8]) -> Option<String> {
        if self == Renaming::Never || name.is_empty() {
            return None;
        }
        let is_legal = |index: usize, unit: u16| match u8::try_from(unit) {
            Ok(b'_') => self == Renaming::Underscore,
            Ok(byte) => byte.is_ascii_alphabetic() || index > 0 && byte.is_ascii_digit(),
            Err(_) => false,
        };
        let name = String::from_utf8_lossy(name);
        if name.encode_utf16().enumerate().all(|(index, unit)| is_legal(index, unit)) {
            return None;
        }
        let mut renamed = String::with_capacity(name.len() + 8);
        for (index, unit) in name.encode_utf16().enumerate() {
            let letter = u8::try_from(unit).map(char::from).unwrap_or_default();
            match self {
                _ if is_legal(index, unit) => renamed.push(letter),
                Renaming::Unicode if unit < 0x100 => renamed.push_str(&format!("_u00{unit:x}")),
                Renaming::Unicode => renamed.push_str(&format!("_u{unit:x}")),
                _ => {
                    renamed.push('_');
                    if letter.is_ascii_digit() {
                        renamed.push(letter);
                    }
                }
            }
        }
        Some(renamed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_over_as_debeziums_adjusters_do() {
        for (name, underscore, unicode) in [
            ("ab_1", None, Some("ab_u005f1")),
            ("Ab1", None, None),
            ("a-b", Some("a_b"), Some("a_u002db")),
            ("1x", Some("_1x"), Some("_u0031x")),
            ("test$", Some("test_"), Some("test_u0024")),
            ("a.b", Some("a_b"), Some("a_u002eb")),
            ("ü", Some("_"), Some("_u00fc")),
            ("日", Some("_"), Some("_u65e5")),
            ("😀", Some("__"), Some("_ud83d_ude00")),
            ("a\t", Some("a_"), Some("a_u009")),
            ("", None, None),
        ] {
            assert_eq!(Renaming::Underscore.rename(name.as_bytes()).as_deref(), underscore, "{name}");
            assert_eq!(Renaming::Unicode.rename(name.as_bytes()).as_deref(), unicode, "{name}");
            assert_eq!(Renaming::Never.rename(name.as_bytes()), None);
        }
    }
}
