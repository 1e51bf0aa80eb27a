//! Eight bytes of a string at a time.

/// A byte in each place.
const ONES: u64 = u64::MAX / 0xff;
/// The highest bit in each place.
const HIGHS: u64 = ONES << 7;

/// The eight bytes from `at` on; `None` where there are not so many.
pub(crate) fn at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}

/// The highest bit where a byte is a quote, a backslash or a control character: of the first such byte. Above it there may
/// be others that are none.
pub(crate) fn stops(word: u64) -> u64 {
    let is = |byte: u8| {
        let differs = word ^ (ONES * u64::from(byte));
        differs.wrapping_sub(ONES) & !differs
    };
    let is_control = word.wrapping_sub(ONES * 0x20) & !word;
    (is(b'"') | is(b'\\') | is_control) & HIGHS
}

/// The highest bit where a byte is 0xed or more, which the first of four bytes is, and that of a surrogate.
pub(crate) fn wide(word: u64) -> u64 {
    (word & !HIGHS).wrapping_add(ONES * (0x80 - 0x6d)) & word & HIGHS
}

/// How many bytes there are before the first that is marked.
pub(crate) fn before(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_is_meant_is_found_whatever_stands_around_it() {
        for other in
            [0, 1, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x5b, 0x5c, 0x5d, 0x7f, 0x80, 0xa2, 0xdc, 0xec, 0xed, 0xff]
        {
            for byte in 0..=255u8 {
                for place in 0..8 {
                    let mut bytes = [other; 8];
                    bytes[place] = byte;
                    let word = at(&bytes, 0).unwrap();
                    let is_stop = |byte: &u8| matches!(*byte, 0..0x20 | b'"' | b'\\');
                    let stop = bytes.iter().position(is_stop);
                    assert_eq!((stops(word) != 0).then(|| before(stops(word))), stop, "{bytes:?}");
                    let wide_one = bytes.iter().position(|byte| *byte >= 0xed);
                    assert_eq!((wide(word) != 0).then(|| before(wide(word))), wide_one, "{bytes:?}");
                }
            }
        }
        assert_eq!(at(&[0; 8], 1), None);
    }
}
