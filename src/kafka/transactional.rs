//! One of two transactional producers: librdkafka's, or walpost's own. Whoever publishes need not know which.

use super::Error;
use super::producer::{self, Failure, Headers, Record};
use super::wire;
use std::collections::BTreeMap;
use std::time::Duration;

/// Which producer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProducerKind {
    /// librdkafka's.
    Librdkafka,
    /// walpost's own.
    #[default]
    Native,
}

/// A transactional producer of either kind: see [`producer::Producer`] and [`wire::Producer`].
pub enum Transactional {
    /// librdkafka's.
    Librdkafka(producer::Producer),
    /// walpost's own.
    Native(Box<wire::Producer>),
}

impl Transactional {
    /// A producer with settings by librdkafka's names.
    pub fn new(
        kind: ProducerKind,
        settings: &BTreeMap<String, String>,
        transactional_id: &str,
    ) -> Result<Transactional, Error> {
        Ok(match kind {
            ProducerKind::Librdkafka => producer::Producer::new(settings, transactional_id)?.into(),
            ProducerKind::Native => wire::Producer::new(settings, transactional_id)?.into(),
        })
    }

    /// Fences every older producer of the same transactional id.
    pub fn fence(&mut self, timeout: Duration) -> Result<(), Error> {
        match self {
            Transactional::Librdkafka(producer) => producer.fence(timeout),
            Transactional::Native(producer) => producer.fence(timeout),
        }
    }

    /// How the last transaction before the fence ends, where that is known.
    pub fn decided(&self) -> Option<&wire::Decided> {
        match self {
            Transactional::Librdkafka(_) => None,
            Transactional::Native(producer) => producer.decided(),
        }
    }

    /// Looks topics up before the transaction that needs them; librdkafka does that by itself.
    pub fn prepare<'t>(&mut self, topics: impl Iterator<Item = &'t str>) -> Result<(), Failure> {
        match self {
            Transactional::Librdkafka(_) => Ok(()),
            Transactional::Native(producer) => producer.prepare(topics),
        }
    }

    /// Begins a transaction.
    pub fn begin(&mut self) -> Result<(), Failure> {
        match self {
            Transactional::Librdkafka(producer) => producer.begin(),
            Transactional::Native(producer) => producer.begin(),
        }
    }

    /// Hands a record over.
    pub fn send<'h>(
        &mut self,
        record: Record<'_>,
        headers: Headers<
            'h,
            impl ExactSizeIterator<Item = (&'h str, Option<&'h [u8]>)>,
            impl ExactSizeIterator<Item = (&'h str, Option<&'h [u8]>)> + Clone,
        >,
    ) -> Result<(), Failure> {
        match self {
            Transactional::Librdkafka(producer) => producer.send(record, headers.all),
            Transactional::Native(producer) => producer.send_framed(record, headers.framed, headers.own),
        }
    }

    /// Waits until the cluster has acknowledged every record sent.
    pub fn settle(&mut self) -> Result<(), Failure> {
        match self {
            Transactional::Librdkafka(producer) => producer.settle(),
            Transactional::Native(producer) => producer.settle(),
        }
    }

    /// Commits; `Ok` is the coordinator's definite word.
    pub fn commit(&mut self) -> Result<(), Failure> {
        match self {
            Transactional::Librdkafka(producer) => producer.commit(),
            Transactional::Native(producer) => producer.commit(),
        }
    }

    /// Aborts, where nothing is uncertain. The producer is of no further use afterwards.
    pub fn abort(&mut self) -> Result<(), Failure> {
        match self {
            Transactional::Librdkafka(producer) => producer.abort(),
            Transactional::Native(producer) => producer.abort(),
        }
    }

    /// How long the next transaction should wait after the last commit.
    pub fn rest(&self) -> Duration {
        match self {
            Transactional::Librdkafka(producer) => producer.rest(),
            Transactional::Native(producer) => producer.rest(),
        }
    }
}

impl From<producer::Producer> for Transactional {
    fn from(producer: producer::Producer) -> Transactional {
        Transactional::Librdkafka(producer)
    }
}

impl From<wire::Producer> for Transactional {
    fn from(producer: wire::Producer) -> Transactional {
        Transactional::Native(Box::new(producer))
    }
}
