//! An outbox full of rows behind a slot that has all of them before it.

use crate::cells::Cell;
use crate::doses;
use crate::servers::{Servers, create_slot};
use crate::support::DatabaseHandle;

/// What JSON and the row's number take of a payload.
const FRAME: u64 = 30;

pub struct Backlog {
    pub db: DatabaseHandle,
    pub rows: u64,
    /// The WAL's end when it was full.
    pub end: String,
}

impl Backlog {
    pub fn fill(servers: &Servers, cell: Cell, rows: u64) -> Backlog {
        let db = servers.outbox();
        prepare_pad(&db);
        create_slot(&db, "backlog");
        db.execute(&procedure(cell));
        // In slices, none of which takes longer than the support waits for an answer.
        let (whole, slice) = (rows / cell.rows_per_transaction, (100_000 / cell.rows_per_transaction).max(1));
        for from in (0..whole).step_by(slice as usize) {
            db.execute(&format!("call fill({from}, {})", slice.min(whole - from)));
        }
        let end = db.query_one_text("select pg_current_wal_lsn()::text");
        // Something after the end, so that a stream that is to stop there gets there; not a message, which Debezium
        // would publish.
        db.execute("create table past_the_end ()");
        db.execute("select pg_switch_wal()");
        Backlog { db, rows, end }
    }

    /// Another slot that has the whole backlog before it.
    pub fn copy_slot(&self, name: &str) {
        self.db.query_one_text(&format!(
            "select lsn::text from pg_copy_logical_replication_slot('backlog', '{name}')"
        ));
    }
}

/// A thousand aggregates; whole transactions from one number on.
fn procedure(cell: Cell) -> String {
    let each = cell.rows_per_transaction;
    format!(
        "create procedure fill(since bigint, transactions bigint) language plpgsql as $$ begin
         for t in since .. since + transactions - 1 loop
             insert into outbox (id, aggregatetype, aggregateid, type, payload)
             select gen_random_uuid(), 'order', (n % 1000)::text, 'OrderPlaced', jsonb_build_object('n', n, 'pad', {})
             from generate_series(t * {each} + 1, (t + 1) * {each}) n;
             commit;
         end loop; end $$",
        pad("n", cell.payload.saturating_sub(FRAME))
    )
}

/// SQL for so many characters; `number` is that of the row.
pub fn pad(number: &str, length: u64) -> String {
    if doses::pad_is_noise() {
        format!("(select substr(pad, 1 + (({number})::bigint * 7919 % 100000)::int, {length}) from noise)")
    } else {
        format!("repeat('x', {length})")
    }
}

/// Text from which every row takes another piece.
pub fn prepare_pad(db: &DatabaseHandle) {
    if doses::pad_is_noise() {
        db.execute(
            "create table noise (pad text);
             alter table noise alter column pad set storage external;
             insert into noise select string_agg(encode(sha256(n::text::bytea), 'base64'), '')
             from generate_series(1, 3000) n",
        );
    }
}
