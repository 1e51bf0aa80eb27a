//! A checked cursor over one message: the only file that indexes raw message bytes.
//!
//! Enters: a message and its name. Leaves: integers, strings and byte ranges, or an [`Error`] that names the message,
//! the offset and what was expected there. Promised: no read reaches past the end, whatever the bytes say.

use super::Error;

/// Reads a message from front to back.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    message: &'a [u8],
    at: usize,
    name: &'static str,
}

/// Where a cell's bytes lie in their message. Made by a [`Reader`] that has checked it, or by who wrote the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    start: u32,
    end: u32,
}

impl Extent {
    /// From `start` to `end`; of what is longer than 4 GiB, the end is out of reach.
    pub(super) fn between(start: usize, end: usize) -> Extent {
        let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Extent { start: narrow(start), end: narrow(end) }
    }

    /// The bytes. `message` is the one the extent was read from; of any other, a shorter one gives nothing.
    pub(super) fn of(self, message: &[u8]) -> &[u8] {
        message.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl<'a> Reader<'a> {
    /// A reader at the type byte of `message`, which it returns; `named` gives the message's name for errors.
    pub(super) fn begin(
        message: &'a [u8],
        named: impl FnOnce(u8) -> &'static str,
    ) -> Result<(u8, Self), Error> {
        let mut reader = Reader { message, at: 0, name: "without a type" };
        // Extents are 32 bits wide, and so is the length of a protocol message.
        if u32::try_from(message.len()).is_err() {
            return Err(reader.error("a message longer than 4 GiB"));
        }
        let kind = reader.u8("the message type")?;
        reader.name = named(kind);
        Ok((kind, reader))
    }

    /// One byte.
    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, Error> {
        Ok(u8::from_be_bytes(self.array(what)?))
    }

    /// Two bytes, big endian.
    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, Error> {
        Ok(u16::from_be_bytes(self.array(what)?))
    }

    /// Four bytes, big endian, signed.
    pub(super) fn i32(&mut self, what: &'static str) -> Result<i32, Error> {
        Ok(i32::from_be_bytes(self.array(what)?))
    }

    /// Four bytes, big endian.
    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, Error> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }

    /// Eight bytes, big endian, signed.
    pub(super) fn i64(&mut self, what: &'static str) -> Result<i64, Error> {
        Ok(i64::from_be_bytes(self.array(what)?))
    }

    /// Eight bytes, big endian.
    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, Error> {
        Ok(u64::from_be_bytes(self.array(what)?))
    }

    /// A string that ends with a zero byte, which is read but not returned.
    pub(super) fn cstr(&mut self, what: &'static str) -> Result<&'a str, Error> {
        let rest = self.rest();
        let length = memchr::memchr(0, rest).ok_or_else(|| self.missing("the end of", what))?;
        let text = std::str::from_utf8(&rest[..length]).map_err(|_| {
            self.error(format!("{what} is not UTF-8: the session's client_encoding must be UTF8"))
        })?;
        self.at += length + 1;
        Ok(text)
    }

    /// Exactly `length` bytes.
    pub(super) fn bytes(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], Error> {
        let bytes = self.rest().get(..length).ok_or_else(|| self.missing("", what))?;
        self.at += length;
        Ok(bytes)
    }

    /// A length of four bytes, and where that many bytes lie.
    #[inline]
    pub(super) fn extent(&mut self, what: &'static str) -> Result<Extent, Error> {
        let length = self.i32(what)?;
        let length =
            usize::try_from(length).map_err(|_| self.error(format!("{what} has length {length}")))?;
        let start = self.at;
        self.bytes(length, what)?;
        // `begin` has seen that every offset of the message fits.
        Ok(Extent { start: start as u32, end: self.at as u32 })
    }

    /// Bytes not read yet.
    pub(super) fn remaining(&self) -> usize {
        self.message.len() - self.at
    }

    /// The message must end here.
    pub(super) fn end(self) -> Result<(), Error> {
        match self.remaining() {
            0 => Ok(()),
            surplus => Err(self.error(format!("{surplus} bytes after the end of the message"))),
        }
    }

    /// An error at this offset.
    #[cold]
    pub(super) fn error(&self, what: impl Into<String>) -> Error {
        Error { message: self.name.to_owned(), offset: self.at, what: what.into() }
    }

    #[cold]
    fn missing(&self, part: &str, what: &str) -> Error {
        let gap = if part.is_empty() { "" } else { " " };
        self.error(format!("{part}{gap}{what} is missing, {} bytes are left", self.remaining()))
    }

    #[inline]
    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        let bytes = self.rest().first_chunk::<N>().ok_or_else(|| self.missing("", what))?;
        self.at += N;
        Ok(*bytes)
    }

    fn rest(&self) -> &'a [u8] {
        &self.message[self.at..]
    }
}

/// A run of big-endian 32-bit integers; what is left over at the end is not one.
pub(super) fn u32s(bytes: &[u8]) -> impl ExactSizeIterator<Item = u32> + '_ {
    bytes.chunks_exact(4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(message: &[u8]) -> Reader<'_> {
        Reader::begin(message, |_| "Test").expect("there is a type byte").1
    }

    #[test]
    fn integers_are_big_endian() {
        let mut reader = reader(&[b'x', 1, 2, 3, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!(reader.u8("a").unwrap(), 1);
        assert_eq!(reader.u16("b").unwrap(), 0x0203);
        assert_eq!(reader.i32("c").unwrap(), -2);
        assert_eq!(reader.i64("d").unwrap(), 256);
        reader.end().unwrap();
    }

    #[test]
    fn an_error_names_message_offset_and_what_was_expected() {
        let mut reader = reader(&[b'x', 7, 0, 0]);
        reader.u8("the first").unwrap();
        let error = reader.u32("the table's OID").unwrap_err();
        assert_eq!(
            error.to_string(),
            "malformed pgoutput message Test: the table's OID is missing, 2 bytes are left at byte 2"
        );
        assert_eq!(reader.u16("the rest").unwrap(), 0, "a failed read takes nothing");
    }

    #[test]
    fn an_empty_message_is_an_error() {
        let error = Reader::begin(&[], |_| "Test").unwrap_err();
        assert_eq!((error.offset, &*error.message), (0, "without a type"));
    }

    #[test]
    fn strings_end_with_zero_and_are_utf8() {
        let mut reader = reader(b"xz\xc3\xbcrich\0\xff\0open");
        assert_eq!(reader.cstr("name").unwrap(), "zürich");
        assert!(reader.cstr("name").unwrap_err().what.contains("not UTF-8"));
        reader.bytes(2, "skipped").unwrap();
        assert_eq!(reader.cstr("name").unwrap_err().what, "the end of name is missing, 4 bytes are left");
    }

    #[test]
    fn an_extent_never_reaches_past_the_message() {
        let message = b"x\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\x03ab";
        let mut reader = reader(message);
        let extent = reader.extent("a value").unwrap();
        assert_eq!(extent.of(message), b"ab");
        assert_eq!(extent.of(b"short"), b"", "of a shorter message there is nothing");
        assert_eq!(reader.extent("a value").unwrap_err().what, "a value has length -1");
        assert_eq!(reader.extent("a value").unwrap_err().what, "a value is missing, 2 bytes are left");
    }

    #[test]
    fn bytes_after_the_end_are_an_error() {
        let mut reader = reader(b"x12");
        reader.u8("one").unwrap();
        assert_eq!(reader.end().unwrap_err().what, "1 bytes after the end of the message");
    }
}
