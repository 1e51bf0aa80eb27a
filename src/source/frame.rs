//! The messages of a replication stream, read where they lie.
//!
//! A message is a type byte, a length that counts itself, and a payload (manual, "Message Formats"). CopyData carries
//! XLogData or a keepalive ("Streaming Replication Protocol"); nothing else reaches a chunk.

use super::{Error, Frame};
use crate::lsn::Lsn;
use crate::mutant;

/// Type byte and length.
pub(super) const HEADER: usize = 5;
/// Within the payload of a CopyData: `w`, start, end, time; then pgoutput's bytes.
const WAL_HEADER: usize = 1 + 8 + 8 + 8;
/// `k`, end, time, reply requested.
const KEEPALIVE: usize = 1 + 8 + 8 + 1;
/// Postgres builds no message of more than 1 GB.
const MOST_MESSAGE_BYTES: usize = 0x4000_0000;

/// Type and whole length (header included) of the message that `bytes` begins with; `None` when the header is cut off.
pub(super) fn message_length(bytes: &[u8]) -> Result<Option<(u8, usize)>, Error> {
    let Some((&[tag, a, b, c, d], _)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if !(4..=MOST_MESSAGE_BYTES).contains(&length) {
        return Err(Error::Malformed(format!("message {:?} of length {length}", tag as char)));
    }
    Ok(Some((tag, length + 1)))
}

/// Takes one whole CopyData message off `rest`.
pub(super) fn split_frame<'a>(rest: &mut &'a [u8]) -> Result<Frame<'a>, Error> {
    let bytes = std::mem::take(rest);
    match message_length(bytes)? {
        Some((b'd', length)) if length <= bytes.len() => {
            let (message, after) = bytes.split_at(length);
            *rest = after;
            read_frame(&message[HEADER..])
        }
        Some((b'd', _)) | None => Err(Error::Malformed("a chunk that ends within a message".into())),
        Some((tag, _)) => Err(Error::Malformed(format!("message {:?} within a chunk", tag as char))),
    }
}

/// Reads the payload of a CopyData message.
#[inline]
fn read_frame(payload: &[u8]) -> Result<Frame<'_>, Error> {
    match payload.first() {
        Some(b'w') if payload.len() >= WAL_HEADER => {
            mutant::frame_at(lsn_at(payload, 1));
            Ok(Frame::Wal(&payload[WAL_HEADER..]))
        }
        Some(b'k') if payload.len() >= KEEPALIVE => {
            Ok(Frame::Keepalive { wal_end: lsn_at(payload, 1), reply_requested: payload[17] != 0 })
        }
        Some(kind @ (b'w' | b'k')) => {
            Err(Error::Malformed(format!("CopyData {:?} of {} bytes", *kind as char, payload.len())))
        }
        Some(kind) => Err(Error::Malformed(format!("CopyData of kind {:?}", *kind as char))),
        None => Err(Error::Malformed("empty CopyData".into())),
    }
}

/// What the reader itself needs of a CopyData payload: how far the server is, and whether it waits for an answer.
#[inline]
pub(super) fn progress(payload: &[u8]) -> Result<(Lsn, bool), Error> {
    match read_frame(payload)? {
        Frame::Wal(_) => Ok((lsn_at(payload, 9), false)),
        Frame::Keepalive { wal_end, reply_requested } => Ok((wal_end, reply_requested)),
    }
}

/// Where the server has the change of an XLogData message that has begun; zero when that has not come yet.
pub(super) fn change_lsn(message: &[u8]) -> Lsn {
    lsn_at(message, HEADER + 1)
}

/// The caller has checked that eight bytes are there.
#[inline]
fn lsn_at(payload: &[u8], at: usize) -> Lsn {
    let bytes = payload.get(at..).and_then(|rest| rest.first_chunk::<8>());
    Lsn::new(bytes.map_or(0, |bytes| u64::from_be_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::recorded;
    use proptest::prelude::*;

    #[test]
    fn frames_are_split_where_they_end() {
        let mut bytes = recorded::wal(Lsn::new(7), b"BEGIN");
        bytes.extend(recorded::keepalive(Lsn::new(0x0102_0304_0506_0708), true));
        bytes.extend(recorded::wal(Lsn::ZERO, b""));
        let mut rest = &bytes[..];
        assert_eq!(split_frame(&mut rest).unwrap(), Frame::Wal(b"BEGIN"));
        let keepalive = Frame::Keepalive { wal_end: Lsn::new(0x0102_0304_0506_0708), reply_requested: true };
        assert_eq!(split_frame(&mut rest).unwrap(), keepalive);
        assert_eq!(split_frame(&mut rest).unwrap(), Frame::Wal(b""));
        assert!(rest.is_empty());
    }

    #[test]
    fn the_reader_sees_how_far_the_server_is() {
        let wal = recorded::wal(Lsn::new(7), b"BEGIN");
        assert_eq!(progress(&wal[HEADER..]).unwrap(), (Lsn::new(7), false));
        assert_eq!((change_lsn(&wal), change_lsn(&wal[..HEADER])), (Lsn::new(7), Lsn::ZERO));
        let keepalive = recorded::keepalive(Lsn::new(8), true);
        assert_eq!(progress(&keepalive[HEADER..]).unwrap(), (Lsn::new(8), true));
    }

    #[test]
    fn a_frame_that_is_cut_off_is_an_error_at_every_length() {
        for whole in [recorded::wal(Lsn::new(7), b"BEGIN"), recorded::keepalive(Lsn::new(7), false)] {
            for length in 1..whole.len() {
                assert!(split_frame(&mut &whole[..length]).is_err(), "{length} of {whole:?}");
            }
        }
    }

    #[test]
    fn lengths_that_no_server_sends_are_refused() {
        for length in [0_u32, 3, 0x4000_0001, u32::MAX] {
            let mut bytes = vec![b'd'];
            bytes.extend(length.to_be_bytes());
            assert!(message_length(&bytes).is_err(), "{length}");
        }
        assert!(message_length(b"d\0\0\0").unwrap().is_none());
        assert_eq!(message_length(b"d\0\0\0\x04").unwrap(), Some((b'd', 5)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_splitter_panic_or_stand_still(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let before = rest.len();
                if split_frame(&mut rest).is_err() {
                    break;
                }
                prop_assert!(rest.len() < before);
            }
        }
    }
}
