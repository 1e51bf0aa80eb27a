//! What a start makes of another instance that starts beside it.

use super::*;

fn position(end_lsn: u64) -> Position {
    Position::first(&Position::creating(7, 1, "test"), crate::lsn::Lsn::new(end_lsn))
}

fn stop() -> Decision {
    Decision::Stop(Box::new(Failure::new(Exit::SlotAhead, "the slot is ahead", "", "")))
}

#[test]
fn a_stop_is_believed_of_the_position_that_kafka_still_holds_only() {
    let (read, later) = (position(10), position(20));
    assert_eq!(believe(stop(), Some(&read), || Ok(Some(read.clone()))).unwrap(), stop());
    assert_eq!(believe(stop(), None, || Ok(None)).unwrap(), stop());
    let overtaken = believe(stop(), Some(&read), || Ok(Some(later))).unwrap_err();
    assert!(matches!(overtaken, Trouble::Retry(Component::Kafka, _)), "{overtaken:?}");
}

#[test]
fn a_start_that_goes_on_reads_the_position_once() {
    let decision = believe(Decision::Resume, None, || panic!("read again"));
    assert_eq!(decision.unwrap(), Decision::Resume);
}

#[test]
fn a_stream_from_a_slot_that_was_moved_meanwhile_is_not_read() {
    let slot = |confirmed| SlotFacts {
        confirmed_flush_lsn: Some(crate::lsn::Lsn::new(confirmed)),
        ..SlotFacts::default()
    };
    assert!(not_forwarded(Some(&slot(9)), &position(10)).is_ok());
    assert!(not_forwarded(Some(&slot(10)), &position(10)).is_ok());
    let moved = not_forwarded(Some(&slot(11)), &position(10)).unwrap_err();
    assert!(matches!(moved, Trouble::Retry(Component::Postgres, _)), "{moved:?}");
}

#[test]
fn a_slot_that_somebody_else_has_just_made_is_tried_again_and_other_refusals_are_not() {
    let refused = |sqlstate: &str| {
        let (severity, message) = ("ERROR".to_owned(), "refused".to_owned());
        let (detail, hint) = (None, None);
        let sqlstate = sqlstate.to_owned();
        postgres::Error::Server(postgres::ServerError { severity, sqlstate, message, detail, hint })
    };
    assert!(matches!(slot_not_created(&refused("42710")), Trouble::Retry(..)));
    assert!(matches!(slot_not_created(&refused("42501")), Trouble::Halt(_)));
}
