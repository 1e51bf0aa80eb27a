//! The file in which Debezium Server and a standalone worker keep offsets: a `HashMap<byte[], byte[]>` as Java serialises it.
//!
//! Written by Kafka's `FileOffsetBackingStore`. The form is that of the "Java Object Serialization Specification", chapter
//! 6; of it, only what this one object can have is read and written.

/// Magic and version, the class and its two fields.
const HEAD: &[u8] =
    b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap\x05\x07\xda\xc1\xc3\x16\x60\xd1\x03\x00\x02\
                      F\x00\x0aloadFactorI\x00\x09thresholdxp";
/// Load factor 0.75, as every map has it that nobody gave another.
const LOAD_FACTOR: &[u8] = &[0x3f, 0x40, 0, 0];
/// A block of eight bytes follows: capacity and size.
const BLOCK: &[u8] = &[0x77, 8];
/// An array whose class is described here, or was before (it is the third thing that got a number).
const ARRAY: &[u8] = b"ur\x00\x02[B\xac\xf3\x17\xf8\x06\x08\x54\xe0\x02\x00\x00xp";
const ARRAY_AGAIN: &[u8] = b"uq\x00\x7e\x00\x02";
const NULL: u8 = b'p';
const END: u8 = b'x';

/// Key and value; a value may be null.
pub type Entry = (Vec<u8>, Option<Vec<u8>>);

/// Reads a map; the error says what is not as it should be.
pub fn parse(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let mut rest = Rest(bytes);
    rest.expect(HEAD, "the header of a java.util.HashMap")?;
    rest.take(LOAD_FACTOR.len() + 4)?;
    rest.expect(BLOCK, "the map's size")?;
    rest.take(4)?;
    let size = rest.number()?;
    let mut entries = Vec::new();
    for _ in 0..size {
        let key = rest.array()?.ok_or("it has an entry without a key")?;
        entries.push((key, rest.array()?));
    }
    rest.expect(&[END], "the map's end")?;
    Ok(entries)
}

/// Writes a map.
pub fn write(entries: &[Entry]) -> Vec<u8> {
    // As a HashMap sizes itself: a power of two that is filled to three quarters at most.
    let mut capacity = 16_usize;
    while capacity * 3 / 4 < entries.len() {
        capacity *= 2;
    }
    let mut bytes = [HEAD, LOAD_FACTOR].concat();
    put(&mut bytes, capacity * 3 / 4);
    bytes.extend(BLOCK);
    put(&mut bytes, capacity);
    put(&mut bytes, entries.len());
    let mut array = ARRAY;
    for (key, value) in entries {
        for part in [Some(key), value.as_ref()] {
            let Some(part) = part else {
                bytes.push(NULL);
                continue;
            };
            bytes.extend(std::mem::replace(&mut array, ARRAY_AGAIN));
            put(&mut bytes, part.len());
            bytes.extend(part);
        }
    }
    bytes.push(END);
    bytes
}

/// A Java int; no offset is so long that it would not fit.
fn put(bytes: &mut Vec<u8>, number: usize) {
    bytes.extend(u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn expect(&mut self, expected: &[u8], what: &str) -> Result<(), String> {
        self.0 = self.0.strip_prefix(expected).ok_or_else(|| format!("{what} is not where it should be"))?;
        Ok(())
    }

    fn number(&mut self) -> Result<usize, String> {
        let bytes = self.take(4)?.first_chunk::<4>().ok_or("it ends too early")?;
        Ok(u32::from_be_bytes(*bytes) as usize)
    }

    fn array(&mut self) -> Result<Option<Vec<u8>>, String> {
        if let Some(rest) = self.0.strip_prefix(&[NULL]) {
            self.0 = rest;
            return Ok(None);
        }
        let class = [ARRAY, ARRAY_AGAIN].into_iter().find(|class| self.0.starts_with(class));
        self.expect(class.unwrap_or(ARRAY), "an array of bytes")?;
        let length = self.number()?;
        self.take(length).map(|bytes| Some(bytes.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Java 17 wrote it: one entry, `k` → `vv`.
    const BY_JAVA: &str = "aced0005737200116a6176612e7574696c2e486173684d61700507dac1c31660d103000246000a6c6f6164466163746f72\
                           4900097468726573686f6c6478703f4000000000000c7708000000100000000175720002\
                           5b42acf317f8060854e00200007870000000016b7571007e0002000000027676\
                           78";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<char> = hex.chars().filter(char::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(&String::from_iter(pair), 16).unwrap()).collect()
    }

    #[test]
    fn a_map_is_read_and_written_as_java_does() {
        let java = bytes(BY_JAVA);
        let entries = parse(&java).unwrap();
        assert_eq!(entries, [(b"k".to_vec(), Some(b"vv".to_vec()))]);
        assert_eq!(write(&entries), java);
    }

    #[test]
    fn many_entries_and_none_read_back_as_they_were_written() {
        for size in [0, 1, 12, 13, 100] {
            let entry = |n: usize| (vec![n as u8; n], (!n.is_multiple_of(3)).then(|| vec![7; n * 5]));
            let entries: Vec<Entry> = (0..size).map(entry).collect();
            assert_eq!(parse(&write(&entries)), Ok(entries), "{size}");
        }
    }

    #[test]
    fn what_ends_too_early_or_is_something_else_is_an_error() {
        let java = bytes(BY_JAVA);
        for length in 0..java.len() {
            assert!(parse(&java[..length]).is_err(), "{length}");
        }
        assert!(parse(b"{\"offset\": 1}").unwrap_err().contains("java.util.HashMap"));
    }
}
