//! A database for one test, and the sessions through which tests speak SQL.

use super::database::Database;
use super::{PATIENCE, block, runtime, wait_until};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A database of one's own on a server that may be shared.
pub struct DatabaseHandle {
    session: Session,
    server: Database,
    name: String,
}

impl DatabaseHandle {
    pub(crate) fn new(server: Database, name: String) -> DatabaseHandle {
        DatabaseHandle { session: Session::new(server.port(), &name), server, name }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn server(&self) -> &Database {
        &self.server
    }

    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// A topic name that no other test uses; the connector of this database routes `order` to `topic("order")`.
    pub fn topic(&self, aggregate: &str) -> String {
        format!("{}.{aggregate}", self.name)
    }

    /// A session of its own, which speaks beside the others.
    pub(crate) fn another(&self) -> Session {
        Session::new(self.server.port(), &self.name)
    }

    pub async fn connect(&self) -> Client {
        self.server.connect_to(&self.name).await
    }

    /// The same of a server that may be down.
    pub async fn try_connect(&self) -> Result<Client, tokio_postgres::Error> {
        connect(self.server.port(), &self.name).await
    }

    /// Statements, separated by semicolons; one implicit transaction.
    pub fn execute(&self, sql: &str) {
        self.session.execute(sql);
    }

    /// The first column of the first row as psql would show it; empty for null and for no row.
    pub fn query_one_text(&self, sql: &str) -> String {
        self.session.query_one_text(sql)
    }

    /// Until the query returns true; errors (the server may be down) count as not yet.
    pub fn wait_for(&self, sql: &str) {
        self.session.wait_for(sql);
    }

    /// The outbox table with the columns that Debezium's event router reads by default.
    pub fn create_outbox(&self) {
        self.execute(
            "create table outbox (id uuid primary key default gen_random_uuid(), aggregatetype varchar(255) not null,
             aggregateid varchar(255) not null, type varchar(255) not null, payload jsonb)",
        );
    }

    /// One event in a transaction of its own.
    pub fn insert(&self, aggregate: &str, id: &str, kind: &str, payload: &str) {
        let quoted = [aggregate, id, kind, payload].map(postgres_protocol::escape::escape_literal).join(", ");
        self.execute(&format!(
            "insert into outbox (aggregatetype, aggregateid, type, payload) values ({quoted})"
        ));
    }
}

impl Drop for DatabaseHandle {
    /// Its slots would hold back WAL, and the database takes room; a server that is down keeps both.
    fn drop(&mut self) {
        self.session.forget();
        if self.server.pid().is_none() || std::thread::panicking() {
            return;
        }
        let (port, name) = (self.server.port(), self.name.clone());
        let attempt = move || {
            let name = name.clone();
            async move {
                let postgres = connect(port, "postgres").await.ok()?;
                let slots = format!("from pg_replication_slots where database = '{name}'");
                postgres
                    .simple_query(&format!("select pg_terminate_backend(active_pid) {slots}"))
                    .await
                    .ok()?;
                postgres
                    .simple_query(&format!("select pg_drop_replication_slot(slot_name) {slots}"))
                    .await
                    .ok()?;
                postgres
                    .simple_query(&format!("drop database if exists \"{name}\" with (force)"))
                    .await
                    .ok()?;
                Some(())
            }
        };
        // A courtesy, in a few attempts: a walsender that is told to end takes a moment.
        for _ in 0..50 {
            if block(attempt.clone()()).is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A connection kept between statements, and opened anew when it has closed.
pub(crate) struct Session {
    port: u16,
    database: String,
    client: Mutex<Option<Arc<Client>>>,
}

impl Session {
    pub(crate) fn new(port: u16, database: &str) -> Session {
        Session { port, database: database.into(), client: Mutex::new(None) }
    }

    pub(crate) fn forget(&self) {
        *self.client.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = None;
    }

    pub(crate) fn execute(&self, sql: &str) {
        self.query(sql).unwrap_or_else(|e| panic!("{sql}: {}", describe(&e)));
    }

    pub(crate) fn query_one_text(&self, sql: &str) -> String {
        let text = self.query(sql).unwrap_or_else(|e| panic!("{sql}: {}", describe(&e)));
        text.unwrap_or_default()
    }

    pub(crate) fn wait_for(&self, sql: &str) {
        wait_until(sql, PATIENCE, || self.query(sql).ok()?.filter(|text| text == "t").map(drop));
    }

    fn query(&self, sql: &str) -> Result<Option<String>, tokio_postgres::Error> {
        let client = self.client()?;
        let sql = sql.to_owned();
        let asked = client.clone();
        let answer = block(async move { asked.simple_query(&sql).await });
        if client.is_closed() {
            self.forget();
        }
        let mut rows = answer?.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
            _ => None,
        });
        Ok(rows.next().flatten())
    }

    fn client(&self) -> Result<Arc<Client>, tokio_postgres::Error> {
        let mut kept = self.client.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(client) = kept.as_ref().filter(|client| !client.is_closed()) {
            return Ok(client.clone());
        }
        let (port, database) = (self.port, self.database.clone());
        let client = Arc::new(block(async move { connect(port, &database).await })?);
        *kept = Some(client.clone());
        Ok(client)
    }
}

/// As the superuser, without TLS. The connection is driven by the support's runtime, whatever the caller blocks.
pub(crate) async fn connect(port: u16, database: &str) -> Result<Client, tokio_postgres::Error> {
    let url = format!("host=127.0.0.1 port={port} user=postgres dbname={database} connect_timeout=10");
    let connecting = runtime().spawn(async move {
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
        // How it ends is told by the client's next call.
        runtime().spawn(async move { connection.await.ok() });
        Ok(client)
    });
    connecting.await.expect("connecting does not panic")
}

fn describe(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |e| format!("{}: {}", e.code().code(), e.message()))
}
