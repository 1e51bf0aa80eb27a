//! Publishes batches, one Kafka transaction each: the machine says what to do, the outlet does it.

use super::transaction::{Action, Ending, Input, Transaction};
use super::{Batch, Class, Error, Outlet, OutletError, Receipt};
use crate::encode::Outgoing;
use crate::failpoint;
use crate::fingerprint::LastSeen;
use crate::freeze::Freeze;
use crate::lsn::Lsn;
use crate::mutant::{self, Mutant};
use crate::position::Position;
use crate::rejection::{Reason, Rejection};
use std::time::Duration;

/// Holds the producer and the position it last committed.
pub struct Publisher<O: Outlet> {
    outlet: O,
    transaction: Transaction,
    position: Position,
    key: Vec<u8>,
    /// The position record, written anew for each transaction.
    record: Vec<u8>,
    /// What the slot sends, for the record.
    seen: LastSeen,
    freeze: Freeze,
}

impl<O: Outlet> Publisher<O> {
    /// A publisher that goes on after `position`, under a producer that has fenced all before it.
    pub fn new(outlet: O, position: Position, key: Vec<u8>) -> Publisher<O> {
        Publisher {
            outlet,
            transaction: Transaction::new(),
            position,
            key,
            record: Vec::new(),
            seen: LastSeen::default(),
            freeze: Freeze::default(),
        }
    }

    /// Writes what was last seen into the positions, and begins and commits nothing more once `freeze` is said.
    pub fn heed(mut self, seen: LastSeen, freeze: Freeze) -> Publisher<O> {
        (self.seen, self.freeze) = (seen, freeze);
        self
    }

    /// The position Kafka holds, as far as this publisher was told.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// How long the next batch had better wait after this one.
    pub fn rest(&self) -> Duration {
        self.outlet.rest()
    }

    /// Publishes the batch in one Kafka transaction; one without records moves the position alone. After an error this
    /// publisher must not be used again.
    pub fn publish(&mut self, batch: &Batch) -> Result<Receipt, Error> {
        if self.freeze.is_said() {
            return Err(Error::NotCommitted(frozen()));
        }
        let mut next = self.position.after(batch).map_err(|what| Error::NotCommitted(unusable(what)))?;
        next.publication = self.seen.get().or(next.publication);
        if !batch.outgoing.is_empty() {
            self.outlet.prepare(&batch.outgoing).map_err(|error| not_committed(error, &batch.outgoing))?;
        }
        self.record.clear();
        write_record(&mut self.record, &next);
        let record = Some(self.record.as_slice());
        let (transaction, outlet) = (&mut self.transaction, &mut self.outlet);
        commit(transaction, outlet, &batch.outgoing, &self.key, record, &self.freeze)?;
        self.position = next;
        if batch.partial.is_some() {
            failpoint::hit("mid_split");
        }
        if batch.outgoing.is_empty() {
            failpoint::hit("in_idle_position");
        }
        Ok(Receipt {
            end_lsn: self.position.end_lsn,
            events: batch.outgoing.len() as u64,
            bytes: batch.outgoing.bytes() as u64,
        })
    }
}

/// Writes `position` in a transaction of its own: the first of a chain, or one that a person decided on.
pub fn write<O: Outlet>(outlet: &mut O, key: &[u8], position: &Position) -> Result<(), Error> {
    let mut record = Vec::new();
    write_record(&mut record, position);
    commit(&mut Transaction::new(), outlet, &Outgoing::default(), key, Some(&record), &Freeze::default())
}

/// Forgets the position of this key; the next start finds none.
pub fn forget<O: Outlet>(outlet: &mut O, key: &[u8]) -> Result<(), Error> {
    commit(&mut Transaction::new(), outlet, &Outgoing::default(), key, None, &Freeze::default())
}

/// One transaction, as the machine wants it.
fn commit<O: Outlet>(
    transaction: &mut Transaction,
    outlet: &mut O,
    outgoing: &Outgoing,
    key: &[u8],
    position: Option<&[u8]>,
    freeze: &Freeze,
) -> Result<(), Error> {
    let half = outgoing.len() / 2;
    let mut records = outgoing.iter();
    let mut first_error = None;
    let mut action = transaction.step(Input::Start { records: outgoing.len() });
    loop {
        let performed = match action {
            Action::Begin if mutant::is_on(Mutant::CommitUnacknowledged) => {
                outlet.begin().and_then(|()| outlet.send_position(key, position))
            }
            Action::Begin => outlet.begin().inspect(|()| failpoint::hit("after_begin")),
            Action::Send(number) => {
                if number == half {
                    failpoint::hit("mid_send");
                }
                match records.next() {
                    Some(record) => outlet.send(&record),
                    None => Err(unusable(format!("there is no record {number}"))),
                }
            }
            Action::SendPosition if mutant::is_on(Mutant::CommitUnacknowledged) => Ok(()),
            Action::SendPosition => {
                if mutant::is_on(Mutant::PositionApart) {
                    outlet.settle().and_then(|()| outlet.commit()).and_then(|()| outlet.begin()).ok();
                }
                failpoint::hit("before_position");
                outlet.send_position(key, position).inspect(|()| failpoint::hit("after_position"))
            }
            Action::Settle => outlet.settle().inspect(|()| failpoint::hit("before_commit")),
            Action::Commit if freeze.is_said() => Err(frozen()),
            Action::Commit => {
                failpoint::soon_hit("endtxn_sent");
                outlet.commit().inspect(|()| failpoint::hit("after_commit"))
            }
            Action::Abort => {
                failpoint::soon_hit("in_abort");
                outlet.abort().inspect_err(|error| tracing::debug!(%error, "the abort failed"))
            }
            Action::Finish(Ending::Committed) => return Ok(()),
            Action::Finish(ending) => {
                let error = first_error.unwrap_or_else(|| unusable("this publisher has ended before"));
                return Err(match ending {
                    Ending::Unknown if !matches!(error.class, Class::Fenced | Class::Denied) => {
                        Error::Unknown(error)
                    }
                    _ => not_committed(error, outgoing),
                });
            }
        };
        action = transaction.step(match performed {
            Ok(()) => Input::Done,
            Err(error) => {
                let class = error.class;
                first_error.get_or_insert(error);
                Input::Failed(class)
            }
        });
    }
}

