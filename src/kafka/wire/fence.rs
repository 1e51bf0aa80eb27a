//! The fence: a new epoch from the coordinator, after which no older producer of the same name can do anything.
//!
//! InitProducerId may be asked again and again: each answer is a newer epoch, and only the last one is used. One that
//! arrives late fences this producer, as another instance would.

use super::errors::{self, CONCURRENT_TRANSACTIONS, COORDINATOR_LOAD_IN_PROGRESS};
use super::forgotten::Decided;
use super::inquiry;
use super::producer::{Producer, Protocol, State};
use crate::kafka::classify::{Call, Class};
use crate::kafka::producer::{Failure, kind};
use crate::kafka::{Error, ErrorKind};
use kafka_protocol::messages::{ApiKey, InitProducerIdRequest, InitProducerIdResponse, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use std::thread;
use std::time::{Duration, Instant};

/// First and longest wait before a coordinator is asked again that was not ready.
const SOON: Duration = Duration::from_millis(1);
const LATER: Duration = Duration::from_millis(20);

impl Producer {
    /// Fences every older producer of the same transactional id: when this returns, whatever they left is decided.
    pub fn fence(&mut self, timeout: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + timeout;
        let (mut pause, longest) = self.settings.reconnect;
        loop {
            let (failed, code) = match self.try_fence(deadline) {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            let may_pass = matches!(failed.class, Class::Retriable | Class::Indefinite | Class::Abortable);
            if !may_pass || Instant::now() + pause >= deadline {
                let kind = match code {
                    errors::INVALID_TRANSACTION_TIMEOUT => ErrorKind::Settings,
                    _ => kind(failed.class),
                };
                return Err(Error { kind, message: format!("fencing older producers: {failed}") });
            }
            tracing::debug!(error = %failed, "the fence is made again");
            self.cluster.forget();
            thread::sleep(pause);
            pause = (2 * pause).min(longest);
        }
    }

    /// How the last transaction before the fence ends, where the coordinator has said so: a fence makes it forget.
    pub fn decided(&self) -> Option<&Decided> {
        self.decided.as_ref()
    }

    /// One attempt; with a failure, the code that a broker gave, or 0.
    fn try_fence(&mut self, deadline: Instant) -> Result<(), (Failure, i16)> {
        let silent = |failed| (failed, errors::NONE);
        let id = self.terms.transactional_id.clone();
        let coordinator = self.cluster.coordinator(&id, self.answer_by(deadline)).map_err(silent)?;
        let answer_by = self.answer_by(deadline);
        let connection = self.cluster.ready(coordinator, answer_by).map_err(silent)?;
        let version = connection.version(ApiKey::InitProducerId, 0..=5).map_err(silent)?;
        let asked = InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(StrBytes::from_string(id.clone()))))
            .with_transaction_timeout_ms(self.settings.transaction_timeout.as_millis() as i32);
        let mut pause = SOON;
        let answer: InitProducerIdResponse = loop {
            let answer_by = deadline.min(Instant::now() + self.settings.request_timeout);
            // An answer to an earlier attempt may have been lost, and the coordinator knows nothing any more.
            let heard = inquiry::ask(connection, &id, answer_by).map_err(silent)?;
            let facts = heard.and_then(|heard| inquiry::facts(&heard, &id).ok().flatten());
            self.decided = Decided::latest(self.decided.take(), facts.and_then(Decided::of));
            let answer: InitProducerIdResponse =
                connection.ask(ApiKey::InitProducerId, version, &asked, answer_by).map_err(silent)?;
            match answer.error_code {
                errors::NONE => break answer,
                // A predecessor's transaction is being ended, or its end is being read: not done, and worth asking again.
                CONCURRENT_TRANSACTIONS | COORDINATOR_LOAD_IN_PROGRESS
                    if Instant::now() + pause < deadline => {}
                code => return Err((errors::refused(Call::Init, "asking for an epoch", code), code)),
            }
            thread::sleep(pause);
            pause = (2 * pause).min(LATER);
        };
        let has_epochs = connection.transaction_version() >= 2;
        let ends = connection.version(ApiKey::EndTxn, Protocol::V2.end()).is_ok();
        self.protocol = if has_epochs && ends { Protocol::V2 } else { Protocol::V1 };
        tracing::debug!(
            coordinator = connection.peer(),
            producer_id = answer.producer_id.0,
            epoch = answer.producer_epoch,
            protocol = ?self.protocol,
            "fenced older producers"
        );
        self.coordinator = coordinator;
        self.terms.versions = self.protocol.produce();
        self.adopt(answer.producer_id.0, answer.producer_epoch);
        self.state = State::Idle;
        Ok(())
    }
}
