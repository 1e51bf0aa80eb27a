//! Where a key goes: the hash of Java's client, so that keys stay in the partitions that they have always been in.

/// The partition of a key among so many.
pub(super) fn partition(key: &[u8], partitions: i32) -> i32 {
    (hash(key) & 0x7fff_ffff) as i32 % partitions.max(1)
}

/// MurmurHash2, 32 bits, with the seed of `org.apache.kafka.common.utils.Utils`.
fn hash(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mut h = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k = (k ^ k >> 24).wrapping_mul(M);
        h = h.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            h ^= u32::from(*byte) << (8 * at);
        }
        h = h.wrapping_mul(M);
    }
    h = (h ^ h >> 13).wrapping_mul(M);
    h ^ h >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_where_java_sends_them() {
        // (key, partition of 3, of 6, of 12, of 50) as org.apache.kafka.common.utils.Utils.murmur2 gives them.
        let keys: [(&[u8], [i32; 4]); 11] = [
            (b"10711fa5", [2, 5, 11, 49]),
            (b"7bdf2e9e", [2, 2, 8, 48]),
            (b"a", [1, 4, 4, 24]),
            (b"", [0, 3, 9, 31]),
            (b"42", [1, 4, 4, 22]),
            (b"59a42efd-b015-44a9-9dde-cb36d9002425", [1, 1, 7, 49]),
            ("zürich".as_bytes(), [2, 2, 8, 6]),
            (b"customer-000001", [2, 2, 2, 16]),
            (&[0x00, 0xff], [1, 1, 1, 3]),
            (&[0, 0x20, 0, 0, 0, 0, 0, 1], [2, 2, 8, 2]),
            (&[0xff, 0xfe, 0xfd, 0xfc, 0xfb], [1, 1, 7, 35]),
        ];
        for (key, partitions) in keys {
            assert_eq!([3, 6, 12, 50].map(|n| partition(key, n)), partitions, "{key:?}");
        }
    }

    #[test]
    fn the_hashes_of_kafkas_own_test_come_out() {
        for (key, expected) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(hash(key.as_bytes()) as i32, expected, "{key}");
        }
    }
}
