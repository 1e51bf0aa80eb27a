//! The offset of Debezium's Postgres connector: a JSON object, as Connect's JsonConverter writes it without schemas.
//!
//! What its members mean is in Debezium's `PostgresOffsetContext`; LSNs are decimal 64-bit numbers, signed as Java's are.

use crate::lsn::Lsn;
use serde_json::{Map, Value, json};

/// One offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offset {
    /// `lsn`: of the message that the record came from. A row's is its WAL record's; BEGIN has its first row's; COMMIT has
    /// the end of its commit record.
    pub lsn: Option<Lsn>,
    /// `lsn_proc`: of the last message that is done with.
    pub lsn_proc: Option<Lsn>,
    /// `lsn_commit`: end of the last transaction that was seen to its end; or, after a restart without one, `lsn_proc`.
    pub lsn_commit: Option<Lsn>,
    /// `txId`.
    pub xid: Option<u32>,
    /// `ts_usec`: commit time, µs since 1970-01-01 UTC.
    pub commit_us: Option<i64>,
    /// `messageType`: `INSERT`, `COMMIT`, …; older versions have none.
    pub kind: Option<String>,
    /// `lsn_events_processed` (3.7 and later): so many rows at `lsn` are done with.
    pub rows_at_lsn: Option<u64>,
    /// How far a snapshot has come.
    pub snapshot: Snapshot,
    /// An incremental snapshot is under way.
    pub incremental: bool,
}

/// `snapshot`, `last_snapshot_record`, `snapshot_completed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Snapshot {
    /// Not a word of it.
    #[default]
    None,
    /// Rows were read, and not the last one.
    Running,
    /// The last row was read; nothing was streamed yet.
    Done,
}

const LSN: &str = "lsn";
const LSN_PROC: &str = "lsn_proc";
const LSN_COMMIT: &str = "lsn_commit";
const XID: &str = "txId";
const COMMIT_US: &str = "ts_usec";
const KIND: &str = "messageType";
const ROWS_AT_LSN: &str = "lsn_events_processed";
const SNAPSHOT: &str = "snapshot";
const SNAPSHOT_ENDS: [&str; 2] = ["last_snapshot_record", "snapshot_completed"];
const INCREMENTAL: &str = "incremental_snapshot_";

impl Offset {
    /// Reads a stored value; the error says what is wrong with it.
    pub fn parse(value: &[u8]) -> Result<Offset, String> {
        let value: Value =
            serde_json::from_slice(value).map_err(|error| format!("it is not JSON: {error}"))?;
        // With schemas the object is the payload.
        let payload = value.get("payload").filter(|payload| payload.is_object());
        let Some(members) = payload.unwrap_or(&value).as_object() else {
            return Err("it is not a JSON object".to_owned());
        };
        Ok(Offset {
            lsn: lsn(members, LSN)?,
            lsn_proc: lsn(members, LSN_PROC)?,
            lsn_commit: lsn(members, LSN_COMMIT)?,
            xid: number(members, XID)?.map(u32::try_from).transpose().map_err(|_| outside(XID))?,
            commit_us: number(members, COMMIT_US)?,
            kind: members.get(KIND).and_then(Value::as_str).map(str::to_owned),
            rows_at_lsn: number(members, ROWS_AT_LSN)?
                .map(u64::try_from)
                .transpose()
                .map_err(|_| outside(ROWS_AT_LSN))?,
            snapshot: snapshot(members),
            incremental: members
                .iter()
                .any(|(name, value)| name.starts_with(INCREMENTAL) && !value.is_null()),
        })
    }

    /// As it is stored; only what streaming needs.
    pub fn json(&self) -> Value {
        let mut members = Map::new();
        let numbers = [
            (LSN_PROC, self.lsn_proc.map(signed)),
            (LSN_COMMIT, self.lsn_commit.map(signed)),
            (LSN, self.lsn.map(signed)),
            (XID, self.xid.map(i64::from)),
            (COMMIT_US, self.commit_us),
        ];
        for (name, number) in numbers {
            members.extend(number.map(|number| (name.to_owned(), json!(number))));
        }
        members.extend(self.kind.as_ref().map(|kind| (KIND.to_owned(), json!(kind))));
        Value::Object(members)
    }

