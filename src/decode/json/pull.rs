//! A text read value by value, by who knows what to expect: no nodes, and nothing is looked at twice.
//!
//! Strings and numbers are those of the [`Reader`]. It is for texts that are as they mostly are: whoever meets anything else
//! begins anew with a [`Document`], which reads all that Jackson reads and knows of names that are there twice.

use super::reader::{DEEPEST, NAME_MOST, Reader};
use super::{Document, Node, Renaming, Span, Texts};

/// Longer texts are not read so, and no string of a shorter one is too long for Jackson.
const LONGEST: usize = 16 << 20;

/// A text, and how far it is read.
pub(crate) struct Pull<'p>(Reader<'p>);

/// The sixteen bytes at hand; zeros follow the end of the text.
pub(crate) type Here = u128;

/// A name as it stands in a text, with its quotes.
#[derive(Debug)]
pub(crate) struct Quoted {
    bytes: Box<[u8]>,
    /// The first sixteen of them, and which bits those are.
    begins: Here,
    counts: Here,
}

impl<'p> Pull<'p> {
    /// At the beginning of `text`. `None` when it is not to be read so.
    pub(crate) fn new(document: &'p mut Document, text: &'p [u8]) -> Option<Pull<'p>> {
        if text.len() > LONGEST {
            return None;
        }
        document.nodes.clear();
        document.open.clear();
        document.decoded.clear();
        document.decoded.shrink_to(1 << 20);
        (document.unpaired, document.deepest) = (false, 0);
        Some(Pull(Reader { text, at: 0, renaming: Renaming::Never, to: document }))
    }

    /// The byte with which the next value or sign begins.
    #[inline(always)]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        self.0.peek()
    }

    /// Enters the container that begins here: with which byte its first item begins. The inner `None`: it has none, and is
    /// passed.
    #[inline(always)]
    pub(crate) fn enter(&mut self, closes: u8) -> Option<Option<u8>> {
        self.0.at += 1;
        let byte = self.0.peek()?;
        self.0.at += usize::from(byte == closes);
        Some((byte != closes).then_some(byte))
    }

    /// Goes on to the container's next item, in the same way.
    #[inline(always)]
    pub(crate) fn next(&mut self, closes: u8) -> Option<Option<u8>> {
        let byte = self.0.peek()?;
        self.0.at += 1;
        match byte {
            b',' => self.0.peek().map(Some),
            byte => (byte == closes).then_some(None),
        }
    }

    /// Passes what stands between a name and its value: with which byte that begins.
    #[inline(always)]
    pub(crate) fn colon(&mut self) -> Option<u8> {
        if self.0.peek()? != b':' {
            return None;
        }
        self.0.at += 1;
        self.0.peek()
    }

    /// The value that begins here. `None` when it is none, or a container.
    #[inline(always)]
    pub(crate) fn scalar(&mut self, first: u8) -> Option<Node> {
        self.0.scalar(first)
    }

    /// The string that begins here, where there are no escapes in it. `None`: nothing is passed.
    #[inline(always)]
    pub(crate) fn plain(&mut self) -> Option<&'p [u8]> {
        let start = self.0.at + 1;
        let stop = self.0.stop(start)?;
        let text = self.0.text.get(start..stop).filter(|_| self.0.text[stop] == b'"')?;
        self.0.at = stop + 1;
        Some(text)
    }

    /// The whole number that begins with this byte, where it has no sign and is none of the longest. `None`: nothing is passed.
    #[inline(always)]
    pub(crate) fn whole(&mut self, first: u8) -> Option<i64> {
        let digit = |byte: u8| Some(byte.wrapping_sub(b'0')).filter(|digit| *digit < 10).map(i64::from);
        let mut number = digit(first)?;
        let mut rest = self.0.text.get(self.0.at + 1..)?.iter();
        let mut next = rest.next();
        while let Some(digit) = next.and_then(|byte| digit(*byte)) {
            number = number.wrapping_mul(10).wrapping_add(digit);
            next = rest.next();
        }
        let after = self.0.text.len() - rest.len() - usize::from(next.is_some());
        let count = after - self.0.at;
        let is_plain = count <= 18 && (count == 1 || first != b'0');
        if !is_plain || matches!(next, Some(b'.' | b'e' | b'E')) {
            return None;
        }
        self.0.at = after;
        Some(number)
    }

    /// The member's name that begins here.
    pub(crate) fn name(&mut self, first: u8) -> Option<Span> {
        if first == b'"' { self.0.string(NAME_MOST) } else { None }
    }

    /// Passes the value that begins here, in containers so many deep; all there is of it is looked at.
    pub(crate) fn skip(&mut self, depth: usize) -> Option<()> {
        self.0.read()?;
        self.0.to.nodes.clear();
        (self.0.to.deepest + depth <= DEEPEST).then_some(())
    }

    /// What strings stand for.
    #[inline(always)]
    pub(crate) fn texts(&self) -> Texts<'_> {
        Texts { document: self.0.to, text: self.0.text }
    }

    /// What is to be compared with names.
    #[inline(always)]
    pub(crate) fn here(&self) -> Here {
        let rest = self.0.text.get(self.0.at..).unwrap_or_default();
        match rest.first_chunk() {
            Some(sixteen) => Here::from_le_bytes(*sixteen),
            None => padded(rest),
        }
    }

    /// Whether this name is what stands here.
    #[inline(always)]
    pub(crate) fn is_at(&self, here: Here, name: &Quoted) -> bool {
        (here ^ name.begins) & name.counts == 0
            && (name.bytes.len() <= 16
                || self.0.text.get(self.0.at..).is_some_and(|rest| rest.starts_with(&name.bytes)))
    }

    /// Passes the name that stands here.
    #[inline(always)]
    pub(crate) fn pass(&mut self, name: &Quoted) {
        self.0.at += name.bytes.len();
    }

    /// A bit for the name; two that are the same have the same. `None` when it had escapes.
    pub(crate) fn mark(&self, name: Span) -> Option<u64> {
        self.0.mark_of(name)
    }
}

