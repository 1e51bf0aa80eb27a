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
use crate::rejection::{Origin, Reason, Rejection};
use std::sync::Arc;
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
    /// Up to here each record waits for the acknowledgement of the one before it.
    careful_until: Lsn,
    dead_letters: Option<Arc<str>>,
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
            careful_until: Lsn::ZERO,
            dead_letters: None,
        }
    }

    /// Up to this LSN a record is sent only when the one before it is acknowledged: one that is refused is then known.
    pub fn careful_until(mut self, lsn: Lsn) -> Publisher<O> {
        self.careful_until = lsn;
        self
    }

    /// The topic of dead letters, of which nothing may be refused.
    pub fn dead_letters(mut self, topic: Option<Arc<str>>) -> Publisher<O> {
        self.dead_letters = topic;
        self
    }

    /// Whether this batch is published record by record.
    pub fn is_careful(&self, batch: &Batch) -> bool {
        batch.end_lsn <= self.careful_until
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
        self.record.clear();
        write_record(&mut self.record, &next);
        let careful = self.is_careful(batch);
        self.perform(batch, careful).map_err(|error| self.about_dead_letters(error, careful))?;
        self.position = next;
        if batch.partial.is_some() {
            failpoint::hit("mid_split");
        }
        if batch.snapshot.is_some() {
            failpoint::hit("mid_snapshot");
        } else if batch.outgoing.is_empty() {
            failpoint::hit("in_idle_position");
        }
        Ok(Receipt {
            end_lsn: self.position.end_lsn,
            events: batch.outgoing.len() as u64,
            bytes: batch.outgoing.bytes() as u64,
        })
    }
}

impl<O: Outlet> Publisher<O> {
    /// The batch, and the position record as it is written.
    fn perform(&mut self, batch: &Batch, careful: bool) -> Result<(), Error> {
        let outgoing = &batch.outgoing;
        if !outgoing.is_empty() {
            self.outlet.prepare(outgoing).map_err(|error| not_committed(error, outgoing))?;
        }
        let words = [Some(self.record.as_slice())];
        let wanted = Wanted { outgoing, key: &self.key, words: &words, careful };
        commit(&mut self.transaction, &mut self.outlet, &wanted, &self.freeze)
    }

    /// What is wrong with the dead letters' topic, or with a letter, is no fault of an event.
    fn about_dead_letters(&self, error: Error, careful: bool) -> Error {
        let inner = match &error {
            Error::Denied(inner) | Error::Topic(inner) => inner,
            // Of several that were refused together, each may be fit by itself.
            Error::Refused(inner, _) if careful || inner.record.is_some() => inner,
            _ => return error,
        };
        match self.dead_letters.as_deref().is_some_and(|letters| inner.topic.as_deref() == Some(letters)) {
            true => Error::DeadLetters(inner.clone()),
            false => error,
        }
    }
}