    /// The furthest LSN that it speaks of.
    pub fn furthest(&self) -> Lsn {
        [self.lsn, self.lsn_proc, self.lsn_commit].into_iter().flatten().max().unwrap_or_default()
    }
}

fn lsn(members: &Map<String, Value>, name: &str) -> Result<Option<Lsn>, String> {
    Ok(number(members, name)?.map(|number| Lsn::new(u64::from_ne_bytes(number.to_ne_bytes()))))
}

fn signed(lsn: Lsn) -> i64 {
    i64::from_ne_bytes(lsn.as_u64().to_ne_bytes())
}

fn number(members: &Map<String, Value>, name: &str) -> Result<Option<i64>, String> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| outside(name)),
    }
}

fn outside(name: &str) -> String {
    format!("its {name} is not a number that it can be")
}

fn snapshot(members: &Map<String, Value>) -> Snapshot {
    // Older versions wrote a boolean, and left the member out once it was over.
    let is_told = members.get(SNAPSHOT).is_some_and(|told| !told.is_null() && *told != Value::Bool(false));
    let is_over = SNAPSHOT_ENDS.iter().any(|name| members.get(*name) == Some(&Value::Bool(true)));
    match (is_told, is_over) {
        (false, _) => Snapshot::None,
        (true, true) => Snapshot::Done,
        (true, false) => Snapshot::Running,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Offset {
        Offset::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn an_offset_is_read_as_3_6_writes_it() {
        let offset = read(
            r#"{"lsn_proc":24632088,"messageType":"INSERT","lsn_commit":24604976,"lsn":24632088,"txId":914,"ts_usec":1795406662569837}"#,
        );
        let expected = Offset {
            lsn: Some(Lsn::new(24_632_088)),
            lsn_proc: Some(Lsn::new(24_632_088)),
            lsn_commit: Some(Lsn::new(24_604_976)),
            xid: Some(914),
            commit_us: Some(1_795_406_662_569_837),
            kind: Some("INSERT".into()),
            ..Offset::default()
        };
        assert_eq!(offset, expected);
        assert_eq!(read(&expected.json().to_string()), expected);
    }

    #[test]
    fn what_other_versions_write_is_read() {
        assert_eq!(read(r#"{"lsn":1,"lsn_events_processed":3}"#).rows_at_lsn, Some(3));
        assert_eq!(read(r#"{"lsn":1,"transaction_id":null,"txId":null}"#).xid, None);
        assert_eq!(read(r#"{"schema":{},"payload":{"lsn":7}}"#).lsn, Some(Lsn::new(7)));
        assert_eq!(read(r#"{"lsn":-1}"#).lsn, Some(Lsn::new(u64::MAX)), "Java's numbers are signed");
        assert_eq!(read(r#"{"lsn":1,"txId":4294967295}"#).xid, Some(u32::MAX));
    }

    #[test]
    fn a_snapshot_is_seen_whatever_the_version_calls_it() {
        for (text, expected) in [
            (r#"{"lsn":1}"#, Snapshot::None),
            (
                r#"{"snapshot":"INITIAL","last_snapshot_record":false,"snapshot_completed":false}"#,
                Snapshot::Running,
            ),
            (
                r#"{"snapshot":"INITIAL","last_snapshot_record":true,"snapshot_completed":true}"#,
                Snapshot::Done,
            ),
            (r#"{"snapshot":true,"last_snapshot_record":false}"#, Snapshot::Running),
            (r#"{"snapshot":true,"last_snapshot_record":true}"#, Snapshot::Done),
        ] {
            assert_eq!(read(text).snapshot, expected, "{text}");
        }
        assert!(read(r#"{"lsn":1,"incremental_snapshot_collections":"[]"}"#).incremental);
        assert!(!read(r#"{"lsn":1,"incremental_snapshot_collections":null}"#).incremental);
    }

    #[test]
    fn what_is_not_an_offset_says_why() {
        for (text, why) in [
            ("", "not JSON"),
            ("[1]", "not a JSON object"),
            (r#"{"lsn":"1"}"#, "lsn"),
            (r#"{"lsn":1.5}"#, "lsn"),
            (r#"{"lsn":1,"txId":4294967296}"#, "txId"),
            (r#"{"lsn":1,"lsn_events_processed":-1}"#, "lsn_events_processed"),
        ] {
            let error = Offset::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
