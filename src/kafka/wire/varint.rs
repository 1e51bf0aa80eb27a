//! Kafka's numbers of variable length: seven bits a byte, least first; signed ones in zigzag.

/// Appends a signed number.
pub(super) fn put(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, zigzag(value));
}

/// Appends an unsigned number.
pub(super) fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes of a signed number.
pub(super) fn length(value: i64) -> usize {
    let bits = 64 - zigzag(value).leading_zeros() as usize;
    bits.max(1).div_ceil(7)
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Read back as the protocol's own description has it.
    fn read(bytes: &[u8]) -> u64 {
        bytes.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f))
    }

    #[test]
    fn the_examples_of_protocol_buffers_hold() {
        for (value, bytes) in [
            (0, &[0][..]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[0x7e]),
            (64, &[0x80, 1]),
            (-64, &[0x7f]),
            (-65, &[0x81, 1]),
            (150, &[0xac, 2]),
            (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ] {
            let mut out = Vec::new();
            put(&mut out, value);
            assert_eq!((out.as_slice(), length(value)), (bytes, bytes.len()), "{value}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_and_has_the_length_foretold(value in any::<i64>()) {
            let mut out = Vec::new();
            put(&mut out, value);
            let read = read(&out);
            prop_assert_eq!((read >> 1) as i64 ^ -((read & 1) as i64), value);
            prop_assert_eq!(out.len(), length(value));
        }

        #[test]
        fn only_the_last_byte_has_no_successor(value in any::<u64>()) {
            let mut out = Vec::new();
            put_unsigned(&mut out, value);
            prop_assert_eq!(read(&out), value);
            let last = out.len() - 1;
            prop_assert!(out.iter().enumerate().all(|(at, byte)| (byte & 0x80 == 0) == (at == last)));
        }
    }
}
