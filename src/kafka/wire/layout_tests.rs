//! What the producer writes, read back by the protocol's own messages.

use super::batch::{Batch, Content, Parts, Stamp};
use super::compress::{Codec, Compressor};
use super::produce::{Head, Writer};
use super::varint;
use crate::kafka::producer::Framed;
use bytes::{Buf as _, Bytes};
use kafka_protocol::messages::{ApiKey, ProduceRequest, RequestHeader};
use kafka_protocol::protocol::Decodable as _;
use kafka_protocol::records::RecordBatchDecoder;
use proptest::prelude::*;

/// Headers as a record hands them over.
fn borrowed(
    headers: &[(String, Option<Vec<u8>>)],
) -> impl ExactSizeIterator<Item = (&str, Option<&[u8]>)> + Clone {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
}

fn framed(headers: &[(String, Option<Vec<u8>>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in headers {
        for bytes in [Some(name.as_bytes()), value.as_deref()] {
            varint::put(&mut out, bytes.map_or(-1, |bytes| bytes.len() as i64));
            out.extend_from_slice(bytes.unwrap_or_default());
        }
    }
    out
}

type Written = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

fn written() -> impl Strategy<Value = Written> {
    let bytes = |most| proptest::option::of(proptest::collection::vec(any::<u8>(), 0..most));
    // Names once each: the reader keeps them in a map.
    let headers = proptest::collection::btree_map("[a-zé]{0,20}", bytes(100), 0..5);
    (-1_000_000..1_000_000_i64, bytes(100), bytes(9_000), headers)
        .prop_map(|(time, key, value, headers)| (time, key, value, headers.into_iter().collect()))
}

proptest! {
    #[test]
    fn batches_are_read_back_as_they_were_written(records in proptest::collection::vec(written(), 1..20)) {
        let mut batch = Batch::default();
        for (number, (timestamp_ms, key, value, headers)) in records.iter().enumerate() {
            // Some have their first headers framed, others all or none of them.
            let (first, own) = headers.split_at(number % (headers.len() + 1));
            let bytes = &framed(first);
            let framed = Framed { count: first.len(), bytes };
            let (key, value) = (key.as_deref(), value.as_deref());
            let content = Content { timestamp_ms: *timestamp_ms, key, value, framed };
            let parts = Parts::of(&content, borrowed(own));
            let before = batch.bytes();
            batch.append(&content, parts, borrowed(own), number);
            prop_assert!(batch.bytes() - before <= parts.size_at_most());
        }
        let mut out = Vec::new();
        let stamp = Stamp { producer_id: 77, epoch: 3, sequence: 11 };
        batch.write(stamp, &mut Compressor::new(Codec::None), &mut out);
        prop_assert_eq!(out.len(), batch.bytes());
        let read = RecordBatchDecoder::decode(&mut Bytes::from(out)).expect("a batch").records;
        prop_assert_eq!(read.len(), records.len());
        for (at, (read, (time, key, value, headers))) in read.iter().zip(&records).enumerate() {
            prop_assert_eq!((read.timestamp, read.offset, read.sequence), (*time, at as i64, 11 + at as i32));
            prop_assert_eq!((read.producer_id, read.producer_epoch, read.transactional), (77, 3, true));
            prop_assert_eq!(read.key.as_deref(), key.as_deref());
            prop_assert_eq!(read.value.as_deref(), value.as_deref());
            let found: Vec<_> = read.headers.iter().map(|(k, v)| (k.to_string(), v.as_ref().map(|v| v.to_vec()))).collect();
            prop_assert_eq!(&found, headers);
        }
    }
}

/// A topic of a request, and the records of its partitions.
type Topic<'a> = (&'a str, Vec<(i32, &'a [u8])>);

#[test]
fn the_request_is_the_protocols_own_in_both_layouts() {
    for (version, client_id) in [(7, None), (8, Some("me")), (9, Some("me")), (11, None), (12, Some("me"))] {
        let head = Head { version, number: 5, client_id, transactional_id: "tx", timeout_ms: 1_234 };
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, &head, 2);
        for (topic, partitions) in [("a", vec![0, 3]), ("b", vec![1])] {
            writer.topic(topic, partitions.len());
            for partition in partitions {
                // Long enough for a length of two bytes.
                writer.partition(partition, |out| out.extend_from_slice(&[partition as u8; 200]));
            }
            writer.end();
        }
        writer.finish();
        let mut frame = Bytes::from(out);
        assert_eq!(frame.get_u32() as usize, frame.len());
        let header = RequestHeader::decode(&mut frame, ApiKey::Produce.request_header_version(version))
            .expect("a header");
        assert_eq!(
            (header.request_api_key, header.request_api_version, header.correlation_id),
            (0, version, 5)
        );
        assert_eq!(header.client_id.as_deref(), client_id);
        let request = ProduceRequest::decode(&mut frame, version).expect("a request");
        assert!(!frame.has_remaining());
        assert_eq!((request.acks, request.timeout_ms), (-1, 1_234));
        assert_eq!(request.transactional_id.as_ref().map(|id| id.as_str()), Some("tx"));
        let topics: Vec<Topic<'_>> = request
            .topic_data
            .iter()
            .map(|topic| {
                let partitions = topic.partition_data.iter();
                (
                    topic.name.as_str(),
                    partitions.map(|p| (p.index, p.records.as_deref().expect("records"))).collect(),
                )
            })
            .collect();
        let expected: Vec<Topic<'_>> =
            vec![("a", vec![(0, &[0; 200]), (3, &[3; 200])]), ("b", vec![(1, &[1; 200])])];
        assert_eq!(topics, expected);
    }
}