/// What a transaction that is no part of the stream says of the position, last of all.
#[derive(Clone, Copy, Debug)]
pub enum Last<'a> {
    /// Nothing: it stays.
    Nothing,
    /// It is this one from here on.
    Position(&'a Position),
    /// What was before is forgotten, and a new chain begins with this one.
    Anew(&'a Position),
    /// It is forgotten; the next start finds none.
    Forgotten,
}

/// Publishes records that do not come from the stream, and `last`, in a transaction of their own: what a person decided
/// on. After an error the outlet must not be used again.
pub fn apart<O: Outlet>(
    outlet: &mut O,
    key: &[u8],
    outgoing: &Outgoing,
    last: Last<'_>,
) -> Result<(), Error> {
    if !outgoing.is_empty() {
        outlet.prepare(outgoing).map_err(|error| not_committed(error, outgoing))?;
    }
    let mut record = Vec::new();
    if let Last::Position(position) | Last::Anew(position) = last {
        write_record(&mut record, position);
    }
    let record = Some(record.as_slice());
    let words: &[Option<&[u8]>] = match last {
        Last::Nothing => &[],
        Last::Position(_) => &[record],
        Last::Anew(_) => &[None, record],
        Last::Forgotten => &[None],
    };
    let wanted = Wanted { outgoing, key, words, careful: false };
    commit(&mut Transaction::new(), outlet, &wanted, &Freeze::default())
}

/// Writes `position` in a transaction of its own: the first of a chain, or one that a person decided on.
pub fn write<O: Outlet>(outlet: &mut O, key: &[u8], position: &Position) -> Result<(), Error> {
    apart(outlet, key, &Outgoing::default(), Last::Position(position))
}

/// Forgets the position of this key; the next start finds none.
pub fn forget<O: Outlet>(outlet: &mut O, key: &[u8]) -> Result<(), Error> {
    apart(outlet, key, &Outgoing::default(), Last::Forgotten)
}

/// Publishes records in a transaction of their own, under a transactional id that has no position. With `careful`, record by
/// record. After an error the outlet must not be used again.
pub fn deliver<O: Outlet>(outlet: &mut O, outgoing: &Outgoing, careful: bool) -> Result<(), Error> {
    outlet.prepare(outgoing).map_err(|error| not_committed(error, outgoing))?;
    let wanted = Wanted { outgoing, key: &[], words: &[], careful };
    commit(&mut Transaction::new(), outlet, &wanted, &Freeze::default())
}

/// What one transaction is to hold.
struct Wanted<'a> {
    outgoing: &'a Outgoing,
    key: &'a [u8],
    /// The values of its position records; one without a value forgets the position.
    words: &'a [Option<&'a [u8]>],
    /// Record by record.
    careful: bool,
}

impl Wanted<'_> {
    fn send_words<O: Outlet>(&self, outlet: &mut O) -> Result<(), OutletError> {
        self.words.iter().try_for_each(|word| outlet.send_position(self.key, *word))
    }
}

/// One transaction, as the machine wants it.
fn commit<O: Outlet>(
    transaction: &mut Transaction,
    outlet: &mut O,
    wanted: &Wanted<'_>,
    freeze: &Freeze,
) -> Result<(), Error> {
    let Wanted { outgoing, careful, .. } = *wanted;
    let half = outgoing.len() / 2;
    let mut records = outgoing.iter();
    let mut first_error = None;
    let mut action = transaction.step(Input::Start { records: outgoing.len() });
    loop {
        let performed = match action {
            Action::Begin if mutant::is_on(Mutant::CommitUnacknowledged) => {
                outlet.begin().and_then(|()| wanted.send_words(outlet))
            }
            Action::Begin => outlet.begin().inspect(|()| failpoint::hit("after_begin")),
            Action::Send(number) => {
                if number == half {
                    failpoint::hit("mid_send");
                }
                match records.next() {
                    Some(record) if careful => outlet.send(&record).and_then(|()| outlet.settle()),
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
                wanted.send_words(outlet).inspect(|()| failpoint::hit("after_position"))
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
            snapshot: batch.snapshot.clone(),
            system_id: self.system_id,
            timeline: self.timeline,
            slot_birth_lsn: self.slot_birth_lsn,
            events: self.events + batch.outgoing.len() as u64,
            transactions: self.transactions + batch.transactions,
            last_xid: batch.last_xid,
            last_commit_us: batch.last_commit_us,
            instance: self.instance.clone(),
            publication: self.publication.clone(),
            audit: self.audit.clone(),
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
        Class::LeftOpen => Error::LeftOpen(error),
        Class::RecordRefused(reason) => {
            let rejection = Box::new(rejection(reason, &error, outgoing));
            Error::Refused(error, rejection)
        }
        Class::Retriable | Class::Abortable | Class::Indefinite | Class::Fatal => Error::NotCommitted(error),
    }
}

/// A refused record as the rejection of its event. The row itself is not known here: the topic stands for the table,
/// and the header that Debezium's router writes for the event's id. Without an origin, it is not known which record of
/// several was refused.
fn rejection(reason: Reason, error: &OutletError, outgoing: &Outgoing) -> Rejection {
    let topic = error.topic.as_deref().unwrap_or("unknown");
    let record = error.record.and_then(|number| outgoing.iter().nth(number));
    let origin = record.as_ref().map_or_else(Origin::default, |record| record.origin);
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
        origin,
    }
}

#[cfg(test)]
#[path = "simulation.rs"]
mod simulation;

#[cfg(test)]
#[path = "publisher_tests.rs"]
mod tests;
