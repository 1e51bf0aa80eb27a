//! Compression as Kafka's record batches have it: a frame for each batch, in the format that every client reads.
//!
//! What does not shrink goes as it is: a batch then never exceeds what its records take, and a limit that holds before
//! compression holds after it.

use std::io::{self, Write as _};

/// What a producer compresses with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Codec {
    #[default]
    None,
    /// A level from 0 to 9.
    Gzip(u32),
    Snappy,
    Lz4,
    /// A level.
    Zstd(i32),
}

impl Codec {
    /// By Kafka's name; without a level, the codec's own default.
    pub(super) fn named(name: &str, level: Option<i32>) -> Option<Codec> {
        Some(match name {
            "none" => Codec::None,
            "gzip" => Codec::Gzip(level.and_then(|level| u32::try_from(level).ok()).unwrap_or(6)),
            "snappy" => Codec::Snappy,
            "lz4" => Codec::Lz4,
            "zstd" => Codec::Zstd(level.unwrap_or(3)),
            _ => return None,
        })
    }

    /// Its bits among a batch's attributes.
    fn bits(self) -> i16 {
        match self {
            Codec::None => 0,
            Codec::Gzip(_) => 1,
            Codec::Snappy => 2,
            Codec::Lz4 => 3,
            Codec::Zstd(_) => 4,
        }
    }
}

/// What snappy's Java stream begins with: its name, its version, the oldest that reads it.
const SNAPPY_HEAD: &[u8] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// Bytes of one of its blocks, before compression.
const SNAPPY_BLOCK: usize = 32 << 10;
/// What a frame of lz4 begins with: independent blocks of 64 KB at most, which is all that Java's client reads, no
/// checksums (Kafka's batches have their own), and the checksum of these two bytes.
const LZ4_HEAD: &[u8] = &[0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
/// Bytes of one of its blocks: the most for which the compressor takes its smaller table.
const LZ4_BLOCK: usize = 65_534;
/// Marks the length of a block that is not compressed.
const LZ4_PLAIN: u32 = 1 << 31;
/// Shorter ones are not worth the frame.
const LEAST: usize = 64;

/// Compresses one batch after another, each to where it is sent from.
pub(super) struct Compressor {
    codec: Codec,
    zstd: Option<zstd_safe::CCtx<'static>>,
    snappy: snap::raw::Encoder,
    /// Where a block is compressed to: room among what is sent would have to be cleared before.
    block: Vec<u8>,
}

impl Compressor {
    pub(super) fn new(codec: Codec) -> Compressor {
        Compressor { codec, zstd: None, snappy: snap::raw::Encoder::new(), block: Vec::new() }
    }

    /// Appends the records as they are to be sent; returns the attributes that say how to read them.
    pub(super) fn append(&mut self, records: &[u8], out: &mut Vec<u8>) -> i16 {
        let start = out.len();
        let is_smaller = self.codec != Codec::None
            && records.len() >= LEAST
            && match self.fill(records, out) {
                Ok(()) => out.len() - start < records.len(),
                Err(error) => {
                    tracing::debug!(codec = ?self.codec, %error, "a batch goes uncompressed");
                    false
                }
            };
        if is_smaller {
            return self.codec.bits();
        }
        out.truncate(start);
        out.extend_from_slice(records);
        0
    }

    fn fill(&mut self, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match self.codec {
            Codec::None => {}
            Codec::Gzip(level) => {
                let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::new(level));
                encoder.write_all(records)?;
                encoder.finish()?;
            }
            Codec::Snappy => {
                out.extend_from_slice(SNAPPY_HEAD);
                for block in records.chunks(SNAPPY_BLOCK) {
                    let most = snap::raw::max_compress_len(block.len());
                    let compress =
                        |room: &mut [u8]| self.snappy.compress(block, room).map_err(io::Error::other);
                    let compressed = compressed(&mut self.block, most, compress)?;
                    out.extend_from_slice(&(compressed.len() as u32).to_be_bytes());
                    out.extend_from_slice(compressed);
                }
            }
            Codec::Lz4 => lz4(records, &mut self.block, out)?,
            Codec::Zstd(level) => {
                let encoder = self.zstd.get_or_insert_with(zstd_safe::CCtx::create);
                let start = out.len();
                out.resize(start + zstd_safe::compress_bound(records.len()), 0);
                let length = encoder
                    .compress(&mut out[start..], records, level)
                    .map_err(|code| io::Error::other(zstd_safe::get_error_name(code)))?;
                out.truncate(start + length);
            }
        }
        Ok(())
    }
}

