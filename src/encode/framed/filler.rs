//! What writing JSON payloads by registered schemas has in common, whatever the language.

use super::straight::{Haste, Piece, Straight};
use super::{Mismatch, Step, UnknownFields};
use crate::decode::json::{Document, Pull};
use crate::encode::expand::Renaming;

/// What is kept from event to event. Its `Debug` shows no content.
pub(in crate::encode) struct Filler {
    pub(in crate::encode) document: Document,
    /// For the members of each record that is open: where the value of each field is.
    pub(in crate::encode) slots: Vec<u32>,
    /// For the records that are open on the straight road.
    pieces: Vec<Piece>,
}

impl std::fmt::Debug for Filler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filler({:?})", self.document)
    }
}

/// What is known of payloads by a plan from those that came before.
#[derive(Debug, Default)]
pub(in crate::encode) struct Known {
    pub(in crate::encode) orders: Orders,
    pub(in crate::encode) haste: Haste,
}

/// The order in which the members of each record came last: so they will come again.
pub(in crate::encode) type Orders = Vec<Vec<u16>>;

/// A field that has no member.
pub(in crate::encode) const NONE: u32 = u32::MAX;
/// A member that has no field.
pub(in crate::encode) const UNKNOWN: u16 = u16::MAX;

impl Filler {
    /// One that has read nothing.
    pub(in crate::encode) fn new() -> Filler {
        Filler { document: Document::exact(), slots: Vec::new(), pieces: Vec::new() }
    }

    /// Reads a payload; what of it is JSON.
    pub(in crate::encode) fn read<'t>(&mut self, text: &'t str) -> Result<&'t [u8], Box<Mismatch>> {
        let bytes = text.trim_ascii().as_bytes();
        self.slots.clear();
        match self.document.read(bytes, Renaming::Never) {
            Some(_) => Ok(bytes),
            None => Err(Mismatch::new("is not JSON")),
        }
    }

    /// Has a payload written straight, where that is worth the attempt; else `out` is as it was.
    #[inline(always)]
    pub(in crate::encode) fn straight(
        &mut self,
        haste: &mut Haste,
        unknown: UnknownFields,
        text: &str,
        out: &mut Vec<u8>,
        write: impl FnOnce(Straight<'_>, &mut Vec<u8>) -> Option<()>,
    ) -> bool {
        if !haste.tries() {
            return false;
        }
        let start = out.len();
        let pull = Pull::new(&mut self.document, text.trim_ascii().as_bytes());
        let written = pull.and_then(|pull| write(Straight::new(pull, &mut self.pieces, unknown), out));
        haste.learn(written.is_some());
        if written.is_none() {
            out.truncate(start);
        }
        written.is_some()
    }
}

/// The place of the field whose member comes as number `at`, of at most so many: the one that came there last, if it is
/// called so, else the one that `find` finds, which is remembered.
#[inline(always)]
pub(in crate::encode) fn place(
    order: &mut Vec<u16>,
    at: usize,
    most: usize,
    is_called: impl FnOnce(u16) -> bool,
    find: impl FnOnce() -> Option<u16>,
) -> u16 {
    if let Some(expected) = order.get(at).copied().filter(|place| is_called(*place)) {
        return expected;
    }
    let place = find().unwrap_or(UNKNOWN);
    if at < order.len() {
        order[at] = place;
    } else if order.len() < most {
        order.push(place);
    }
    place
}

/// The step to a member that has no field: its name is told as far as that is short.
pub(in crate::encode) fn unknown_member(name: &[u8]) -> Step {
    Step::Field(String::from_utf8_lossy(name).chars().take(64).collect())
}
