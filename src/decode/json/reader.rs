//! The text, byte by byte: what is a value, a name, an escape. Nothing recurses, however deep the text goes.

use super::{Document, Node, Renaming, Span};

/// Jackson's `StreamReadConstraints`: containers within containers, digits of a number, UTF-16 units of a string and of
/// a name. More is not read.
const DEEPEST: usize = 1000;
const DIGITS_MOST: usize = 1000;
const STRING_MOST: usize = 20_000_000;
const NAME_MOST: usize = 50_000;

/// Reads a text into a document.
pub(super) struct Reader<'r> {
    pub(super) text: &'r [u8],
    pub(super) at: usize,
    pub(super) renaming: Renaming,
    pub(super) to: &'r mut Document,
}

/// Bytes at which plain reading of a string ends: the quote, the backslash, and control characters.
static STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    let mut control = 0;
    while control < 0x20 {
        stops[control] = true;
        control += 1;
    }
    stops[b'"' as usize] = true;
    stops[b'\\' as usize] = true;
    stops
};

impl Reader<'_> {
    /// Reads the first value. `None` when Jackson would refuse it.
    pub(super) fn read(&mut self) -> Option<()> {
        self.value()?;
        while let Some(&container) = self.to.open.last() {
            let is_object = matches!(self.to.node(container), Node::Object { .. });
            let is_first = self.to.nodes.len() == container as usize + 1;
            let mut next = self.peek()?;
            if next == if is_object { b'}' } else { b']' } {
                self.at += 1;
                self.close(container, is_object);
                continue;
            }
            if !is_first {
                if next != b',' {
                    return None;
                }
                self.at += 1;
                next = self.peek()?;
            }
            if is_object {
                self.name(next)?;
            }
            self.value()?;
        }
        Some(())
    }

    fn name(&mut self, next: u8) -> Option<()> {
        if next != b'"' {
            return None;
        }
        let name = self.string(NAME_MOST)?;
        let value = self.to.nodes.len() as u32 + 1;
        let renamed = self.rename(name);
        self.to.push(match renamed {
            None => Node::Name { name, value },
            Some(renamed) => Node::Renamed { original: name, name: renamed, value },
        });
        if self.peek()? != b':' {
            return None;
        }
        self.at += 1;
        self.peek().map(|_| ())
    }

    /// The name in the schema, where that is another.
    fn rename(&mut self, name: Span) -> Option<Span> {
        let start = self.to.decoded.len();
        let renamed = self.renaming.rename(self.to.bytes(self.text, name))?;
        self.to.decoded.extend_from_slice(renamed.as_bytes());
        self.to.renamed = true;
        Some(Span { start: start as u32, end: self.to.decoded.len() as u32, decoded: true })
    }

    fn close(&mut self, container: u32, is_object: bool) {
        if is_object {
            self.to.unite(self.text, container);
        }
        let end = self.to.nodes.len() as u32;
        let node = if is_object { Node::Object { end } } else { Node::Array { end } };
        self.to.nodes[container as usize] = node;
        self.to.open.pop();
    }

    /// The value at hand; of a container, its beginning.
    fn value(&mut self) -> Option<()> {
        let node = match *self.text.get(self.at)? {
            b'{' => return self.open(Node::Object { end: 0 }),
            b'[' => return self.open(Node::Array { end: 0 }),
            b'"' => Node::Text(self.string(STRING_MOST)?),
            b't' => self.word(b"true", Node::Boolean(true))?,
            b'f' => self.word(b"false", Node::Boolean(false))?,
            b'n' => self.word(b"null", Node::Null)?,
            _ => self.number()?,
        };
        self.to.push(node);
        Some(())
    }

    fn open(&mut self, node: Node) -> Option<()> {
        if self.to.open.len() == DEEPEST {
            return None;
        }
        self.at += 1;
        let index = self.to.push(node);
        self.to.open.push(index);
        Some(())
    }

    fn word(&mut self, word: &[u8], node: Node) -> Option<Node> {
        self.text[self.at..].starts_with(word).then(|| {
            self.at += word.len();
            node
        })
    }

    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.text.get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    fn number(&mut self) -> Option<Node> {
        let start = self.at;
        self.eat(|byte| byte == b'-');
        let mut digits = if self.eat(|byte| byte == b'0') { 1 } else { self.digits()? };
        let mut is_whole = true;
        if self.eat(|byte| byte == b'.') {
            is_whole = false;
            digits += self.digits()?;
        }
        if self.eat(|byte| matches!(byte, b'e' | b'E')) {
            is_whole = false;
            self.eat(|byte| matches!(byte, b'+' | b'-'));
            digits += self.digits()?;
        }
        if digits > DIGITS_MOST {
            return None;
        }
        let text = str::from_utf8(&self.text[start..self.at]).ok()?;
        let exact = self.to.exact;
        let span = Span { start: start as u32, end: self.at as u32, decoded: false };
        if !is_whole {
            return if exact { Some(Node::Number(span)) } else { text.parse().ok().map(Node::Double) };
        }
        Some(match text.parse::<i64>() {
            Ok(number) => i32::try_from(number).map_or(Node::Long(number), Node::Int),
            Err(_) if exact => Node::Number(span),
            Err(_) => {
                self.to.big = true;
                Node::Big
            }
        })
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
    fn string(&mut self, most: usize) -> Option<Span> {
        let start = self.at + 1;
        let stop = start + self.text[start..].iter().position(|&byte| STOPS[usize::from(byte)])?;
        let span = match self.text[stop] {
            b'"' => {
                self.at = stop + 1;
                Span { start: start as u32, end: stop as u32, decoded: false }
            }
            b'\\' => self.escaped(start, stop)?,
            _ => return None,
        };
        let bytes = self.to.bytes(self.text, span);
        (bytes.len() <= most || utf16_units(bytes) <= most).then_some(span)
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
                    let (start, end) = (from as u32, self.to.decoded.len() as u32);
                    return Some(Span { start, end, decoded: true });
                }
                b'\\' => plain = self.escape(at + 1)?,
                _ => return None,
            }
            at = plain + self.text[plain..].iter().position(|&byte| STOPS[usize::from(byte)])?;
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

/// How long Java would take the string to be.
fn utf16_units(bytes: &[u8]) -> usize {
    let units = |byte: &u8| match byte {
        0x80..0xc0 => 0,
        0xf0.. => 2,
        _ => 1,
    };
    bytes.iter().map(units).sum()
}