fn lz4(records: &[u8], room: &mut Vec<u8>, out: &mut Vec<u8>) -> io::Result<()> {
    out.extend_from_slice(LZ4_HEAD);
    for block in records.chunks(LZ4_BLOCK) {
        let most = lz4_flex::block::get_maximum_output_size(block.len());
        let compress =
            |room: &mut [u8]| lz4_flex::block::compress_into(block, room).map_err(io::Error::other);
        let compressed = compressed(room, most, compress)?;
        let (mark, bytes) = match compressed.len() < block.len() {
            true => (0, compressed),
            false => (LZ4_PLAIN, block),
        };
        out.extend_from_slice(&(mark | bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(bytes);
    }
    out.extend_from_slice(&[0; 4]);
    Ok(())
}

/// A block of at most so many bytes.
fn compressed(
    room: &mut Vec<u8>,
    most: usize,
    compress: impl FnOnce(&mut [u8]) -> io::Result<usize>,
) -> io::Result<&[u8]> {
    if room.len() < most {
        room.resize(most, 0);
    }
    let length = compress(room)?;
    Ok(&room[..length])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn text(bytes: usize) -> Vec<u8> {
        b"so many words that come again ".iter().copied().cycle().take(bytes).collect()
    }

    fn noise(bytes: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        std::iter::repeat_with(next).take(bytes).collect()
    }

    fn unsnap(mut stream: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        stream = stream.strip_prefix(SNAPPY_HEAD).expect("its beginning");
        while let Some((length, rest)) = stream.split_first_chunk::<4>() {
            let (block, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
            plain.extend(snap::raw::Decoder::new().decompress_vec(block).expect("a block"));
            stream = rest;
        }
        plain
    }

    #[test]
    fn every_codec_gives_back_what_it_took() {
        let mixed = [text(100_000), noise(200_000), text(100_000)].concat();
        for plain in [text(100), text(40_000), text(300_000), mixed] {
            let bytes = plain.len();
            for codec in [Codec::Gzip(6), Codec::Snappy, Codec::Lz4, Codec::Zstd(3)] {
                let mut compressor = Compressor::new(codec);
                // Twice: the second batch must owe nothing to the first, nor to what is there before it.
                compressor.append(&plain, &mut Vec::new());
                let mut out = b"before".to_vec();
                assert_eq!(compressor.append(&plain, &mut out), codec.bits(), "{codec:?}");
                let out = out.strip_prefix(b"before").expect("what was there");
                let mut back = Vec::new();
                match codec {
                    Codec::Gzip(_) => {
                        flate2::read::GzDecoder::new(out).read_to_end(&mut back).expect("gzip");
                    }
                    Codec::Lz4 => {
                        lz4_flex::frame::FrameDecoder::new(out).read_to_end(&mut back).expect("lz4");
                    }
                    Codec::Zstd(_) => {
                        back.resize(bytes, 0);
                        let length = zstd_safe::decompress(back.as_mut_slice(), out).expect("zstd");
                        assert_eq!(length, bytes);
                    }
                    _ => back = unsnap(out),
                }
                assert!(back == plain, "{codec:?}");
            }
        }
    }

    #[test]
    fn what_does_not_shrink_goes_as_it_is() {
        let noise = noise(5_000);
        for codec in [Codec::Gzip(9), Codec::Snappy, Codec::Lz4, Codec::Zstd(12)] {
            let mut out = b"before".to_vec();
            assert_eq!(Compressor::new(codec).append(&noise, &mut out), 0, "{codec:?}");
            assert!(out.strip_prefix(b"before") == Some(&noise), "{codec:?}");
        }
        let mut out = Vec::new();
        assert_eq!(Compressor::new(Codec::Zstd(3)).append(b"short", &mut out), 0);
        assert_eq!(out, b"short");
    }
}
