//! A publisher over an outlet that fails one call, and keeps what was said to it.

use super::*;
use crate::encode::RecordRef;
use crate::fingerprint::Fingerprint;

const REFUSED: Class = Class::RecordRefused(Reason::TooLarge);

/// An outlet that fails one call, and keeps what was said to it.
struct Script {
    fails: (&'static str, Class),
    said: Vec<&'static str>,
}

impl Script {
    fn say(&mut self, what: &'static str) -> Result<(), OutletError> {
        self.said.push(what);
        if self.fails.0 != what {
            return Ok(());
        }
        let class = self.fails.1;
        Err(OutletError { class, message: "too large".into(), topic: Some("orders".into()), record: Some(0) })
    }
}

impl Outlet for Script {
    fn prepare(&mut self, _: &Outgoing) -> Result<(), OutletError> {
        self.say("prepare")
    }
    fn begin(&mut self) -> Result<(), OutletError> {
        self.say("begin")
    }
    fn send(&mut self, _: &RecordRef<'_>) -> Result<(), OutletError> {
        self.say("send")
    }
    fn send_position(&mut self, _: &[u8], _: Option<&[u8]>) -> Result<(), OutletError> {
        self.say("position")
    }
    fn settle(&mut self) -> Result<(), OutletError> {
        self.say("settle")
    }
    fn commit(&mut self) -> Result<(), OutletError> {
        self.say("commit")
    }
    fn abort(&mut self) -> Result<(), OutletError> {
        self.say("abort")
    }
}

fn publish_failing(at: &'static str, class: Class) -> (Result<Receipt, Error>, Vec<&'static str>) {
    publish_as(at, class, |publisher| publisher)
}

fn publish_as(
    at: &'static str,
    class: Class,
    set: impl FnOnce(Publisher<Script>) -> Publisher<Script>,
) -> (Result<Receipt, Error>, Vec<&'static str>) {
    let mut batch = Batch { end_lsn: Lsn::new(20), ..Batch::default() };
    let mut draft = batch.outgoing.draft();
    batch
        .outgoing
        .header::<()>(&"id".into(), |bytes| {
            bytes.extend(b"event-1");
            Ok(true)
        })
        .unwrap();
    batch.outgoing.value::<()>(&mut draft, |_| Ok(true)).unwrap();
    batch.outgoing.finish(draft, &"orders".into(), None, 1);
    let start = Position::first(&Position::creating(7, 1, "run"), Lsn::new(10));
    let script = Script { fails: (at, class), said: Vec::new() };
    let mut publisher = set(Publisher::new(script, start, b"key".to_vec()));
    let published = publisher.publish(&batch);
    (published, publisher.outlet.said)
}

#[test]
fn a_missing_topic_costs_no_transaction() {
    let (published, said) = publish_failing("prepare", Class::Topic);
    assert!(matches!(published, Err(Error::Topic(_))), "{published:?}");
    assert_eq!(said, ["prepare"]);
}

#[test]
fn a_refused_record_is_aborted_and_becomes_a_rejection_of_its_event() {
    for at in ["send", "settle"] {
        let (published, said) = publish_failing(at, REFUSED);
        let Err(Error::Refused(_, rejection)) = published else { panic!("{published:?}") };
        assert_eq!(rejection.event_id.as_deref(), Some("event-1"));
        assert_eq!((rejection.reason, rejection.table.as_str()), (Reason::TooLarge, "topic orders"));
        assert_eq!(said.last(), Some(&"abort"));
        assert!(!said.contains(&"commit"));
    }
}

#[test]
fn a_fenced_publisher_says_nothing_more() {
    for at in ["begin", "send", "position", "settle", "commit"] {
        let (published, said) = publish_failing(at, Class::Fenced);
        assert!(matches!(published, Err(Error::Fenced(_))), "{published:?}");
        assert_eq!(said.last(), Some(&at));
    }
}

#[test]
fn what_was_last_seen_goes_into_the_position_and_a_freeze_begins_and_commits_nothing() {
    let start = Position::first(&Position::creating(7, 1, "run"), Lsn::new(10));
    let (seen, freeze) = (LastSeen::default(), Freeze::default());
    let outlet = Script { fails: ("", REFUSED), said: Vec::new() };
    let mut publisher = Publisher::new(outlet, start, b"key".to_vec()).heed(seen.clone(), freeze.clone());
    let batch = |end| Batch { end_lsn: Lsn::new(end), ..Batch::default() };
    publisher.publish(&batch(20)).unwrap();
    assert_eq!(publisher.position().publication, None);
    let fingerprint = Fingerprint { oid: 5, ..Fingerprint::default() };
    seen.set(fingerprint.clone());
    publisher.publish(&batch(30)).unwrap();
    assert_eq!(publisher.position().publication, Some(fingerprint));

    publisher.outlet.said.clear();
    freeze.say();
    let published = publisher.publish(&batch(40));
    assert!(matches!(published, Err(Error::NotCommitted(_))), "{published:?}");
    assert!(publisher.outlet.said.is_empty());

    // Said while a transaction is open: it is aborted, and no commit is sent.
    let outlet = &mut publisher.outlet;
    let outgoing = Outgoing::default();
    let wanted = Wanted { outgoing: &outgoing, key: b"key", words: &[None], careful: false };
    let ended = commit(&mut Transaction::new(), outlet, &wanted, &freeze);
    assert!(matches!(ended, Err(Error::NotCommitted(_))), "{ended:?}");
    assert_eq!(outlet.said, ["begin", "position", "settle", "abort"]);
}

#[test]
fn what_is_published_apart_says_of_the_position_what_it_is_told_to() {
    let position = Position::creating(7, 1, "run");
    for (last, words) in
        [(Last::Nothing, 0), (Last::Position(&position), 1), (Last::Anew(&position), 2), (Last::Forgotten, 1)]
    {
        let mut outlet = Script { fails: ("", REFUSED), said: Vec::new() };
        apart(&mut outlet, b"key", &Outgoing::default(), last).unwrap();
        let said = outlet.said.iter().filter(|what| **what == "position").count();
        assert_eq!((said, outlet.said.last()), (words, Some(&"commit")), "{last:?}");
    }
}

#[test]
fn a_batch_that_would_fall_back_is_not_begun() {
    let start = Position::first(&Position::creating(7, 1, "run"), Lsn::new(30));
    let mut publisher =
        Publisher::new(Script { fails: ("", REFUSED), said: Vec::new() }, start, b"key".to_vec());
    let published = publisher.publish(&Batch { end_lsn: Lsn::new(20), ..Batch::default() });
    assert!(matches!(published, Err(Error::NotCommitted(_))), "{published:?}");
    assert!(publisher.outlet.said.is_empty());
}

#[test]
fn a_careful_publisher_waits_for_each_record_and_commits_all_of_them_together() {
    let careful =
        |until| publish_as("", REFUSED, move |publisher| publisher.careful_until(Lsn::new(until))).1;
    assert_eq!(careful(20), ["prepare", "begin", "send", "settle", "position", "settle", "commit"]);
    assert_eq!(careful(19), ["prepare", "begin", "send", "position", "settle", "commit"]);
}

#[test]
fn what_is_wrong_with_the_dead_letters_topic_is_no_fault_of_an_event() {
    let of = |topic: &str, class| {
        let topic = Some(Arc::from(topic));
        publish_as("settle", class, move |publisher| publisher.dead_letters(topic)).0.unwrap_err()
    };
    for class in [REFUSED, Class::Denied, Class::Topic] {
        assert!(matches!(of("orders", class), Error::DeadLetters(_)), "{class:?}");
        assert!(!matches!(of("letters", class), Error::DeadLetters(_)), "{class:?}");
    }
    assert!(matches!(of("orders", Class::Abortable), Error::NotCommitted(_)));
}
