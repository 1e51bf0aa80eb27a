//! What a record says beside its key, in 32 bytes: its value and its headers, each by a hash.
//!
//! Two that are equal are taken to be byte for byte the same: 128 bits of SHA-256 each.

use super::rows::ID;
use ring::digest::{SHA256, digest};

/// The first half of a SHA-256; of nothing at all (null, which is not empty), zeros.
pub type Digest = [u8; 16];

/// Headers that say nothing of the event: they differ from run to run, or count the replays of a dead letter.
const PASSING: &[&str] = &["__debezium.context.", "outbox.dlt."];

/// A record's value and headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Content {
    /// Of the value.
    pub value: Digest,
    /// Of all headers in order, but for those that say nothing of the event; of the event id it says that it is there:
    /// what it is, is compared itself.
    pub headers: Digest,
}

/// Hashes contents; keeps its memory between two.
#[derive(Debug, Default)]
pub struct Hasher {
    headers: Vec<u8>,
    /// Of the headers before, which are mostly the same.
    last: (Vec<u8>, Digest),
}

impl Hasher {
    /// The content of a record.
    pub fn content<'h>(
        &mut self,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>,
    ) -> Content {
        self.headers.clear();
        let is_passing = |name: &str| PASSING.iter().any(|passing| name.starts_with(passing));
        let mut ids = 0;
        for (name, value) in headers.filter(|(name, _)| !is_passing(name)) {
            self.sized(name.as_bytes());
            ids += usize::from(name == ID);
            match value {
                Some(_) if name == ID && ids == 1 => {}
                Some(value) => self.sized(value),
                None => self.headers.extend_from_slice(&u32::MAX.to_le_bytes()),
            }
        }
        let (last, digest) = &mut self.last;
        if *last != self.headers || last.is_empty() {
            *digest = hash(Some(&self.headers));
            last.clone_from(&self.headers);
        }
        Content { value: hash(value), headers: *digest }
    }

    fn sized(&mut self, bytes: &[u8]) {
        self.headers.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.headers.extend_from_slice(bytes);
    }
}

/// The hash of bytes that may be null.
pub fn hash(part: Option<&[u8]>) -> Digest {
    let mut half = Digest::default();
    if let Some(bytes) = part {
        half.copy_from_slice(&digest(&SHA256, bytes).as_ref()[..16]);
    }
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    type Header<'a> = (&'a str, Option<&'a [u8]>);

    fn content(value: Option<&str>, headers: &[Header<'_>]) -> Content {
        Hasher::default().content(value.map(str::as_bytes), headers.iter().copied())
    }

    #[test]
    fn each_part_is_told_from_the_other_and_null_from_empty() {
        let whole = content(Some("v"), &[("kind", Some(b"1"))]);
        assert_eq!(content(Some("v"), &[("kind", Some(b"1"))]), whole);
        let other = content(Some("w"), &[("kind", Some(b"1"))]);
        assert_eq!(other.headers, whole.headers);
        assert_ne!(other.value, whole.value);
        assert_ne!(content(None, &[]).value, content(Some(""), &[]).value);
        let others: [Option<Header<'_>>; 4] =
            [Some(("kind", None)), Some(("kind", Some(b""))), Some(("kin", Some(b"d1"))), None];
        for header in others {
            assert_ne!(content(Some("v"), header.as_slice()).headers, whole.headers, "{header:?}");
        }
    }

    #[test]
    fn the_event_id_counts_by_being_there_and_a_second_header_of_its_name_by_what_it_says() {
        let id = |id: &'static str| ("id", Some(id.as_bytes()));
        let one = content(None, &[id("1")]);
        assert_eq!(content(None, &[id("2")]), one);
        let others: [&[Header<'_>]; 4] =
            [&[], &[("id", None)], &[id("1"), id("1")], &[("kind", None), id("1")]];
        for headers in others {
            assert_ne!(content(None, headers), one, "{headers:?}");
        }
        assert_ne!(content(None, &[id("1"), id("1")]), content(None, &[id("1"), id("2")]));
    }

    #[test]
    fn what_was_hashed_before_changes_nothing() {
        let mut hasher = Hasher::default();
        let all: [&[Header<'_>]; 5] = [&[], &[("a", None)], &[("a", None)], &[], &[("b", Some(b"1"))]];
        for headers in all {
            let hashed = hasher.content(None, headers.iter().copied());
            assert_eq!(hashed, content(None, headers), "{headers:?}");
        }
    }

    #[test]
    fn headers_of_the_run_do_not_count_and_the_order_of_the_others_does() {
        let id: Header<'_> = ("id", Some(b"1"));
        let (run, kind): (Header<'_>, Header<'_>) =
            (("__debezium.context.runId", Some(b"x")), ("kind", Some(b"y")));
        assert_eq!(content(None, &[run, id, kind]), content(None, &[id, kind]));
        let count: Header<'_> = ("outbox.dlt.attempts", Some(b"2"));
        assert_eq!(content(None, &[id, kind, count]), content(None, &[id, kind]));
        assert_ne!(content(None, &[kind, id]), content(None, &[id, kind]));
    }
}
