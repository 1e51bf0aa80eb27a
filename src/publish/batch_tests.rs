//! What a batch holds, and when it may end.

use super::*;
use crate::memory::{Large, Room};
use std::convert::Infallible;
use std::sync::Arc;

fn batcher(events: usize) -> Batcher {
    let position = Position::first(&Position::creating(1, 1, "test"), Lsn::new(100));
    Batcher::new(Limits { events, bytes: 1 << 20, age: Duration::from_millis(100) }, &position)
}

fn record(batcher: &mut Batcher, key: &str) {
    let topic: Arc<str> = Arc::from("t");
    let out = batcher.outgoing();
    let mut draft = out.draft();
    let wrote: Result<(), Infallible> = out.key(&mut draft, |bytes| {
        bytes.extend_from_slice(key.as_bytes());
        Ok(true)
    });
    wrote.unwrap();
    out.finish(draft, &topic, None, 0);
}

fn keys(batch: &Batch) -> Vec<String> {
    batch.outgoing.iter().map(|record| String::from_utf8(record.key.unwrap().to_vec()).unwrap()).collect()
}

fn close(batcher: &mut Batcher) -> (Vec<String>, Batch) {
    let mut closed = None;
    batcher.close(|batch| {
        closed = Some((keys(&batch), batch));
        Batch::default()
    });
    closed.unwrap()
}

#[test]
fn several_whole_transactions_make_one_batch_and_its_end_is_the_last_ones() {
    let (mut batcher, now) = (batcher(10), Instant::now());
    for (xid, end) in [(1, 120), (2, 140)] {
        batcher.begin(Lsn::new(end - 10), xid, 5);
        record(&mut batcher, &format!("k{xid}"));
        assert!(!batcher.changed(now));
        assert!(batcher.is_open());
        batcher.commit(Lsn::new(end), now);
    }
    assert!(!batcher.is_full());
    assert!(!batcher.is_aged(now) && batcher.is_aged(now + Duration::from_millis(100)));
    let (keys, batch) = close(&mut batcher);
    assert_eq!(keys, ["k1", "k2"]);
    assert_eq!((batch.end_lsn, batch.transactions, batch.last_xid), (Lsn::new(140), 2, 2));
    assert_eq!(batch.partial, None);
    assert!(!batcher.has_records() && !batcher.has_progress());
}

#[test]
fn an_event_of_no_transaction_counts_as_one_and_is_whole_at_its_own_lsn() {
    let (mut batcher, now) = (batcher(10), Instant::now());
    batcher.begin(Lsn::new(110), 1, 5);
    record(&mut batcher, "k1");
    batcher.commit(Lsn::new(120), now);
    batcher.begin(Lsn::new(130), 0, 7);
    assert_eq!(batcher.next_change(), Origin { commit_lsn: Lsn::new(130), change: 1, xid: 0 });
    record(&mut batcher, "alone");
    assert!(!batcher.changed(now));
    batcher.commit(Lsn::new(130), now);
    assert!(batcher.is_aged(now + Duration::from_millis(100)));
    let (keys, batch) = close(&mut batcher);
    assert_eq!(keys, ["k1", "alone"]);
    assert_eq!((batch.end_lsn, batch.transactions, batch.last_xid), (Lsn::new(130), 2, 0));
    assert_eq!((batch.last_commit_lsn, batch.last_commit_us), (Lsn::new(130), 7));
}

#[test]
fn rows_of_a_snapshot_leave_the_position_where_it_is_and_say_how_far_they_have_come() {
    let mut batcher = batcher(2);
    let partial = Some(Partial {
        commit_lsn: Lsn::new(150),
        xid: 7,
        ordinal: 3,
        change_hash: "0011223344556677".into(),
    });
    let snapshot = |rows| Snapshot { lsn: Lsn::new(100), horizon: "7:7:".into(), rows, tables: Vec::new() };
    for rows in [2, 4] {
        record(&mut batcher, "a");
        assert!(!batcher.is_full());
        record(&mut batcher, "b");
        assert!(batcher.is_full());
        batcher.at_rows(Some(snapshot(rows)), partial.clone());
        let (keys, batch) = close(&mut batcher);
        assert_eq!(keys, ["a", "b"]);
        assert_eq!((batch.end_lsn, batch.transactions), (Lsn::new(100), 0));
        assert_eq!((batch.snapshot, batch.partial), (Some(snapshot(rows)), partial.clone()));
    }
}

