//! How walpost speaks to Postgres: sessions and their settings, slots, publications, the catalogue.

use crate::support::{Database, DatabaseHandle, DatabaseOptions, PATIENCE, unique_name, wait_until};

use std::time::Duration;
use walpost::lsn::Lsn;
use walpost::postgres::catalog::{self, CatalogColumn, CatalogType};
use walpost::postgres::publication::{self, Scope, TableName};
use walpost::postgres::replication::Connection;
use walpost::postgres::session::{self, Session};
use walpost::postgres::{Config, SslMode, facts, slot};

/// How to reach this database as the superuser, without TLS.
pub fn config(db: &DatabaseHandle) -> Config {
    server_config(db.server(), db.name())
}

/// The same for any database of a server.
pub fn server_config(server: &Database, database: &str) -> Config {
    Config {
        host: server.host().into(),
        port: server.port(),
        user: "postgres".into(),
        password: None,
        database: database.into(),
        ssl_mode: SslMode::Disable,
        ssl_root_cert: None,
        ssl_cert: None,
        ssl_key: None,
        connect_timeout: Duration::from_secs(20),
        tcp_keepalive: true,
        application_name: "walpost-test".into(),
    }
}

async fn session(db: &DatabaseHandle) -> Session {
    session::connect(&config(db)).await.expect("a session")
}

