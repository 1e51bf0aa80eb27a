//! JSON text read into one flat list of nodes, taking and refusing what Jackson takes and refuses.
//!
//! Enters: a text that begins with `{` or `[`. Leaves: nodes in the order of the text, each container with where it ends.
//! What follows the first value is not looked at, as Jackson does not. The list is filled again for each event: nothing
//! is allocated once it has grown. Nothing recurses here, however deep the text goes.

mod pull;
mod reader;
mod rename;
mod texts;
pub(crate) mod words;

pub(crate) use pull::{Here, Pull, Quoted};
pub use rename::Renaming;
pub(crate) use texts::Texts;

use reader::Reader;
use std::fmt;

/// Objects of more members have their names sorted to find one that is there twice.
const FEW: usize = 16;

/// Where a string lies: in the text as it came or, where it had escapes, among the decoded ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// With [`Span::DECODED`] when it had escapes.
    start: u32,
    end: u32,
}

/// One value, or the name before one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Node {
    Null,
    Boolean(bool),
    /// A whole number that fits 32 bits.
    Int(i32),
    /// One that fits 64.
    Long(i64),
    /// One that does not.
    Big,
    /// Whatever has a point or an exponent.
    Double(f64),
    /// Where numbers are left as they are: one that is not [`Node::Int`] or [`Node::Long`].
    Number(Span),
    Text(Span),
    /// Its items follow, up to the node of this index.
    Array {
        end: u32,
    },
    /// Its members follow, name and value in turn, up to the node of this index.
    Object {
        end: u32,
    },
    /// A member. Its value is the node of this index: the next one, unless the name comes again later.
    Name {
        name: Span,
        value: u32,
    },
    /// A member that has another name in the schema, under which its value is not found again.
    Renamed {
        name: Span,
        value: u32,
    },
    /// A member whose name was there before; the earlier one has its value.
    Again,
}

/// A text's nodes. Its `Debug` shows no content.
#[derive(Default)]
pub(crate) struct Document {
    nodes: Vec<Node>,
    /// Strings that had escapes. A surrogate without its other half is three bytes, as UTF-8 would have it.
    decoded: Vec<u8>,
    /// There is such a surrogate.
    unpaired: bool,
    /// There is a [`Node::Big`].
    big: bool,
    /// Some number has an exponent, or very many digits: it may be beyond a double.
    far: bool,
    /// Of each [`Node::Renamed`], its index and the name that it came with.
    renamed: Vec<(u32, Span)>,
    /// Numbers are left as they are.
    exact: bool,
    /// Containers that are not closed yet.
    open: Vec<Open>,
    /// Names of the object at hand.
    names: Vec<u32>,
    /// How many containers were open at once, at most.
    deepest: usize,
    /// Where the first value ends in the text.
    end: usize,
}

/// A container that is not closed yet.
#[derive(Clone, Copy)]
struct Open {
    /// Its node.
    index: u32,
    /// The byte that closes it.
    closes: u8,
    /// Some name may be there twice.
    again: bool,
    /// The marks of the names so far.
    seen: u64,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} nodes)", self.nodes.len())
    }
}

impl Document {
    /// One that leaves numbers as they are, but for whole ones of 64 bits.
    pub(crate) fn exact() -> Document {
        Document { exact: true, ..Document::default() }
    }

    /// Reads `text`. `None` when Jackson would refuse it.
    pub(crate) fn read(&mut self, text: &[u8], renaming: Renaming) -> Option<()> {
        self.clear();
        if text.len() >= Span::DECODED as usize {
            return None;
        }
        Reader { text, at: 0, renaming, to: self }.read()
    }

    fn clear(&mut self) {
        /// Nodes that are kept for the next event: about a megabyte.
        const KEPT: usize = 40_000;
        self.nodes.clear();
        self.nodes.shrink_to(KEPT);
        self.decoded.clear();
        self.decoded.shrink_to(1 << 20);
        self.open.clear();
        self.names.clear();
        self.names.shrink_to(KEPT);
        self.renamed.clear();
        self.renamed.shrink_to(KEPT);
        (self.unpaired, self.big, self.far) = (false, false, false);
        (self.deepest, self.end) = (0, 0);
    }

    /// The node of this index; the root is 0.
    pub(crate) fn node(&self, index: u32) -> Node {
        self.nodes[index as usize]
    }

    /// A string's bytes.
    pub(crate) fn bytes<'d>(&'d self, text: &'d [u8], span: Span) -> &'d [u8] {
        let from = if span.is_decoded() { &self.decoded[..] } else { text };
        &from[(span.start & !Span::DECODED) as usize..span.end as usize]
    }

