//! `bytea` in hex and bit strings.

/// The hex text of a `bytea` (`bytea_output=hex`), checked; decoded when and where it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HexText<'a> {
    digits: &'a [u8],
}

impl<'a> HexText<'a> {
    /// Checks the prefix and that digits come in pairs.
    pub fn new(text: &'a [u8]) -> Result<HexText<'a>, &'static str> {
        let digits = text.strip_prefix(b"\\x").ok_or("not in hex format")?;
        if !digits.len().is_multiple_of(2) {
            return Err("an odd number of hex digits");
        }
        match digits.iter().all(|digit| NIBBLES[*digit as usize] != NO_DIGIT) {
            true => Ok(HexText { digits }),
            false => Err("not a hex digit"),
        }
    }

    /// Number of bytes it stands for.
    pub fn len(&self) -> usize {
        self.digits.len() / 2
    }

    /// It stands for no bytes.
    pub fn is_empty(&self) -> bool {
        self.digits.is_empty()
    }

    /// The bytes, one after another.
    pub fn bytes(&self) -> impl ExactSizeIterator<Item = u8> + use<'a> {
        self.digits.chunks_exact(2).map(|pair| NIBBLES[pair[0] as usize] << 4 | NIBBLES[pair[1] as usize])
    }

    /// The bytes in a vector of their own.
    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes().collect()
    }
}

const NO_DIGIT: u8 = 0xff;

/// The value of each ASCII hex digit.
static NIBBLES: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        table[b"0123456789abcdef"[digit] as usize] = digit as u8;
        table[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        digit += 1;
    }
    table
};

/// A bit string as Java's `BitSet.toByteArray` gives it: the last bit is bit 0, and there are no bytes beyond the
/// highest bit that is set.
pub(super) fn bits(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut bytes = vec![0; text.len().div_ceil(8)];
    for (position, bit) in text.iter().rev().enumerate() {
        match bit {
            b'1' => bytes[position / 8] |= 1 << (position % 8),
            b'0' => {}
            _ => return Err("neither 0 nor 1"),
        }
    }
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(used);
    Ok(bytes)
}
