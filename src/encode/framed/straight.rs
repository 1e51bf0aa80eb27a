//! The straight road: a payload written while its text is read, whatever the language.
//!
//! It takes what is as it mostly is, and gives up at anything else: a name that has escapes, one that is there twice,
//! whatever does not fit. Then the payload is read and written anew, node by node. So mismatches are told in one place, and
//! here it need only be certain that the bytes are the same.

use super::UnknownFields;
use crate::decode::json::{Here, Pull, Quoted};

/// Containers within containers: deeper ones are not written so.
const DEEPEST: usize = 64;
/// Members of records with more fields than these must come in the order of the fields.
const MARKED: usize = u64::BITS as usize;

/// The names of a record's members.
#[derive(Debug)]
pub(in crate::encode) struct Names {
    /// Of each field.
    own: Vec<Quoted>,
    /// More of them: another name of the field at this place.
    others: Vec<(Quoted, usize)>,
}

/// What of the output belongs to the field at a place: from here to where the next piece begins.
#[derive(Clone, Copy, Debug)]
pub(in crate::encode) struct Piece {
    place: usize,
    start: usize,
}

/// A record that is open.
pub(in crate::encode) struct Open {
    /// Its first piece.
    base: usize,
    /// Where it begins in the output.
    start: usize,
    /// The place after that of the last member.
    pub(in crate::encode) next: usize,
    /// Its members came in the order of the fields so far.
    pub(in crate::encode) in_order: bool,
    /// A bit for each field that had a member.
    seen: u64,
}

/// A text that is being written, whatever the language.
pub(in crate::encode) struct Straight<'s> {
    pub(in crate::encode) pull: Pull<'s>,
    /// Of the records that are open.
    pieces: &'s mut Vec<Piece>,
    unknown: UnknownFields,
    depth: usize,
}

/// Which payloads are worth the attempt: after one that was given up, the next few are not tried.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::encode) struct Haste {
    /// So many are not tried.
    rests: u8,
    /// That many were not, the last time.
    rested: u8,
}

impl Names {
    /// Of fields in their order; `others` are second names. `None` when one may not be found in a text, or two are the same.
    pub(in crate::encode) fn new<'n>(
        own: impl Iterator<Item = &'n str>,
        others: impl Iterator<Item = (&'n str, usize)>,
    ) -> Option<Names> {
        let own: Vec<&str> = own.collect();
        let others: Vec<(&str, usize)> =
            others.filter(|(name, place)| own.get(*place) != Some(name)).collect();
        let mut all: Vec<&str> = own.iter().copied().chain(others.iter().map(|(name, _)| *name)).collect();
        all.sort_unstable();
        if all.windows(2).any(|two| two[0] == two[1]) {
            return None;
        }
        let other = |(name, place)| Some((Quoted::new(name)?, place));
        Some(Names {
            own: own.into_iter().map(Quoted::new).collect::<Option<_>>()?,
            others: others.into_iter().map(other).collect::<Option<_>>()?,
        })
    }

    /// Passes the name that stands here: the place of its field, which is most likely the `next`.
    #[inline(always)]
    fn pass(&self, pull: &mut Pull<'_>, next: usize) -> Option<usize> {
        let here = pull.here();
        let (name, place) = match self.own.get(next) {
            Some(name) if pull.is_at(here, name) => (name, next),
            _ => self.find(pull, here, next)?,
        };
        pull.pass(name);
        Some(place)
    }

    /// Looks for it: after the `next`, before that, and among the other names.
    #[inline(never)]
    fn find(&self, pull: &Pull<'_>, here: Here, next: usize) -> Option<(&Quoted, usize)> {
        let (before, after) = self.own.split_at(next.min(self.own.len()));
        let own = after.iter().zip(next..).chain(before.iter().zip(0..));
        let others = self.others.iter().map(|(name, place)| (name, *place));
        own.chain(others).find(|(name, _)| pull.is_at(here, name))
    }
}