impl Position {
    /// The position after a batch; the error says why the batch cannot follow this one.
    pub fn after(&self, batch: &Batch) -> Result<Position, String> {
        if batch.end_lsn < self.end_lsn {
            return Err(format!(
                "a batch that ends at {} cannot follow position {}",
                batch.end_lsn, self.end_lsn
            ));
        }
        Ok(Position {
            seq: self.seq + 1,
            prev_lsn: self.end_lsn,
            end_lsn: batch.end_lsn,
            creating: false,
            partial: batch.partial.clone(),
            system_id: self.system_id,
            timeline: self.timeline,
            slot_birth_lsn: self.slot_birth_lsn,
            events: self.events + batch.outgoing.len() as u64,
            transactions: self.transactions + batch.transactions,
            last_xid: batch.last_xid,
            last_commit_us: batch.last_commit_us,
            instance: self.instance.clone(),
            publication: self.publication.clone(),
        })
    }
}

fn write_record(record: &mut Vec<u8>, position: &Position) {
    serde_json::to_writer(record, position).expect("a position is plain data, and memory takes it");
}

fn unusable(what: impl Into<String>) -> OutletError {
    OutletError { class: Class::Fatal, message: what.into(), topic: None, record: None }
}

/// Somebody saw what must not be published over. The class says that the commit was never sent.
fn frozen() -> OutletError {
    let message = "nothing more may be published".to_owned();
    OutletError { class: Class::Abortable, message, topic: None, record: None }
}

/// What an error that left nothing behind means for the batch.
fn not_committed(error: OutletError, outgoing: &Outgoing) -> Error {
    match error.class {
        Class::Fenced => Error::Fenced(error),
        Class::Denied => Error::Denied(error),
        Class::Topic => Error::Topic(error),
        Class::RecordRefused(reason) => Error::Rejected(Box::new(rejection(reason, &error, outgoing))),
        Class::Retriable | Class::Abortable | Class::Indefinite | Class::Fatal => Error::NotCommitted(error),
    }
}

/// A refused record as the rejection of its event. Which row it was is not known here: the topic stands for the table,
/// and the header that Debezium's router writes for the event's id.
fn rejection(reason: Reason, error: &OutletError, outgoing: &Outgoing) -> Rejection {
    let topic = error.topic.as_deref().unwrap_or("unknown");
    let record = error.record.and_then(|number| outgoing.iter().nth(number));
    let event_id = record.and_then(|record| {
        let id = record.headers().find(|(name, _)| *name == "id").and_then(|(_, value)| value);
        id.and_then(|id| String::from_utf8(id.to_vec()).ok())
    });
    let hint = match reason {
        Reason::TooLarge => format!(
            "let max.request.size, and max.message.bytes of topic {topic}, allow such a record, or publish smaller ones"
        ),
        Reason::PartitionIllegal => {
            format!("give topic {topic} more partitions, or let the column name one that it has")
        }
        _ => format!("look at the settings of topic {topic}, and at what the broker's log says"),
    };
    Rejection {
        reason,
        detail: error.message.clone(),
        hint,
        table: format!("topic {topic}"),
        event_id,
        commit_lsn: Lsn::ZERO,
        xid: 0,
    }
}

#[cfg(test)]
#[path = "simulation.rs"]
mod simulation;

#[cfg(test)]
mod tests {
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
            Err(OutletError {
                class,
                message: "too large".into(),
                topic: Some("orders".into()),
                record: Some(0),
            })
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
        let mut publisher =
            Publisher::new(Script { fails: (at, class), said: Vec::new() }, start, b"key".to_vec());
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
            let Err(Error::Rejected(rejection)) = published else { panic!("{published:?}") };
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
        let ended = commit(&mut Transaction::new(), outlet, &Outgoing::default(), b"key", None, &freeze);
        assert!(matches!(ended, Err(Error::NotCommitted(_))), "{ended:?}");
        assert_eq!(outlet.said, ["begin", "position", "settle", "abort"]);
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
}