impl Quoted {
    /// `None` when the name does not stand so in any text, or would not be read.
    pub(crate) fn new(name: &str) -> Option<Quoted> {
        if name.len() > NAME_MOST || name.bytes().any(|byte| matches!(byte, 0..0x20 | b'"' | b'\\')) {
            return None;
        }
        let bytes: Box<[u8]> = format!("\"{name}\"").into_bytes().into();
        let most = bytes.len().min(16);
        Some(Quoted { begins: padded(&bytes[..most]), counts: padded(&[0xff; 16][..most]), bytes })
    }
}

/// The few bytes, and zeros after them.
#[cold]
fn padded(bytes: &[u8]) -> Here {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | Here::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_where_it_stands_and_nowhere_else() {
        let long = "a_name_of_more_than_sixteen_bytes";
        for name in ["", "a", "sku", "orderId", "sixbyte", "fourteen_bytes", "fifteen___bytes", "ü", long] {
            let quoted = Quoted::new(name).unwrap();
            for (text, is_there) in [
                (format!("\"{name}\""), true),
                (format!("\"{name}\": 1, \"other\": \"{name}\"}}"), true),
                (format!("\"{name}x\": 1, \"other\": \"{name}\"}}"), false),
                (format!("\"{name}"), false),
                (format!("\"x{name}\""), false),
                (String::new(), false),
            ] {
                let mut document = Document::exact();
                let pull = Pull::new(&mut document, text.as_bytes()).unwrap();
                assert_eq!(pull.is_at(pull.here(), &quoted), is_there, "{name} {text}");
            }
            let mut other = long.replace("bytes", "bytez");
            other.insert(0, '"');
            let mut document = Document::exact();
            let pull = Pull::new(&mut document, other.as_bytes()).unwrap();
            assert!(!pull.is_at(pull.here(), &quoted));
        }
        for name in ["a\"", "\\", "a\nb", "\0", &"a".repeat(50_001)] {
            assert!(Quoted::new(name).is_none());
        }
    }
    #[test]
    fn plain_strings_and_short_numbers_are_what_the_reader_reads_or_nothing() {
        let numbers = ["0", "7", "10", "999999999999999999", "2147483648"];
        let others = ["00", "01", "-1", "1.5", "1e3", "1E3", "1000000000000000000", "x", ""];
        for (text, is_read) in
            numbers.map(|text| (text, true)).into_iter().chain(others.map(|text| (text, false)))
        {
            for after in ["", ",", "}", " "] {
                let text = format!("{text}{after}");
                let mut document = Document::exact();
                let mut pull = Pull::new(&mut document, text.as_bytes()).unwrap();
                let number = pull.whole(text.as_bytes().first().copied().unwrap_or(0));
                assert_eq!(number.is_some(), is_read, "{text}");
                assert_eq!(pull.0.at, if is_read { text.len() - after.len() } else { 0 }, "{text}");
                let Some(number) = number else { continue };
                pull.0.at = 0;
                let node = pull.scalar(text.as_bytes()[0]);
                assert!(matches!(node, Some(Node::Int(_) | Node::Long(_))), "{text}");
                assert_eq!(number.to_string(), text.trim_end_matches([',', '}', ' ']));
            }
        }
        for (text, is_read) in [
            (r#""""#, true),
            (r#""abc":1"#, true),
            (r#""a string of some length": 1, "and": "more""#, true),
            (r#""a\"""#, false),
            ("\"a\nb\"", false),
            ("\"a", false),
        ] {
            let mut document = Document::exact();
            let mut pull = Pull::new(&mut document, text.as_bytes()).unwrap();
            let plain = pull.plain();
            assert_eq!(plain.is_some(), is_read, "{text}");
            let Some(plain) = plain else {
                assert_eq!(pull.0.at, 0, "{text}");
                continue;
            };
            let to = std::mem::take(&mut pull.0.at);
            let Some(Node::Text(span)) = pull.scalar(b'"') else { panic!("no string: {text}") };
            assert_eq!((pull.texts().bytes(span), pull.0.at), (plain, to), "{text}");
        }
    }
}
