//! Which rows a later reading takes, beside those that the exported snapshot itself has.

use crate::support::{Database, DatabaseHandle, PATIENCE, wait_until};
use walpost::postgres::replication::Connection;
use walpost::postgres::session::{self, Session};
use walpost::postgres::snapshot::{self, Horizon};
use walpost::postgres::{Config, SslMode};

fn config(db: &DatabaseHandle) -> Config {
    Config {
        host: db.server().host().into(),
        port: db.server().port(),
        user: "postgres".into(),
        password: None,
        database: db.name().into(),
        ssl_mode: SslMode::Disable,
        ssl_root_cert: None,
        ssl_cert: None,
        ssl_key: None,
        connect_timeout: PATIENCE,
        tcp_keepalive: true,
        application_name: "walpost".into(),
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// The ids of the rows under a condition, sorted.
async fn ids(session: &Session, condition: &str) -> Vec<String> {
    let rows = session.query(&format!("select id from t where {condition} order by id"), &[]).await;
    rows.expect("rows").iter().map(|row| row.get(0)).collect()
}

#[test]
fn a_later_reading_takes_exactly_the_rows_that_the_exported_snapshot_has() {
    // Its own server: everybody's slots wait for transactions that are open.
    let db = Database::start().fresh_database();
    db.execute("create table t (id text primary key)");
    for sql in ["insert into t values ('frozen')", "vacuum freeze t", "insert into t values ('old')"] {
        db.execute(sql);
    }
    block_on(async {
        let (first, second, third) = (db.connect().await, db.connect().await, db.connect().await);
        let config = config(&db);
        first.batch_execute("begin; insert into t values ('first')").await.unwrap();
        let exporting = tokio::spawn({
            let config = config.clone();
            async move {
                let mut connection = Connection::connect(&config).await.unwrap();
                let exported = connection.create_slot("later_reading", true, false).await.unwrap();
                (connection, exported)
            }
        });
        waits_for(&db, &first).await;
        // Not seen whole by the decoding, which waits for its end as well.
        second.batch_execute("begin; savepoint a; insert into t values ('second'); release a").await.unwrap();
        first.batch_execute("commit").await.unwrap();
        waits_for(&db, &second).await;
        // Runs while the snapshot is taken, in a subtransaction: its id is in no ordinary snapshot's list.
        let within = "begin; insert into t values ('third'); savepoint a; insert into t values ('third, within'); release a";
        third.batch_execute(within).await.unwrap();
        second.batch_execute("commit").await.unwrap();
        let (connection, exported) = exporting.await.unwrap();

        let reading = session::connect(&config).await.unwrap();
        let horizon = snapshot::begin(&reading, Some(&exported.snapshot)).await.unwrap();
        let seen = ids(&reading, "true").await;
        assert_eq!(seen, ["first", "frozen", "old", "second"], "{horizon:?}");
        let by_rule = snapshot::seen_by(&horizon, &horizon);
        assert_eq!(ids(&reading, &by_rule).await, seen, "the rule says the same in the snapshot itself");
        drop((reading, connection));

        let later = "commit; insert into t values ('new'); begin; savepoint a; insert into t values ('new, within'); commit";
        third.batch_execute(later).await.unwrap();
        third.batch_execute("vacuum freeze t").await.unwrap();
        third.batch_execute("begin; insert into t values ('open')").await.unwrap();
        let later = session::connect(&config).await.unwrap();
        let now = snapshot::begin_after(&later, &horizon).await.unwrap().expect("all is seen");
        assert_eq!(ids(&later, &snapshot::seen_by(&horizon, &now)).await, seen);
        assert_eq!(ids(&later, "true").await.len(), seen.len() + 4, "and the others are there");
    });
}

#[test]
fn a_later_reading_waits_until_it_sees_all_that_the_first_one_saw() {
    let db = Database::start().fresh_database();
    let config = config(&db);
    db.execute("create table t (id text primary key)");
    block_on(async {
        let writer = db.connect().await;
        writer.batch_execute("begin; insert into t values ('a')").await.unwrap();
        let row = writer.query_one("select txid_current()", &[]).await.unwrap();
        let xid: i64 = row.get(0);
        let session = session::connect(&config).await.unwrap();
        let horizon = |text: String| Horizon::parse(&text).unwrap();
        // As if its commit had been decoded already.
        let with_it = horizon(format!("{0}:{0}:", xid + 1));
        assert_eq!(snapshot::begin_after(&session, &with_it).await.unwrap(), None, "it still runs");
        let without = horizon(format!("{xid}:{}:{xid}", xid + 1));
        assert_eq!(
            snapshot::begin_after(&session, &horizon(format!("{0}:{0}:", xid + 9))).await.unwrap(),
            None
        );
        writer.batch_execute("commit").await.unwrap();
        for first in [with_it, without] {
            assert!(snapshot::begin_after(&session, &first).await.unwrap().is_some());
            session.execute("rollback").await.unwrap();
        }
    });
}

/// Until somebody waits for this client's transaction to end.
async fn waits_for(db: &DatabaseHandle, client: &tokio_postgres::Client) {
    let row = client.query_one("select pg_current_xact_id()::xid::text", &[]).await.unwrap();
    let xid: String = row.get(0);
    tokio::task::block_in_place(|| {
        wait_until("the slot waits for the transaction", PATIENCE, || {
            let sql =
                format!("select exists (select from pg_locks where not granted and transactionid = '{xid}')");
            (db.query_one_text(&sql) == "t").then_some(())
        })
    });
}
