//! The text, byte by byte: what is a value, a name, an escape. Nothing recurses, however deep the text goes.

use super::{Document, Node, Open, Renaming, Span, words};

/// Jackson's `StreamReadConstraints`: containers within containers, digits of a number, UTF-16 units of a string and of
/// a name. More is not read.
pub(super) const DEEPEST: usize = 1000;
const DIGITS_MOST: usize = 1000;
const STRING_MOST: usize = 20_000_000;
pub(super) const NAME_MOST: usize = 50_000;

/// A number of no more digits is within a double.
const DIGITS_NEAR: usize = 300;

/// Reads a text into a document.
pub(super) struct Reader<'r> {
    pub(super) text: &'r [u8],
    pub(super) at: usize,
    pub(super) renaming: Renaming,
    pub(super) to: &'r mut Document,
}

impl Reader<'_> {
    /// Reads the first value. `None` when Jackson would refuse it.
    pub(super) fn read(&mut self) -> Option<()> {
        let mut first = *self.text.get(self.at)?;
        // What closes the container at hand.
        let mut closes = 0;
        loop {
            if closes == b'}' {
                first = self.name(first)?;
            }
            match closing(first) {
                None => {
                    let node = self.scalar(first)?;
                    self.to.push(node);
                }
                Some(its) => {
                    self.open(its)?;
                    (first, closes) = (self.peek()?, its);
                    if first != its {
                        continue;
                    }
                }
            }
            // The ends of containers, and what is before the next value.
            loop {
                let Some(open) = self.to.open.last() else {
                    self.to.end = self.at;
                    return Some(());
                };
                closes = open.closes;
                let byte = self.peek()?;
                self.at += 1;
                if byte == b',' {
                    first = self.peek()?;
                    break;
                }
                if byte != closes {
                    return None;
                }
                self.close();
            }
        }
    }

    /// Passes what is before the value of a member; answers with which byte the value begins.
    fn name(&mut self, first: u8) -> Option<u8> {
        if first != b'"' {
            return None;
        }
        let name = self.string(NAME_MOST)?;
        self.mark(name);
        let value = self.to.nodes.len() as u32 + 1;
        let node = match self.renaming {
            Renaming::Never => Node::Name { name, value },
            _ => self.renamed(name, value)?,
        };
        self.to.push(node);
        if self.peek()? != b':' {
            return None;
        }
        self.at += 1;
        self.peek()
    }

    /// Notes the name in its object: two that are the same have the same mark.
    fn mark(&mut self, name: Span) {
        let mark = self.mark_of(name);
        let Some(open) = self.to.open.last_mut() else { return };
        match mark {
            Some(mark) => {
                open.again |= open.seen & mark != 0;
                open.seen |= mark;
            }
            None => open.again = true,
        }
    }

    /// A bit for the name; `None` when it had escapes.
    #[inline(always)]
    pub(super) fn mark_of(&self, name: Span) -> Option<u64> {
        if name.is_decoded() {
            return None;
        }
        let (start, end) = (name.start as usize, name.end as usize);
        let length = end - start;
        let word = match words::at(self.text, start) {
            Some(word) if length >= 8 => {
                word ^ words::at(self.text, end - 8).unwrap_or_default().rotate_left(29)
            }
            Some(word) => word & !(u64::MAX << (8 * length)),
            // At the very end of the text.
            None => self.text[start..end].iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        /// Of the golden ratio: its bits look like chance.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        Some(1 << ((word ^ length as u64).wrapping_mul(SPREAD) >> 58))
    }

    /// A member that may have another name in the schema.
    fn renamed(&mut self, original: Span, value: u32) -> Option<Node> {
        let start = self.to.decoded.len();
        let Some(renamed) = self.renaming.rename(self.to.bytes(self.text, original)) else {
            return Some(Node::Name { name: original, value });
        };
        self.to.decoded.extend_from_slice(renamed.as_bytes());
        self.to.renamed.push((value - 1, original));
        Some(Node::Renamed { name: Span::decoded(start, self.to.decoded.len())?, value })
    }

    fn open(&mut self, closes: u8) -> Option<()> {
        if self.to.open.len() == DEEPEST {
            return None;
        }
        self.at += 1;
        let node = if closes == b'}' { Node::Object { end: 0 } } else { Node::Array { end: 0 } };
        let index = self.to.push(node);
        self.to.open.push(Open { index, closes, again: false, seen: 0 });
        self.to.deepest = self.to.deepest.max(self.to.open.len());
        Some(())
    }

    fn close(&mut self) {
        let Some(Open { index, closes, again, .. }) = self.to.open.pop() else { return };
        if again {
            self.to.unite(self.text, index);
        }
        let end = self.to.nodes.len() as u32;
        let node = if closes == b'}' { Node::Object { end } } else { Node::Array { end } };
        self.to.nodes[index as usize] = node;
    }

    /// A value that is no container.
    #[inline(always)]
    pub(super) fn scalar(&mut self, first: u8) -> Option<Node> {
        match first {
            b'"' => self.string(STRING_MOST).map(Node::Text),
            b't' => self.word(b"true", Node::Boolean(true)),
            b'f' => self.word(b"false", Node::Boolean(false)),
            b'n' => self.word(b"null", Node::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &[u8], node: Node) -> Option<Node> {
        self.text[self.at..].starts_with(word).then(|| {
            self.at += word.len();
            node
        })
    }

    /// The next byte that is no blank.
    #[inline(always)]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.text.get(self.at)? {
                byte if byte > b' ' => return Some(byte),
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    fn number(&mut self) -> Option<Node> {
        let start = self.at;
        let is_negative = self.eat(|byte| byte == b'-');
        let (mut number, mut digits) = (0i64, 0);
        while let Some(digit) =
            self.text.get(self.at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
        {
            number = number.wrapping_mul(10).wrapping_add(i64::from(digit));
            (self.at, digits) = (self.at + 1, digits + 1);
            if (number, digits) == (0, 1) {
                // No other digits follow a zero.
                break;
            }
        }
        match self.text.get(self.at) {
            _ if digits == 0 => return None,
            Some(b'.' | b'e' | b'E') => return self.fraction(start, digits),
            _ => {}
        }
        // As many digits as always fit.
        if digits > 18 {
            return self.long(start, digits);
        }
        let number = if is_negative { -number } else { number };
        Some(i32::try_from(number).map_or(Node::Long(number), Node::Int))
    }

    /// A whole number of many digits, which are passed.
    fn long(&mut self, start: usize, digits: usize) -> Option<Node> {
        self.to.far |= digits > DIGITS_NEAR;
        if digits > DIGITS_MOST {
            return None;
        }
        let text = str::from_utf8(&self.text[start..self.at]).ok()?;
        Some(match text.parse::<i64>() {
            Ok(number) => Node::Long(number),
            Err(_) if self.to.exact => Node::Number(Span::new(start, self.at)),
            Err(_) => {
                self.to.big = true;
                Node::Big
            }
        })
    }

    /// A number that has a point or an exponent, which come next.
    fn fraction(&mut self, start: usize, whole: usize) -> Option<Node> {
        let mut digits = whole;
        if self.eat(|byte| byte == b'.') {
            digits += self.digits()?;
        }
        if self.eat(|byte| matches!(byte, b'e' | b'E')) {
            self.eat(|byte| matches!(byte, b'+' | b'-'));
            digits += self.digits()?;
            self.to.far = true;
        }
        self.to.far |= digits > DIGITS_NEAR;
        if digits > DIGITS_MOST {
            return None;
        }
        if self.to.exact {
            return Some(Node::Number(Span::new(start, self.at)));
        }
        str::from_utf8(&self.text[start..self.at]).ok()?.parse().ok().map(Node::Double)
    }

    fn eat(&mut self, is: impl FnOnce(u8) -> bool) -> bool {
        let eaten = self.text.get(self.at).is_some_and(|&byte| is(byte));
        self.at += usize::from(eaten);
        eaten
    }

    /// Passes digits, one at least, and counts them.
    fn digits(&mut self) -> Option<usize> {
        let rest = &self.text[self.at..];
        let count = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += count;
        (count > 0).then_some(count)
    }

    /// The string that begins with the quote at hand.
    #[inline(always)]
    pub(super) fn string(&mut self, most: usize) -> Option<Span> {
        let start = self.at + 1;
        let stop = self.stop(start)?;
        let span = match self.text[stop] {
            b'"' => {
                self.at = stop + 1;
                Span::new(start, stop)
            }
            b'\\' => self.escaped(start, stop)?,
            _ => return None,
        };
        let is_short = span.length() <= most || utf16_units(self.to.bytes(self.text, span)) <= most;
        is_short.then_some(span)
    }

    /// Where plain reading of a string ends: at the quote, a backslash or a control character.
    #[inline(always)]
    pub(super) fn stop(&self, from: usize) -> Option<usize> {
        let mut at = from;
        while let Some(word) = words::at(self.text, at) {
            let stops = words::stops(word);
            if stops != 0 {
                return Some(at + words::before(stops));
            }
            at += 8;
        }
        let is_stop = |byte: &u8| matches!(*byte, 0..0x20 | b'"' | b'\\');
        self.text.get(at..)?.iter().position(is_stop).map(|stop| at + stop)
    }

    /// A string that has escapes, the first of them at `stop`.
    fn escaped(&mut self, start: usize, stop: usize) -> Option<Span> {
        let from = self.to.decoded.len();
        let (mut plain, mut at) = (start, stop);
        loop {
            self.to.decoded.extend_from_slice(&self.text[plain..at]);
            match self.text[at] {
                b'"' => {
                    self.at = at + 1;
                    return Span::decoded(from, self.to.decoded.len());
                }
                b'\\' => plain = self.escape(at + 1)?,
                _ => return None,
            }
            at = self.stop(plain)?;
        }
    }

    /// Decodes the escape whose letter is at `at`, and says where it ends.
    fn escape(&mut self, at: usize) -> Option<usize> {
        let plain = match *self.text.get(at)? {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.unicode(at + 1),
            _ => return None,
        };
        self.to.decoded.push(plain);
        Some(at + 1)
    }

    /// Four hex digits; two escapes of half a surrogate pair each are one character.
    fn unicode(&mut self, at: usize) -> Option<usize> {
        let unit = self.hex(at)?;
        if let 0xd800..0xdc00 = unit
            && self.text.get(at + 4..at + 6) == Some(b"\\u")
            && let Some(low @ 0xdc00..0xe000) = self.hex(at + 6)
        {
            let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            self.character(char::from_u32(code)?);
            return Some(at + 10);
        }
        match char::from_u32(unit) {
            Some(character) => self.character(character),
            None => {
                self.to.unpaired = true;
                let low = |shift: u32| 0x80 | (unit >> shift & 0x3f) as u8;
                self.to.decoded.extend([0xe0 | (unit >> 12) as u8, low(6), low(0)]);
            }
        }
        Some(at + 4)
    }

    fn character(&mut self, character: char) {
        self.to.decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn hex(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4)?;
        digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
    }
}

/// What closes the container that this byte opens.
fn closing(first: u8) -> Option<u8> {
    match first {
        b'{' => Some(b'}'),
        b'[' => Some(b']'),
        _ => None,
    }
}

/// How long Java would take the string to be.
fn utf16_units(bytes: &[u8]) -> usize {
    let units = |byte: &u8| match byte {
        0x80..0xc0 => 0,
        0xf0.. => 2,
        _ => 1,
    };
    bytes.iter().map(units).sum()
}