async fn text(session: &Session, sql: &str) -> String {
    session.query_one(sql, &[]).await.expect(sql).get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn our_settings_win_over_those_of_server_database_and_role() {
    let db = Database::shared().fresh_database();
    let role = unique_name("role");
    db.execute(&format!("create role {role} login replication"));
    for (setting, value) in [
        ("datestyle", "'SQL, DMY'"),
        ("timezone", "'Asia/Tokyo'"),
        ("intervalstyle", "'sql_standard'"),
        ("extra_float_digits", "-5"),
        ("bytea_output", "'escape'"),
    ] {
        db.execute(&format!("alter database {} set {setting} = {value}", db.name()));
        db.execute(&format!("alter role {role} set {setting} = {value}"));
    }
    db.execute(
        "create table t (at timestamptz, span interval, f float8, b bytea); create publication p for table t",
    );
    let config = Config { user: role, ..config(&db) };
    let session = session::connect(&config).await.unwrap();
    let values = "'2026-01-02 03:04:05+09'::timestamptz, '1 day -00:00:01'::interval, 0.1::float8 + 0.2, '\\x01ff'::bytea";
    let expected = "(\"2026-01-01 18:04:05+00\",\"1 day -00:00:01\",0.30000000000000004,\"\\\\x01ff\")";
    assert_eq!(text(&session, &format!("select row({values})::text")).await, expected);
    assert_eq!(text(&session, "show application_name").await, "walpost-test");
    assert_eq!(text(&session, "show tcp_keepalives_idle").await, "10");
    let from = slot::create(&session, db.name(), false).await.unwrap();
    db.execute(&format!("insert into t values ({values})"));
    let row = crate::stream::first_insert(&config, db.name(), "p", from).await;
    for value in ["2026-01-01 18:04:05+00", "1 day -00:00:01", "0.30000000000000004", "\\x01ff"] {
        assert!(row.contains(value), "{value:?} in {row:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_server_says_what_it_is() {
    let db = Database::shared().fresh_database();
    let session = session(&db).await;
    let facts = facts::server(&session).await.unwrap();
    assert_eq!(facts.version_num / 10_000, db.server().major());
    assert_eq!(facts.wal_level, "logical");
    assert!(facts.can_replicate && facts.is_superuser && !facts.in_recovery);
    assert!(facts.max_replication_slots > facts.replication_slots);
    let mut connection = Connection::connect(&config(&db)).await.unwrap();
    let identity = connection.identify_system().await.unwrap();
    assert_eq!(identity.database, db.name());
    assert_eq!(identity.timeline, 1);
    assert!(identity.flush_lsn <= facts::wal_flush_lsn(&session).await.unwrap());
    let system_id = db.query_one_text("select system_identifier from pg_control_system()");
    assert_eq!(identity.system_id.to_string(), system_id);
    assert_eq!(connection.timeline_history(1).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_ordinary_role_cannot_replicate_and_is_told_so_by_the_server() {
    let db = Database::shared().fresh_database();
    let role = unique_name("role");
    db.execute(&format!("create role {role} login"));
    let config = Config { user: role, ..config(&db) };
    let session = session::connect(&config).await.unwrap();
    let facts = facts::server(&session).await.unwrap();
    assert!(!facts.can_replicate && !facts.is_superuser);
    let error = Connection::connect(&config).await.err().expect("no replication");
    assert_eq!(error.sqlstate(), Some("42501"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slot_is_made_found_advanced_and_dropped() {
    let db = Database::shared().fresh_database();
    let session = session(&db).await;
    assert_eq!(slot::find(&session, db.name()).await.unwrap(), None);
    let birth = slot::create(&session, db.name(), false).await.unwrap();
    let found = slot::find(&session, db.name()).await.unwrap().expect("the slot");
    assert_eq!(found.confirmed_flush_lsn, Some(birth));
    assert!(found.restart_lsn.is_some_and(|lsn| lsn <= birth));
    assert_eq!(found.plugin.as_deref(), Some("pgoutput"));
    assert_eq!(found.database.as_deref(), Some(db.name()));
    assert!(!found.active && !found.temporary && !found.two_phase && !found.failover);
    assert_eq!((found.wal_status.as_deref(), found.invalidation_reason.as_deref()), (Some("reserved"), None));
    assert!(slot::list(&session).await.unwrap().iter().any(|slot| slot.name == db.name()));
    db.execute("create table t (); drop table t");
    let to = facts::wal_flush_lsn(&session).await.unwrap();
    let rest = slot::advance(&session, db.name(), to).await.unwrap();
    assert!(birth < rest && rest <= to, "{birth} < {rest} <= {to}");
    slot::drop_slot(&session, db.name()).await.unwrap();
    assert_eq!(slot::find(&session, db.name()).await.unwrap(), None);
    let again = slot::drop_slot(&session, db.name()).await.unwrap_err();
    assert_eq!(again.sqlstate(), Some("42704"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slot_for_standbys_is_made_where_the_server_knows_such() {
    let db = Database::shared().fresh_database();
    let session = session(&db).await;
    let made = slot::create(&session, db.name(), true).await;
    if db.server().major() >= 17 {
        made.unwrap();
        assert!(slot::find(&session, db.name()).await.unwrap().expect("the slot").failover);
    } else {
        assert_eq!(made.unwrap_err().sqlstate(), Some("42883"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slot_whose_wal_is_gone_says_so() {
    let options =
        DatabaseOptions::new().setting("max_slot_wal_keep_size", "16MB").setting("max_wal_size", "32MB");
    let server = Database::with(options.setting("min_wal_size", "32MB"));
    let db = server.fresh_database();
    let session = session(&db).await;
    slot::create(&session, db.name(), false).await.unwrap();
    let safe = slot::find(&session, db.name()).await.unwrap().expect("the slot").safe_wal_bytes;
    assert!(safe.is_some_and(|bytes| bytes > 0), "{safe:?}");
    for _ in 0..5 {
        db.execute("create table t (); drop table t");
        db.execute("select pg_switch_wal()");
    }
    db.execute("checkpoint");
    let found = slot::find(&session, db.name()).await.unwrap().expect("the slot");
    assert_eq!(found.wal_status.as_deref(), Some("lost"), "{found:?}");
    if server.major() >= 17 {
        assert_eq!(found.invalidation_reason.as_deref(), Some("wal_removed"));
    }
    let mut connection = Connection::connect(&config(&db)).await.unwrap();
    connection.identify_system().await.unwrap();
    let error = connection
        .start_replication(db.name(), Lsn::ZERO, "p", &[], Duration::ZERO)
        .await
        .err()
        .expect("lost");
    assert_eq!(error.sqlstate(), Some("55000"), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_publication_is_made_for_inserts_and_tells_its_tables() {
    let db = Database::shared().fresh_database();
    let session = session(&db).await;
    db.execute(
        "create schema \"Sales\"; create table \"Sales\".\"Out\"\"box\" (id int primary key, payload text)",
    );
    db.execute("create table other (id int)");
    let table = |schema: &str, table: &str| TableName { schema: schema.into(), table: table.into() };
    let listed = catalog::tables(&session).await.unwrap();
    assert_eq!(listed, [table("Sales", "Out\"box"), table("public", "other")]);
    assert_eq!(publication::find(&session, "My Pub").await.unwrap(), None);
    publication::create(&session, "My Pub", &Scope::Tables(listed[..1].to_vec()), "insert", true)
        .await
        .unwrap();
    let found = publication::find(&session, "My Pub").await.unwrap().expect("the publication");
    assert!(
        found.insert
            && !found.update
            && !found.delete
            && !found.truncate
            && found.via_root
            && !found.all_tables
    );
    let [only] = &found.tables[..] else { panic!("{found:?}") };
    assert_eq!((only.schema.as_str(), only.table.as_str(), only.kind.as_str()), ("Sales", "Out\"box", "r"));
    assert_eq!(only.oid.to_string(), db.query_one_text("select '\"Sales\".\"Out\"\"box\"'::regclass::oid"));
    assert_eq!(only.columns, None);
    if db.server().major() >= 15 {
        db.execute("create publication narrow for table \"Sales\".\"Out\"\"box\" (id)");
        let narrow = publication::find(&session, "narrow").await.unwrap().expect("the publication");
        assert_eq!(narrow.tables[0].columns.as_deref(), Some(&["id".to_owned()][..]));
    }
    publication::create(&session, "all", &Scope::AllTables, "insert", false).await.unwrap();
    let all = publication::find(&session, "all").await.unwrap().expect("the publication");
    assert!(all.all_tables && !all.via_root && all.tables.len() == 2);
    publication::create(&session, "none", &Scope::NoTables, "insert", false).await.unwrap();
    let none = publication::find(&session, "none").await.unwrap().expect("the publication");
    assert!(!none.all_tables && none.tables.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_catalogue_tells_types_nullability_and_defaults() {
    let db = Database::shared().fresh_database();
    let session = session(&db).await;
    db.execute(
        "create type mood as enum ('sad', 'ok', 'happy');
         alter type mood add value 'glum' before 'ok';
         create domain price as numeric(10, 2) default 7;
         create domain price2 as price not null;
         create table t (
             id uuid primary key default gen_random_uuid(),
             gone int,
             name varchar(20) not null default 'it''s',
             feeling mood,
             cost price2,
             moods mood[] default '{}',
             tags varchar(5)[],
             twice int generated always as (1 + 1) stored);
         alter table t drop column gone",
    );
    let oid: u32 = db.query_one_text("select 't'::regclass::oid").parse().unwrap();
    let table = catalog::describe(&session, oid).await.unwrap().expect("the table");
    assert_eq!((table.schema.as_str(), table.table.as_str(), table.kind.as_str()), ("public", "t", "r"));
    let names: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["id", "name", "feeling", "cost", "moods", "tags"]);
    let column =
        |name: &str| -> &CatalogColumn { table.columns.iter().find(|c| c.name == name).expect(name) };
    let plain = |name: &str, oid, type_modifier| CatalogType {
        name: name.into(),
        oid,
        type_modifier,
        ..Default::default()
    };
    assert_eq!(column("id").type_facts, plain("uuid", 2950, -1));
    assert!(column("id").not_null && column("name").not_null && !column("feeling").not_null);
    assert_eq!(column("id").default_expression.as_deref(), Some("gen_random_uuid()"));
    assert_eq!(column("name").type_facts, plain("varchar", 1043, 24));
    assert_eq!(column("name").default_expression.as_deref(), Some("'it''s'::character varying"));
    assert_eq!(column("feeling").type_facts.enum_labels, ["sad", "glum", "ok", "happy"]);
    assert_eq!(column("cost").type_facts, plain("numeric", 1700, (10 << 16) + 2 + 4));
    let moods = &column("moods").type_facts;
    assert_eq!(moods.name, "_mood");
    assert_eq!(moods.element.as_ref().expect("an element").enum_labels.len(), 4);
    let tags = column("tags").type_facts.element.as_ref().expect("an element");
    assert_eq!(**tags, plain("varchar", 1043, 9));
    assert_eq!(catalog::describe(&session, 1).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_session_at_a_time_has_the_leaders_lock() {
    let db = Database::shared().fresh_database();
    let (one, other) = (session(&db).await, session(&db).await);
    assert!(session::try_lock(&one, "outbox").await.unwrap());
    assert!(!session::try_lock(&other, "outbox").await.unwrap());
    assert!(session::try_lock(&other, "another").await.unwrap());
    drop(one);
    db.wait_for(
        "select count(*) = 1 from pg_locks where locktype = 'advisory' and granted and database = \
                 (select oid from pg_database where datname = current_database())",
    );
    assert!(session::try_lock(&other, "outbox").await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_terminated_session_tells_the_servers_last_words() {
    let db = Database::shared().fresh_database();
    let session = session(&db).await;
    let pid: i32 = session.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    db.execute(&format!("select pg_terminate_backend({pid})"));
    // Whoever writes to a connection that the server has closed may lose what there was to read.
    wait_until("the session is closed", PATIENCE, || session.is_closed().then_some(()));
    let error = session.query_one("select 1", &[]).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("57P01"), "{error}");
    assert!(session.is_closed() && error.is_transient());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_statement_that_fails_keeps_the_servers_words() {
    let db = Database::shared().fresh_database();
    let session = session(&db).await;
    let error = session.execute("select nonsense from pg_class").await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("42703"));
    assert!(error.to_string().contains("column \"nonsense\" does not exist"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_promoted_server_tells_where_its_timeline_began() {
    let server = Database::start();
    server.stop_fast();
    std::fs::write(server.data_directory().join("standby.signal"), "").unwrap();
    server.start_again();
    let config = server_config(&server, "postgres");
    let session = session::connect(&config).await.unwrap();
    assert!(facts::server(&session).await.unwrap().in_recovery);
    let before = facts::wal_flush_lsn(&session).await.unwrap();
    server.execute("select pg_promote()");
    server.wait_for("select not pg_is_in_recovery()");
    let mut connection = Connection::connect(&config).await.unwrap();
    let identity = connection.identify_system().await.unwrap();
    assert_eq!(identity.timeline, 2);
    let [switch] = connection.timeline_history(2).await.unwrap()[..] else { panic!("one line") };
    assert_eq!(switch.timeline, 1);
    assert!(
        before <= switch.switch_lsn && switch.switch_lsn <= identity.flush_lsn,
        "{switch:?} of {identity:?}"
    );
    assert_eq!(slot::list(&session).await.unwrap(), []);
}
