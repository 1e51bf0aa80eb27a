//! The strings that a text's nodes stand for.

use super::{Document, Span};

/// A text with what is read of it so far.
#[derive(Clone, Copy)]
pub(crate) struct Texts<'t> {
    pub(super) document: &'t Document,
    pub(super) text: &'t [u8],
}

impl<'t> Texts<'t> {
    /// Of a text that was read into this document.
    pub(crate) fn new(document: &'t Document, text: &'t [u8]) -> Texts<'t> {
        Texts { document, text }
    }

    /// A string's bytes.
    #[inline(always)]
    pub(crate) fn bytes(self, span: Span) -> &'t [u8] {
        self.document.bytes(self.text, span)
    }

    /// A string's UTF-8. Half a surrogate pair has none.
    #[inline(always)]
    pub(crate) fn utf8(self, span: Span) -> Option<&'t [u8]> {
        let bytes = self.bytes(span);
        (!self.document.unpaired() || str::from_utf8(bytes).is_ok()).then_some(bytes)
    }
}
