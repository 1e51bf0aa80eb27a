//! The replication stream: a reader thread, its buffer, and the feedback it sends on its own time.

use super::{Error, Frame};

/// Takes one whole CopyData message off `rest`.
pub(super) fn split_frame<'a>(rest: &mut &'a [u8]) -> Result<Frame<'a>, Error> {
    let _ = std::mem::take(rest);
    Err(Error::Malformed("not read yet".into()))
}