impl<'s> Straight<'s> {
    pub(in crate::encode) fn new(
        pull: Pull<'s>,
        pieces: &'s mut Vec<Piece>,
        unknown: UnknownFields,
    ) -> Straight<'s> {
        pieces.clear();
        Straight { pull, pieces, unknown, depth: 0 }
    }

    /// Enters a container: with which byte its first item begins.
    #[inline(always)]
    pub(in crate::encode) fn enter(&mut self, closes: u8) -> Option<Option<u8>> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let first = self.pull.enter(closes)?;
        self.depth -= usize::from(first.is_none());
        Some(first)
    }

    /// Goes on to the next item of the container.
    #[inline(always)]
    pub(in crate::encode) fn next(&mut self, closes: u8) -> Option<Option<u8>> {
        let first = self.pull.next(closes)?;
        self.depth -= usize::from(first.is_none());
        Some(first)
    }

    /// A record, of whose members none has come.
    #[inline(always)]
    pub(in crate::encode) fn open(&self, out: &[u8]) -> Open {
        Open { base: self.pieces.len(), start: out.len(), next: 0, in_order: true, seen: 0 }
    }

    /// Passes the name of a member, which begins with this byte. The inner `None`: it is left out, with its value.
    #[inline(always)]
    pub(in crate::encode) fn member(
        &mut self,
        open: &Open,
        names: &Names,
        first: u8,
    ) -> Option<Option<usize>> {
        match names.pass(&mut self.pull, open.next) {
            Some(place) => Some(Some(place)),
            None => self.left_out(first).map(|()| None),
        }
    }

    #[cold]
    fn left_out(&mut self, first: u8) -> Option<()> {
        if self.unknown == UnknownFields::Refuse {
            return None;
        }
        let name = self.pull.name(first)?;
        // One that had escapes may be known.
        self.pull.mark(name)?;
        self.pull.colon()?;
        self.pull.skip(self.depth)
    }

    /// What follows belongs to the field at this place, for it has no member so far.
    #[inline(always)]
    pub(in crate::encode) fn default(&mut self, place: usize, out: &[u8]) {
        self.pieces.push(Piece { place, start: out.len() });
    }

    /// What follows belongs to the field at this place, of so many, and to no other member. What is before it is seen to.
    #[inline(always)]
    pub(in crate::encode) fn begin(
        &mut self,
        open: &mut Open,
        place: usize,
        fields: usize,
        out: &[u8],
    ) -> Option<()> {
        let mark = 1u64.checked_shl(place as u32).unwrap_or(0);
        if place < open.next || !open.in_order {
            if fields > MARKED || open.seen & mark != 0 {
                return None;
            }
            open.in_order = false;
        }
        open.seen |= mark;
        open.next = place + 1;
        self.pieces.push(Piece { place, start: out.len() });
        Some(())
    }

    /// Closes a record whose members came in the order of the fields.
    #[inline(always)]
    pub(in crate::encode) fn close(&mut self, open: &Open) {
        self.pieces.truncate(open.base);
    }

    /// Closes a record whose members did not: brings their pieces into it. `absent` writes fields that have none.
    #[cold]
    #[inline(never)]
    pub(in crate::encode) fn reorder(
        &mut self,
        open: &Open,
        fields: usize,
        out: &mut Vec<u8>,
        mut absent: impl FnMut(usize, &mut Vec<u8>) -> Option<()>,
    ) -> Option<()> {
        let end = out.len();
        let pieces = &self.pieces[open.base..];
        // Of two pieces the first is a default: the member came later.
        let mut last = [usize::MAX; MARKED];
        for (number, piece) in pieces.iter().enumerate() {
            *last.get_mut(piece.place)? = number;
        }
        for (place, number) in last.iter().enumerate().take(fields) {
            match pieces.get(*number) {
                None => absent(place, out)?,
                Some(piece) => {
                    let to = pieces.get(number + 1).map_or(end, |next| next.start);
                    out.extend_from_within(piece.start..to);
                }
            }
        }
        out.copy_within(end.., open.start);
        out.truncate(open.start + out.len() - end);
        self.pieces.truncate(open.base);
        Some(())
    }
}

impl Open {
    /// Whether the field at this place, of so few that this is known, had a member.
    pub(in crate::encode) fn has(&self, place: usize) -> bool {
        1u64.checked_shl(place as u32).is_some_and(|mark| self.seen & mark != 0)
    }
}

impl Haste {
    /// Whether the next payload is to be tried.
    pub(in crate::encode) fn tries(&mut self) -> bool {
        let tries = self.rests == 0;
        self.rests = self.rests.saturating_sub(1);
        tries
    }

    /// How it went.
    pub(in crate::encode) fn learn(&mut self, is_written: bool) {
        /// The cost of trying in vain is then lost in that of the others.
        const MOST: u8 = 63;
        self.rested = if is_written { 0 } else { (self.rested * 2 + 1).min(MOST) };
        self.rests = self.rested;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_is_tried_more_and_more_rarely_until_it_succeeds() {
        let mut haste = Haste::default();
        let mut tried = Vec::new();
        for number in 0..400 {
            if haste.tries() {
                tried.push(number);
                haste.learn(number >= 300);
            }
        }
        assert_eq!(tried[..10], [0, 2, 6, 14, 30, 62, 126, 190, 254, 318]);
        assert_eq!(tried[10..], (319..400).collect::<Vec<_>>()[..]);
    }
}
