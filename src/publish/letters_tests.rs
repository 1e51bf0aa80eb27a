//! Letters and marks are read as they are written.

use super::*;

const HEADERS: &[(&str, &str)] = &[
    ("outbox.dlt.reason", "too_large"),
    ("outbox.dlt.stage", "KAFKA_PRODUCE"),
    ("outbox.dlt.detail", "the record is large"),
    ("outbox.dlt.attempts", "1"),
    ("outbox.dlt.slot", "walpost"),
    ("outbox.dlt.table", "public.outbox"),
    ("outbox.dlt.commit.lsn", "1/20"),
    ("outbox.dlt.xid", "77"),
    ("outbox.dlt.change", "3"),
    ("outbox.dlt.commit.ts", "1700000000123"),
    ("outbox.dlt.topic", "order"),
    ("outbox.dlt.event.id", "e-1"),
    ("outbox.dlt.aggregate.type", "order"),
    ("outbox.dlt.aggregate.id", "k"),
    ("outbox.dlt.key.hash", "000102030405060708090a0b0c0d0e0f"),
    ("outbox.dlt.payload", "claim"),
    ("outbox.dlt.payload.bytes", "150000"),
];

fn at(offset: i64) -> Place {
    Place { partition: 2, offset }
}

fn read_all(headers: &[(&str, &str)]) -> Entry {
    read(at(17), headers.iter().map(|(name, value)| (*name, Some(value.as_bytes()))))
}

fn a_letter() -> Letter {
    let Entry::Letter(letter) = read_all(HEADERS) else { panic!("no letter") };
    *letter
}

#[test]
fn a_letter_is_read_from_its_headers() {
    let letter = a_letter();
    assert_eq!((letter.place, letter.known_reason()), (at(17), Some(Reason::TooLarge)));
    assert_eq!(letter.origin, Origin { commit_lsn: Lsn::new(0x1_0000_0020), change: 3, xid: 77 });
    assert_eq!((letter.payload, letter.payload_bytes, letter.attempts), (Payload::Claim, Some(150_000), 1));
    assert_eq!((letter.event_id.as_deref(), letter.event_type), (Some("e-1"), None));
    assert!(letter.key_hash.is_some());
}

#[test]
fn what_lacks_a_header_that_every_letter_has_is_somebody_elses() {
    for lacking in ["reason", "slot", "table", "commit.lsn", "payload"] {
        let name = format!("outbox.dlt.{lacking}");
        let headers: Vec<_> = HEADERS.iter().copied().filter(|(header, _)| *header != name).collect();
        assert_eq!(read_all(&headers), Entry::Foreign, "{lacking}");
    }
    assert_eq!(read_all(&[]), Entry::Foreign);
    assert_eq!(read_all(&[(MARK, "lost"), (MARK_OFFSET, "3")]), Entry::Foreign);
    assert_eq!(read_all(&[(MARK, "purged")]), Entry::Foreign);
}

#[test]
fn a_mark_is_read_as_it_was_written_and_stands_in_its_letters_partition() {
    let letter = a_letter();
    for (fate, published) in [(Fate::Replayed, Some(("order", 2))), (Fate::Purged, None)] {
        let mut out = Outgoing::default();
        write_mark(&Arc::from("dlt"), &letter, Some(b"k"), (fate, published), 5, &mut out);
        let record = out.last().unwrap();
        assert_eq!((&**record.topic, record.partition, record.timestamp_ms), ("dlt", Some(2), 5));
        assert_eq!((record.key, record.value, record.origin), (Some(&b"k"[..]), None, letter.origin));
        let mark = Mark { letter: at(17), fate, key_hash: letter.key_hash };
        assert_eq!(read(at(40), record.headers()), Entry::Mark(mark));
    }
}

#[test]
fn a_place_is_read_as_it_is_shown() {
    assert_eq!((at(17).to_string(), "2:17".parse()), ("2:17".to_owned(), Ok(at(17))));
    for wrong in ["", "17", "2:", ":17", "-1:2", "1:-2", "1:2:3", "a:1"] {
        assert!(wrong.parse::<Place>().is_err(), "{wrong}");
    }
}
