//! A position in the write-ahead log, as Postgres prints it.
//!
//! What enters and leaves: a 64-bit byte position; text as `16/B374D848` (manual, "pg_lsn Type"). No arithmetic
//! but the distance between two: adding to an LSN is how positions get lost.

use std::fmt;
use std::str::FromStr;

/// A byte position in the write-ahead log. `Lsn::ZERO` is Postgres's "invalid".
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(u64);

impl Lsn {
    /// `0/0`, which Postgres calls invalid and never gives to a record.
    pub const ZERO: Lsn = Lsn(0);

    /// The LSN at this byte position.
    pub const fn new(position: u64) -> Lsn {
        Lsn(position)
    }

    /// The byte position.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Bytes of WAL from `earlier` up to here; 0 when `earlier` is not earlier.
    pub const fn bytes_since(self, earlier: Lsn) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl fmt::Debug for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Lsn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Lsn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Lsn, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The text is not `X/Y` with two hexadecimal halves of at most 32 bits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an LSN: write two hexadecimal halves, as in 16/B374D848")]
pub struct ParseLsnError {
    text: String,
}

impl FromStr for Lsn {
    type Err = ParseLsnError;

    fn from_str(text: &str) -> Result<Lsn, ParseLsnError> {
        let half = |part: &str| {
            let hex = !part.is_empty() && part.bytes().all(|b| b.is_ascii_hexdigit());
            hex.then(|| u32::from_str_radix(part, 16).ok()).flatten()
        };
        text.split_once('/')
            .and_then(|(high, low)| Some(Lsn((u64::from(half(high)?) << 32) | u64::from(half(low)?))))
            .ok_or_else(|| ParseLsnError { text: text.to_owned() })
    }
}

/// A stretch of the log, as a person names it: `16/B374D848..16/B374D900`, or `16/B374D848..` for all that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LsnRange {
    /// Where it begins.
    pub from: Lsn,
    /// Where it ends; `None`: that is not known.
    pub to: Option<Lsn>,
}

impl fmt::Display for LsnRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", self.from)?;
        self.to.map_or(Ok(()), |to| write!(f, "{to}"))
    }
}

impl FromStr for LsnRange {
    type Err = String;

    fn from_str(text: &str) -> Result<LsnRange, String> {
        let range = text.split_once("..").and_then(|(from, to)| {
            let to = if to.is_empty() { None } else { Some(to.parse().ok()?) };
            Some(LsnRange { from: from.parse().ok()?, to })
        });
        range.ok_or_else(|| {
            format!("{text:?} is not a range: write it as it was named, as in 16/B374D848..16/B374D900")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_it_is_named() {
        for text in ["16/B374D848..16/B374D900", "0/0.."] {
            assert_eq!(text.parse::<LsnRange>().unwrap().to_string(), text);
        }
        for text in ["", "..", "0/0", "..0/0", "0/0..x", "0/0...0/1", "x..0/1"] {
            assert!(text.parse::<LsnRange>().unwrap_err().contains("as it was named"), "{text:?}");
        }
    }

    #[test]
    fn prints_and_reads_as_postgres_does() {
        assert_eq!("16/B374D848".parse::<Lsn>().unwrap().to_string(), "16/B374D848");
        assert_eq!("0/0".parse::<Lsn>().unwrap(), Lsn::ZERO);
        assert_eq!(Lsn::new(u64::MAX).to_string(), "FFFFFFFF/FFFFFFFF");
    }

    #[test]
    fn refuses_what_is_not_two_32_bit_halves() {
        for text in ["", "/", "1", "1/", "/1", "123456789/AAAA5555", "0/+1", "0/-1", "g/0", "0/0/0", " 0/0"] {
            assert!(text.parse::<Lsn>().is_err(), "{text:?}");
        }
    }
}
