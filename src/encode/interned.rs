//! Names and topics of a batch, each kept once.

use std::sync::Arc;

/// Strings kept once and spoken of by number. Sharing is by pointer; one that was not met lately is kept again.
#[derive(Default, Debug)]
pub(super) struct Interned {
    strings: Vec<Arc<str>>,
    longest: usize,
}

impl Interned {
    /// How far back one is looked for.
    const LATELY: usize = 32;

    /// The number of a string.
    pub(super) fn index_of(&mut self, string: &Arc<str>) -> u32 {
        let first = self.strings.len().saturating_sub(Self::LATELY);
        let known = self.strings[first..].iter().rposition(|known| Arc::ptr_eq(known, string));
        let index = match known {
            Some(offset) => first + offset,
            None => {
                self.strings.push(Arc::clone(string));
                self.longest = self.longest.max(string.len());
                self.strings.len() - 1
            }
        };
        index as u32
    }

    /// The string of a number.
    pub(super) fn get(&self, index: u32) -> &Arc<str> {
        &self.strings[index as usize]
    }

    /// Bytes of the longest.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.strings.clear();
        self.longest = 0;
    }
}
