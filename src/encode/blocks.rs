//! The blocks that change events and messages have: where an event comes from, and its place in its transaction.

use super::change::{At, Order, VERSION};
use super::java;
use super::structs::Writer;
use crate::lsn::Lsn;
use crate::route::ChangePlan;

/// The place of an event in its transaction.
pub(super) fn transaction(writer: &mut Writer<'_>, at: &At<'_>) {
    let Some(Order { total, in_table }) = at.order else { return writer.null("transaction") };
    writer.optional().within("transaction");
    writer.text("id", &transaction_id(at.xid, at.lsn));
    writer.number("total_order", total as i64);
    writer.number("data_collection_order", in_table as i64);
    writer.close();
}

/// Debezium's name for a transaction, which is another one at each LSN.
pub(super) fn transaction_id(xid: Option<u32>, lsn: Lsn) -> String {
    format!("{}:{}", xid.unwrap_or_default(), lsn.as_u64())
}

/// Where an event comes from.
pub(super) fn source(writer: &mut Writer<'_>, plan: &ChangePlan, at: &At<'_>) {
    writer.within("source");
    writer.text("version", VERSION);
    writer.text("connector", "postgresql");
    writer.text("name", &plan.logical_name);
    writer.number("ts_ms", at.commit_us.div_euclid(1000));
    // Of a change in the stream it is not set: "false" is the default of its schema, where that is asked.
    match at.snapshot {
        None if !writer.asks_defaults() => writer.null("snapshot"),
        snapshot => writer.defaulted().text("snapshot", snapshot.unwrap_or("false")),
    }
    writer.text("db", &plan.database);
    // A text that is JSON itself.
    writer.optional().composed("sequence", |out, quotes| {
        for (lsn, before) in [(at.committed, b'['), (Some(at.lsn), b',')] {
            out.push(before);
            match lsn {
                None => out.extend_from_slice(b"null"),
                Some(lsn) => {
                    out.extend_from_slice(quotes);
                    java::integer(lsn.as_u64() as i64, out);
                    out.extend_from_slice(quotes);
                }
            }
        }
        out.push(b']');
    });
    writer.optional().number("ts_us", at.commit_us);
    writer.optional().number("ts_ns", at.commit_us.saturating_mul(1000));
    writer.text("schema", &plan.schema);
    writer.text("table", &plan.table);
    match at.xid {
        Some(xid) => writer.optional().number("txId", i64::from(xid)),
        None => writer.null("txId"),
    }
    writer.optional().number("lsn", at.lsn.as_u64() as i64);
    writer.null("xmin");
    match at.origin {
        None => {
            writer.null("origin");
            writer.null("origin_lsn");
        }
        Some((name, lsn)) => {
            writer.optional().text("origin", name);
            writer.optional().number("origin_lsn", lsn.as_u64() as i64);
        }
    }
    writer.close();
}
