//! The blocks that messages are read into, each used again when what lay in it has gone down the road: a new one would have
//! to be cleared by the kernel first.

use bytes::BytesMut;
use std::collections::VecDeque;

/// What one read may bring.
pub(super) const BLOCK: usize = 256 * 1024;
/// Used ones that are waited for. A road that keeps up has fewer on it, and when it does not, time is not what is short.
const KEPT: usize = 4;

/// Hands out blocks.
#[derive(Default)]
pub(super) struct Blocks {
    /// What is left of each, oldest first: it keeps the memory of the whole.
    used: VecDeque<BytesMut>,
}

impl Blocks {
    /// One with nothing in it.
    pub(super) fn take(&mut self) -> BytesMut {
        let free = self.used.iter_mut().position(|used| used.try_reclaim(BLOCK));
        free.and_then(|at| self.used.remove(at)).unwrap_or_else(|| BytesMut::with_capacity(BLOCK))
    }

    /// Takes one back of which parts may be on their way.
    pub(super) fn give_back(&mut self, mut rest: BytesMut) {
        if self.used.len() < KEPT {
            rest.clear();
            self.used.push_back(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a block back after a chunk was cut off; the chunk, and where the block lies.
    fn used(blocks: &mut Blocks) -> (BytesMut, *const u8) {
        let mut block = blocks.take();
        assert_eq!((block.len(), block.capacity()), (0, BLOCK));
        block.extend_from_slice(b"a chunk, and more");
        let chunk = block.split_to(7);
        blocks.give_back(block);
        let place = chunk.as_ptr();
        (chunk, place)
    }

    #[test]
    fn a_block_is_used_again_once_its_chunks_are_gone_and_not_before() {
        let mut blocks = Blocks::default();
        let (first, place) = used(&mut blocks);
        let (second, elsewhere) = used(&mut blocks);
        assert_ne!(place, elsewhere);
        assert_eq!(&first[..], b"a chunk");
        drop(first.freeze());
        assert_eq!(used(&mut blocks).1, place);
        assert_eq!(&second[..], b"a chunk");
    }

    #[test]
    fn no_more_blocks_are_kept_than_a_road_that_keeps_up_has_on_it() {
        let mut blocks = Blocks::default();
        let chunks: Vec<_> = (0..3 * KEPT).map(|_| used(&mut blocks)).collect();
        assert_eq!(blocks.used.len(), KEPT);
        drop(chunks);
        assert_eq!(blocks.take().capacity(), BLOCK);
    }
}
