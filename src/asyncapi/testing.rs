//! What these tests have in common: a configuration as a file gives it, and an outbox's columns.

pub(super) use crate::config::testing::config_with as config;

use super::columns::{Column, Columns};
use crate::decode::value::Kind;

/// Those of an ordinary outbox.
pub(super) fn columns() -> Columns {
    let column = |name: &str, kind, optional| (name.to_owned(), Column { kind: Some(kind), optional });
    let columns = [
        column("id", Kind::Uuid, false),
        column("aggregatetype", Kind::String, false),
        column("aggregateid", Kind::String, false),
        column("type", Kind::String, false),
        column("payload", Kind::Json, true),
        column("seq", Kind::Int64, false),
        column("tenant", Kind::String, true),
    ];
    Columns(columns.into_iter().collect())
}
