//! Rows of a real Postgres as pgoutput sends them, and what the catalogue tells of their table.

use crate::golden::Run;
use std::collections::HashMap;
use std::rc::Rc;
use walpost::lsn::Lsn;
use walpost::pipeline::tables;
use walpost::postgres::catalog;
use walpost::postgres::session::Session;
use walpost::route::TableFacts;

/// What a run's statements gave.
pub struct Capture {
    /// pgoutput messages in order, each with its place in the WAL.
    pub messages: Vec<(Lsn, Vec<u8>)>,
    /// The outbox table afterwards.
    pub facts: TableFacts,
}

/// Runs statements against one database, and keeps what came of them: many runs share rows.
pub struct Capturer<'s> {
    session: &'s Session,
    known: HashMap<String, Rc<Capture>>,
}

impl<'s> Capturer<'s> {
    /// Makes the publication and the slot.
    pub async fn new(session: &'s Session) -> Capturer<'s> {
        let set_up = "create publication golden for all tables;
             select pg_create_logical_replication_slot('golden_' || current_database(), 'pgoutput')";
        for statement in set_up.split(';') {
            session.execute(statement).await.expect("a publication and a slot");
        }
        Capturer { session, known: HashMap::new() }
    }

    /// The run's rows, in a table of their own.
    pub async fn capture(&mut self, run: &Run) -> Rc<Capture> {
        let key = format!("{:?}", (run.before(), run.ddl(), run.sql()));
        if let Some(known) = self.known.get(&key) {
            return Rc::clone(known);
        }
        let before = run.before();
        self.execute("drop table if exists outbox cascade; drop type if exists mood").await;
        self.changes().await;
        // A snapshot's rows are there before; COPY gives them as the stream does.
        let ddl = (!run.is_snapshot()).then(|| run.ddl());
        for statement in before.into_iter().chain(ddl) {
            self.execute(statement).await;
        }
        if !run.is_snapshot() {
            self.changes().await;
        }
        for statement in run.sql() {
            self.execute(statement).await;
        }
        let capture = Rc::new(Capture { messages: self.changes().await, facts: self.facts().await });
        self.known.insert(key, Rc::clone(&capture));
        capture
    }

    async fn execute(&self, sql: &str) {
        self.session.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn changes(&self) -> Vec<(Lsn, Vec<u8>)> {
        let sql =
            "select (lsn - '0/0')::text as lsn, data from pg_logical_slot_get_binary_changes('golden_' || current_database(), null, null,
             'proto_version', '1', 'publication_names', 'golden')";
        let rows = self.session.query(sql, &[]).await.expect("changes");
        rows.iter().map(|row| (lsn(row), row.get(1))).collect()
    }

    async fn facts(&self) -> TableFacts {
        let row = self.session.query_one("select 'outbox'::regclass::oid", &[]).await.expect("a table");
        let table = catalog::describe(self.session, row.get(0)).await.expect("its description");
        tables::facts(&table.expect("the table").columns)
    }
}

fn lsn(row: &tokio_postgres::Row) -> Lsn {
    Lsn::new(row.get::<_, String>(0).parse().expect("an LSN in bytes"))
}
