//! The frame around encoded bytes: a zero and the schema's id before them, or its GUID in a header.

/// What a frame begins with, when the id follows.
pub const MAGIC: u8 = 0;

/// Bytes before the encoded ones.
pub const PREFIX: usize = 5;

/// What the header's value begins with, when a GUID follows.
const GUID_MAGIC: u8 = 1;

/// The header that holds the GUID of a key's schema.
pub const KEY_HEADER: &str = "__key_schema_id";

/// The header that holds the GUID of a value's schema.
pub const VALUE_HEADER: &str = "__value_schema_id";

/// Appends what stands before the encoded bytes.
pub fn prefix(id: i32, out: &mut Vec<u8>) {
    out.push(MAGIC);
    out.extend_from_slice(&id.to_be_bytes());
}

/// Appends the header's value.
pub fn guid(guid: [u8; 16], out: &mut Vec<u8>) {
    out.push(GUID_MAGIC);
    out.extend_from_slice(&guid);
}

/// The schema's id, if these are framed bytes.
pub fn id(bytes: &[u8]) -> Option<i32> {
    let [MAGIC, a, b, c, d, ..] = *bytes else { return None };
    Some(i32::from_be_bytes([a, b, c, d]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_zero_and_the_id() {
        let mut out = Vec::new();
        prefix(258, &mut out);
        assert_eq!((out.as_slice(), out.len()), (&[0, 0, 0, 1, 2][..], PREFIX));
        assert_eq!(id(&out), Some(258));
        assert_eq!(id(b"{\"a\":1}"), None);
        assert_eq!(id(&[0, 0, 0, 1]), None);
    }
}
