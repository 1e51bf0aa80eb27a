//! Kafka's requests, as far as the proxy reads them: which one it is, and the transaction it belongs to.

use std::collections::{BTreeMap, VecDeque};

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KafkaApi {
    Produce,
    Fetch,
    ListOffsets,
    Metadata,
    FindCoordinator,
    ApiVersions,
    InitProducerId,
    AddPartitionsToTxn,
    DescribeTransactions,
    EndTxn,
    /// An EndTxn that commits.
    EndTxnCommit,
    /// An EndTxn that aborts.
    EndTxnAbort,
}

impl KafkaApi {
    fn key(self) -> i16 {
        match self {
            KafkaApi::Produce => 0,
            KafkaApi::Fetch => 1,
            KafkaApi::ListOffsets => 2,
            KafkaApi::Metadata => 3,
            KafkaApi::FindCoordinator => 10,
            KafkaApi::ApiVersions => 18,
            KafkaApi::InitProducerId => INIT_PRODUCER_ID,
            KafkaApi::AddPartitionsToTxn => ADD_PARTITIONS,
            KafkaApi::DescribeTransactions => 65,
            KafkaApi::EndTxn | KafkaApi::EndTxnCommit | KafkaApi::EndTxnAbort => END_TXN,
        }
    }

    pub(super) fn fits(self, request: &Request) -> bool {
        let commits = request.transaction.as_ref().and_then(|of| of.commits);
        self.key() == request.key
            && match self {
                KafkaApi::EndTxnCommit => commits == Some(true),
                KafkaApi::EndTxnAbort => commits == Some(false),
                _ => true,
            }
    }
}

const INIT_PRODUCER_ID: i16 = 22;
const ADD_PARTITIONS: i16 = 24;
const END_TXN: i16 = 26;

/// A request that a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Connections are numbered in the order in which they were opened.
    pub connection: u64,
    /// Kafka's number for this kind of request.
    pub key: i16,
    pub version: i16,
    pub correlation: i32,
    /// Of an AddPartitionsToTxn and an EndTxn.
    pub transaction: Option<Transaction>,
    pub fate: Fate,
}

/// The transaction that a request belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    pub id: String,
    pub producer_id: i64,
    pub epoch: i16,
    /// How it is to end, if this request ends it.
    pub commits: Option<bool>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Passed on; no answer yet.
    Sent,
    /// Its answer was passed on.
    Answered,
    /// It never reached the server.
    Lost,
    /// The server answered, and its client does not know.
    AnswerLost,
    /// Kept for later, and then delivered: the server's error code, 0 for none; an EndTxn's only.
    Late { code: Option<i16> },
}

impl Request {
    /// From a frame, its length included.
    pub(super) fn read(connection: u64, frame: &[u8]) -> Option<Request> {
        let mut cursor = Cursor(frame.get(4..)?);
        let (key, version, correlation) = (cursor.i16()?, cursor.i16()?, cursor.i32()?);
        let transaction = match key {
            ADD_PARTITIONS | END_TXN => transaction(cursor, version, key == END_TXN),
            _ => None,
        };
        Some(Request { connection, key, version, correlation, transaction, fate: Fate::Sent })
    }

    /// The error code of the answer to an EndTxn.
    pub(super) fn error_code(&self, answer: &[u8]) -> Option<i16> {
        self.transaction.as_ref()?.commits?;
        let tags = usize::from(self.version >= 3);
        Cursor(answer.get(8 + tags + 4..)?).i16()
    }
}

/// The same in both requests, up to their last versions for clients.
fn transaction(mut cursor: Cursor<'_>, version: i16, ends: bool) -> Option<Transaction> {
    // The client's id is a string of the old form in every version.
    let client = cursor.i16()?;
    cursor.skip(client.max(0) as usize)?;
    let length = if version >= 3 {
        cursor.skip(1)?; // no tags in the header
        cursor.bytes(1)?[0].checked_sub(1)?.into()
    } else {
        cursor.i16()?.max(0) as usize
    };
    let id = String::from_utf8_lossy(cursor.bytes(length)?).into_owned();
    let (producer_id, epoch) = (cursor.i64()?, cursor.i16()?);
    let commits = if ends { Some(cursor.bytes(1)?[0] != 0) } else { None };
    Some(Transaction { id, producer_id, epoch, commits })
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn skip(&mut self, n: usize) -> Option<()> {
        self.bytes(n).map(drop)
    }

    fn i16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.bytes(2)?.try_into().ok()?))
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.bytes(4)?.try_into().ok()?))
    }

    fn i64(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.bytes(8)?.try_into().ok()?))
    }
}

/// What clients have asked.
#[derive(Default)]
pub(super) struct Record {
    counts: BTreeMap<i16, u64>,
    ends: BTreeMap<bool, u64>,
    requests: VecDeque<Request>,
    /// The number of the first that is kept.
    first: u64,
}

impl Record {
    /// Its number, if it is kept: what meets a fault always is.
    pub(super) fn add(&mut self, request: &Request, is_doomed: bool) -> Option<u64> {
        *self.counts.entry(request.key).or_default() += 1;
        if let Some(commits) = request.transaction.as_ref().and_then(|of| of.commits) {
            *self.ends.entry(commits).or_default() += 1;
        }
        if !is_doomed && ![INIT_PRODUCER_ID, ADD_PARTITIONS, END_TXN].contains(&request.key) {
            return None;
        }
        if self.requests.len() == 100_000 {
            self.requests.pop_front();
            self.first += 1;
        }
        self.requests.push_back(request.clone());
        Some(self.first + self.requests.len() as u64 - 1)
    }

    pub(super) fn fate(&mut self, number: Option<u64>, fate: Fate) {
        let kept = number.and_then(|number| usize::try_from(number.checked_sub(self.first)?).ok());
        if let Some(request) = kept.and_then(|at| self.requests.get_mut(at)) {
            request.fate = fate;
        }
    }

    pub(super) fn seen(&self, api: KafkaApi) -> u64 {
        let ends = |commits| self.ends.get(&commits).copied().unwrap_or_default();
        match api {
            KafkaApi::EndTxnCommit => ends(true),
            KafkaApi::EndTxnAbort => ends(false),
            api => self.counts.get(&api.key()).copied().unwrap_or_default(),
        }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.iter().cloned().collect()
    }
}