    /// A string as it came, quotes included; `None` when it had escapes.
    pub(crate) fn quoted<'d>(&self, text: &'d [u8], span: Span) -> Option<&'d [u8]> {
        if span.is_decoded() {
            return None;
        }
        text.get((span.start as usize).checked_sub(1)?..span.end as usize + 1)
    }

    /// Some string has half a surrogate pair in it.
    pub(crate) fn unpaired(&self) -> bool {
        self.unpaired
    }

    /// Some number is a whole one beyond 64 bits.
    pub(crate) fn big(&self) -> bool {
        self.big
    }

    /// Some number may be beyond a double.
    pub(crate) fn far(&self) -> bool {
        self.far
    }

    /// Some member has another name in the schema.
    pub(crate) fn renamed(&self) -> bool {
        !self.renamed.is_empty()
    }

    /// How deep containers are within containers.
    pub(crate) fn deepest(&self) -> usize {
        self.deepest
    }

    /// How much of the text was read: what follows the first value is not.
    pub(crate) fn read_to(&self) -> usize {
        self.end
    }

    /// The items of the array at `index`, by index.
    pub(crate) fn items(&self, index: u32) -> impl Iterator<Item = u32> + '_ {
        let end = self.end(index);
        let mut next = index + 1;
        std::iter::from_fn(move || {
            let item = next;
            (item < end).then(|| {
                next = self.end(item);
                item
            })
        })
    }

    /// The members of the object at `index`: name in the schema, and index of the value.
    pub(crate) fn members(&self, index: u32) -> Members<'_> {
        Members { document: self, next: index + 1, end: self.end(index), all: true }
    }

    /// Those that have the same name in the schema.
    pub(crate) fn own_members(&self, index: u32) -> Members<'_> {
        Members { all: false, ..self.members(index) }
    }

    /// The values in the object at `index`, in the order of the text: those of names that come again later, too.
    pub(crate) fn values(&self, index: u32) -> impl Iterator<Item = u32> + '_ {
        let end = self.end(index);
        let mut next = index + 1;
        std::iter::from_fn(move || {
            let value = next + 1;
            (next < end).then(|| {
                next = self.end(value);
                value
            })
        })
    }

    /// The index after the node and all that belongs to it.
    fn end(&self, index: u32) -> u32 {
        match self.nodes[index as usize] {
            Node::Array { end } | Node::Object { end } => end,
            _ => index + 1,
        }
    }

    fn push(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    /// Of members of one name, the first has its place and the last its value.
    fn unite(&mut self, text: &[u8], object: u32) {
        let mut names = std::mem::take(&mut self.names);
        names.clear();
        let mut next = object + 1;
        while (next as usize) < self.nodes.len() {
            names.push(next);
            next = self.end(next + 1);
        }
        if names.len() > FEW {
            names.sort_by(|left, right| self.name(text, *left).cmp(self.name(text, *right)));
            for at in 1..names.len() {
                let (earlier, later) = (names[at - 1], names[at]);
                if self.name(text, earlier) == self.name(text, later) {
                    self.give_value(earlier, later);
                    // Whatever comes next of this name goes to the first as well.
                    names[at] = earlier;
                }
            }
        } else {
            for later in 1..names.len() {
                let name = self.name(text, names[later]);
                let earlier = names[..later].iter().find(|&&earlier| self.name(text, earlier) == name);
                if let Some(&earlier) = earlier {
                    self.give_value(earlier, names[later]);
                    names[later] = earlier;
                }
            }
        }
        self.names = names;
    }

    /// The name at `index`.
    fn name<'d>(&'d self, text: &'d [u8], index: u32) -> &'d [u8] {
        match self.nodes[index as usize] {
            Node::Name { name, .. } => self.bytes(text, name),
            Node::Renamed { .. } => match self.renamed.binary_search_by_key(&index, |(index, _)| *index) {
                Ok(at) => self.bytes(text, self.renamed[at].1),
                Err(_) => &[],
            },
            _ => &[],
        }
    }

    fn give_value(&mut self, earlier: u32, later: u32) {
        let (Node::Name { value: last, .. } | Node::Renamed { value: last, .. }) = self.node(later) else {
            return;
        };
        if let Node::Name { value, .. } | Node::Renamed { value, .. } = &mut self.nodes[earlier as usize] {
            *value = last;
        }
        self.nodes[later as usize] = Node::Again;
    }
}

/// See [`Document::members`].
#[derive(Clone)]
pub(crate) struct Members<'d> {
    document: &'d Document,
    next: u32,
    end: u32,
    all: bool,
}

impl Iterator for Members<'_> {
    type Item = (Span, u32);

    fn next(&mut self) -> Option<(Span, u32)> {
        while self.next < self.end {
            let at = self.next;
            self.next = self.document.end(at + 1);
            match self.document.node(at) {
                Node::Name { name, value } => return Some((name, value)),
                Node::Renamed { name, value } if self.all => return Some((name, value)),
                _ => {}
            }
        }
        None
    }
}

impl Span {
    /// In `start`: it is among the decoded.
    const DECODED: u32 = 1 << 31;

    fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }

    /// Of the decoded ones; `None` when there are too many of them.
    fn decoded(start: usize, end: usize) -> Option<Span> {
        (end < Span::DECODED as usize)
            .then_some(Span { start: start as u32 | Span::DECODED, end: end as u32 })
    }

    fn length(self) -> usize {
        (self.end - (self.start & !Span::DECODED)) as usize
    }

    fn is_decoded(self) -> bool {
        self.start & Span::DECODED != 0
    }

    /// There is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.length() == 0
    }
}

#[cfg(test)]
mod tests;