#[test]
fn a_transaction_too_large_for_a_batch_is_split_and_its_lsn_waits_for_the_last_piece() {
    let (mut batcher, now) = (batcher(2), Instant::now());
    batcher.begin(Lsn::new(150), 7, 5);
    let mut pieces = Vec::new();
    for number in 1..=5 {
        record(&mut batcher, &number.to_string());
        if batcher.changed(now) {
            batcher.split(format!("hash{number}"));
            pieces.push(close(&mut batcher));
        }
    }
    batcher.commit(Lsn::new(180), now);
    pieces.push(close(&mut batcher));
    let seen: Vec<_> = pieces
        .iter()
        .map(|(keys, batch)| (keys.len(), batch.end_lsn.as_u64(), batch.partial.as_ref().map(|p| p.ordinal)))
        .collect();
    assert_eq!(seen, [(2, 100, Some(2)), (2, 100, Some(4)), (1, 180, None)]);
    assert_eq!(pieces[1].1.partial.as_ref().unwrap().change_hash, "hash4");
    assert_eq!(pieces[2].1.transactions, 1);
}

#[test]
fn changes_without_an_event_count_in_the_ordinal_but_do_not_split() {
    let (mut batcher, now) = (batcher(2), Instant::now());
    batcher.begin(Lsn::new(150), 7, 5);
    for _ in 0..10 {
        assert!(!batcher.changed(now));
    }
    record(&mut batcher, "a");
    assert!(!batcher.changed(now));
    record(&mut batcher, "b");
    assert!(batcher.changed(now));
    batcher.split("hash".into());
    assert_eq!(close(&mut batcher).1.partial.unwrap().ordinal, 12);
}

#[test]
fn a_transaction_behind_smaller_ones_is_not_split_for_their_sake() {
    let (mut batcher, now) = (batcher(3), Instant::now());
    batcher.begin(Lsn::new(110), 1, 5);
    record(&mut batcher, "a");
    record(&mut batcher, "b");
    assert!(!batcher.changed(now));
    batcher.commit(Lsn::new(120), now);
    batcher.begin(Lsn::new(130), 2, 5);
    record(&mut batcher, "c");
    assert!(!batcher.changed(now));
    record(&mut batcher, "d");
    assert!(!batcher.changed(now));
    batcher.commit(Lsn::new(140), now);
    assert!(batcher.is_full());
}

#[test]
fn an_abandoned_transaction_leaves_those_before_it() {
    let (mut batcher, now) = (batcher(10), Instant::now());
    batcher.begin(Lsn::new(110), 1, 5);
    record(&mut batcher, "a");
    batcher.commit(Lsn::new(120), now);
    batcher.begin(Lsn::new(130), 2, 5);
    record(&mut batcher, "b");
    batcher.abandon();
    let (keys, batch) = close(&mut batcher);
    assert_eq!((keys.as_slice(), batch.end_lsn), (["a".to_owned()].as_slice(), Lsn::new(120)));
}

#[test]
fn an_idle_position_is_due_after_a_time_or_a_distance_and_not_when_nothing_moved() {
    let (mut batcher, now) = (batcher(10), Instant::now());
    let (interval, bytes) = (Duration::from_secs(30), 1000);
    assert_eq!(batcher.idle_due(interval, bytes, now), None);
    batcher.keepalive(Lsn::new(100), now);
    assert_eq!(batcher.idle_due(interval, bytes, now), None);
    batcher.keepalive(Lsn::new(200), now);
    batcher.keepalive(Lsn::new(150), now + interval);
    assert_eq!(batcher.end_lsn(), Lsn::new(200));
    assert_eq!(batcher.idle_due(interval, bytes, now), Some(now + interval));
    batcher.keepalive(Lsn::new(1100), now);
    assert_eq!(batcher.idle_due(interval, bytes, now), Some(now));
    let (keys, batch) = close(&mut batcher);
    assert_eq!((keys.len(), batch.end_lsn), (0, Lsn::new(1100)));
    assert_eq!(batcher.idle_due(interval, bytes, now), None);
}

#[test]
fn a_batch_with_a_large_event_is_due_at_once_and_gives_its_room_back_when_it_is_published() {
    let room = Room::new(Large { bytes: 8 << 20, record_bytes: 2 << 20, copies: 3 });
    let (mut batcher, now) = (batcher(10), Instant::now());
    batcher.begin(Lsn::new(110), 1, 5);
    record(&mut batcher, "small");
    assert!(!batcher.changed(now));
    record(&mut batcher, "large");
    batcher.hold(room.try_take(2 << 20).unwrap());
    assert!(batcher.changed(now) && batcher.is_full());
    batcher.split("h".into());
    let (keys, mut batch) = close(&mut batcher);
    assert_eq!(keys, ["small", "large"]);
    assert_eq!(batch.partial.as_ref().map(|partial| partial.ordinal), Some(2));
    record(&mut batcher, "next");
    assert!(!batcher.changed(now), "the next batch is none of its");
    assert!(room.try_take(2 << 20).is_none());
    batch.let_go();
    assert!(batch.outgoing.is_empty() && room.try_take(2 << 20).is_some());
}
