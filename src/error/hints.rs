//! What to do about what Postgres and Kafka say: by SQLSTATE and by kind, with the statement or command to run.

use crate::kafka;
use crate::postgres::{Error, ServerError};

const NOTHING_LOST: &str = "nothing is lost: the position in Kafka says where to go on";

/// Detail and hint for an error of Postgres.
pub(super) fn postgres(error: &Error) -> (String, String) {
    match error {
        Error::Unreachable { .. } => (
            NOTHING_LOST.to_owned(),
            "is Postgres running there, and may this host reach it? Check database.hostname, database.port, \
             listen_addresses in postgresql.conf, and firewalls between"
                .to_owned(),
        ),
        Error::Server(error) => server(error),
        Error::Tls(_) => (
            String::new(),
            "check database.sslmode, database.sslrootcert, database.sslcert and database.sslkey; verify-full needs the \
             name in database.hostname in the server's certificate"
                .to_owned(),
        ),
        Error::Login(_) => (
            String::new(),
            "check database.user and database.password; scram-sha-256, md5, password, cert and trust are understood"
                .to_owned(),
        ),
        Error::Protocol(_) => (
            String::new(),
            "is this really Postgres 14 or later, reached directly? A pooler such as pgbouncer does not pass the \
             replication protocol on"
                .to_owned(),
        ),
    }
}

fn server(error: &ServerError) -> (String, String) {
    let detail = error.detail.clone().unwrap_or_default();
    let hint = known(error).map_or_else(|| error.hint.clone().unwrap_or_default(), str::to_owned);
    (detail, hint)
}

fn known(error: &ServerError) -> Option<&'static str> {
    let about = |word: &str| error.message.contains(word);
    Some(match error.sqlstate.as_str() {
        "28P01" => {
            "check database.user and database.password. To set it anew: ALTER ROLE … PASSWORD '…', or \\password in psql"
        }
        "28000" if about("pg_hba.conf") => {
            "add a line for this host, user and database to pg_hba.conf (logical replication uses the database's own \
             name, not \"replication\"), then: SELECT pg_reload_conf()"
        }
        "28000" => {
            "check database.user: the role must exist and have LOGIN. walpost init --with-roles prints the SQL"
        }
        "3D000" => "check database.dbname; psql -l lists the databases there are",
        "42501" if about("replication") => {
            "the role needs the REPLICATION attribute: ALTER ROLE … REPLICATION (Amazon RDS: GRANT rds_replication TO …)"
        }
        "42501" => {
            "the role lacks a privilege. walpost init --with-roles prints the roles and grants that are enough; \
             CREATE PUBLICATION needs CREATE on the database and ownership of the tables"
        }
        "42704" if about("publication") => {
            "make it before the slot: walpost publication create. Rows older than a publication cannot be decoded with it"
        }
        "42704" if about("slot") => "check slot.name; walpost slot list shows the slots there are",
        "42710" if about("slot") => {
            "walpost slot show tells who has it; choose another slot.name to have one more"
        }
        "42P01" => "check table.include.list; walpost init prints the SQL of an outbox table",
        "53300" => {
            "raise max_connections or max_wal_senders in postgresql.conf (both need a restart), or close sessions"
        }
        "53400" if about("slots") => {
            "raise max_replication_slots (needs a restart), or drop a slot that nobody uses: walpost slot list"
        }
        "55000" if about("wal_level") => "ALTER SYSTEM SET wal_level = logical, then restart Postgres",
        "55000" => "walpost slot show tells the slot's state, walpost doctor what is wrong with it",
        "55006" => {
            "another connection has the slot: walpost slot show names its process. If it is a dead one: \
             SELECT pg_terminate_backend(PID)"
        }
        "57P01" | "57P02" | "57P03" => NOTHING_LOST,
        "58P01" => {
            "WAL that the slot needs is gone: walpost doctor says what is lost. Raise max_slot_wal_keep_size or \
             wal_keep_size against the next time"
        }
        "25006" => "the server is a standby, or read-only: point database.hostname at the primary",
        _ => return None,
    })
}

/// Detail and hint for an error of Kafka.
pub(super) fn kafka(error: &kafka::Error) -> (&'static str, &'static str) {
    match error.kind {
        kafka::ErrorKind::Transient => (
            "nothing is lost: Postgres keeps what Kafka has not committed",
            "is Kafka running at bootstrap.servers, and may this host reach the addresses its brokers advertise \
             (advertised.listeners)?",
        ),
        kafka::ErrorKind::Denied => (
            "",
            "check security.protocol and sasl.*. This principal needs Write and Describe on its TransactionalId and on \
             the topics it writes, Read on the position topic, and Create where topics are to be made; kafka-acls.sh \
             --list shows what it has",
        ),
        kafka::ErrorKind::Settings => (
            "",
            "walpost config print shows the settings that the client was given, and where each comes from",
        ),
        kafka::ErrorKind::Topic => (
            "",
            "create the topic, or allow walpost to: topic.creation.enable=true, \
             topic.creation.default.partitions, topic.creation.default.replication.factor",
        ),
        kafka::ErrorKind::Fenced => (
            "another instance with the same transactional id has taken over; what this one had not committed is void",
            "run one instance per slot; a second one waits as a standby",
        ),
        kafka::ErrorKind::Other => {
            ("", "the broker's log has more; walpost doctor checks the cluster's settings")
        }
    }
}
