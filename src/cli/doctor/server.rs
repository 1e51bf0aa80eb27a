//! What the Postgres server says of itself, judged. Pure.

use crate::cli::check::Check;
use crate::cli::console::bytes;
use crate::config::Config;
use crate::postgres::Error;
use crate::postgres::facts::ServerFacts;
use crate::postgres::session::Session;

/// The first minor release of each major that neither loses WAL of a slot nor moves one backwards.
const MINOR_FLOORS: [(u32, u32); 4] = [(14, 19), (15, 14), (16, 10), (17, 6)];
/// A transaction open for longer keeps the slot from releasing WAL, and a new slot from being made.
const OLD_TRANSACTION_SECONDS: i64 = 300;

/// Answers of `sql/doctor.sql`.
#[derive(Clone, Debug, Default)]
pub(super) struct Circumstances {
    pub synchronous_commit: String,
    pub wal_writer_delay_ms: i64,
    pub wal_senders: i32,
    pub encrypted: bool,
    pub tls_version: Option<String>,
    pub oldest_transaction_seconds: Option<i64>,
    pub oldest_transaction_pid: Option<i32>,
    pub oldest_transaction_state: Option<String>,
    pub prepared_transactions: i32,
    pub provider_role: Option<String>,
}

impl Circumstances {
    pub(super) async fn ask(session: &Session) -> Result<Circumstances, Error> {
        let row = session.query_one(include_str!("../../../sql/doctor.sql"), &[]).await?;
        let wrong = |error: tokio_postgres::Error| Error::Protocol(error.to_string());
        Ok(Circumstances {
            synchronous_commit: row.try_get("synchronous_commit").map_err(wrong)?,
            wal_writer_delay_ms: row.try_get("wal_writer_delay_ms").map_err(wrong)?,
            wal_senders: row.try_get("wal_senders").map_err(wrong)?,
            encrypted: row.try_get("encrypted").map_err(wrong)?,
            tls_version: row.try_get("tls_version").map_err(wrong)?,
            oldest_transaction_seconds: row.try_get("oldest_transaction_seconds").map_err(wrong)?,
            oldest_transaction_pid: row.try_get("oldest_transaction_pid").map_err(wrong)?,
            oldest_transaction_state: row.try_get("oldest_transaction_state").map_err(wrong)?,
            prepared_transactions: row.try_get("prepared_transactions").map_err(wrong)?,
            provider_role: row.try_get("provider_role").map_err(wrong)?,
        })
    }
}

/// Everything about the server and our role on it.
pub(super) fn checks(
    facts: &ServerFacts,
    about: &Circumstances,
    config: &Config,
    slot_exists: bool,
) -> Vec<Check> {
    vec![
        tls(about),
        version(facts),
        wal_level(facts, about),
        primary(facts),
        role(facts, about, config),
        slots(facts, slot_exists),
        wal_senders(facts, about),
        keep_size(facts),
        wal_sender_timeout(facts, config),
        synchronous_standbys(facts, config),
        latency(about),
        old_transactions(about),
    ]
}

fn tls(about: &Circumstances) -> Check {
    let name = "postgres.tls";
    match &about.tls_version {
        Some(version) if about.encrypted => Check::ok(name, format!("encrypted with {version}")),
        _ => Check::ok(name, "not encrypted; database.sslmode=verify-full would insist on it"),
    }
}

fn version(facts: &ServerFacts) -> Check {
    let name = "postgres.version";
    let (major, minor) = (facts.version_num / 10_000, facts.version_num % 10_000);
    if major < 14 {
        return Check::fail(name, format!("{} is too old", facts.version), "14 or later is needed");
    }
    match MINOR_FLOORS.iter().find(|(floor, _)| *floor == major) {
        Some((_, floor)) if minor < *floor => Check::warn(
            name,
            format!(
                "{}: before {major}.{floor}, WAL that a slot needs may be removed too early",
                facts.version
            ),
            format!("install {major}.{floor} or later: a minor update, without dump or upgrade"),
        ),
        _ => Check::ok(name, facts.version.clone()),
    }
}

fn wal_level(facts: &ServerFacts, about: &Circumstances) -> Check {
    let name = "postgres.wal_level";
    if facts.wal_level == "logical" {
        return Check::ok(name, "logical");
    }
    let how = match about.provider_role.as_deref() {
        Some("rds_superuser") => {
            "set rds.logical_replication = 1 in the parameter group, then reboot the instance"
        }
        Some("cloudsqlsuperuser") => "set the flag cloudsql.logical_decoding = on, then restart the instance",
        Some("azure_pg_admin") => "set the server parameter wal_level = logical, then restart the server",
        Some("neon_superuser") => "enable logical replication in the project's settings",
        _ => "ALTER SYSTEM SET wal_level = logical, then restart Postgres",
    };
    Check::fail(name, format!("{}: no slot can be made", facts.wal_level), how)
}

fn primary(facts: &ServerFacts) -> Check {
    let name = "postgres.primary";
    if !facts.in_recovery {
        return Check::ok(name, "it takes writes");
    }
    Check::fail(
        name,
        "it is a standby",
        "point database.hostname at the primary, or at a name that follows it",
    )
}

fn role(facts: &ServerFacts, about: &Circumstances, config: &Config) -> Check {
    let (name, user) = ("postgres.role", &config.postgres.user);
    if facts.is_superuser {
        return Check::warn(
            name,
            format!("{user} is a superuser"),
            "REPLICATION is enough: walpost init --with-roles prints the roles",
        );
    }
    if facts.can_replicate {
        return Check::ok(name, format!("{user} may replicate"));
    }
    let quoted = postgres_protocol::escape::escape_identifier(user);
    let how = match about.provider_role.as_deref() {
        Some("rds_superuser") => format!("GRANT rds_replication TO {quoted}"),
        _ => format!("ALTER ROLE {quoted} REPLICATION"),
    };
    Check::fail(name, format!("{user} may not replicate"), how)
}

fn slots(facts: &ServerFacts, slot_exists: bool) -> Check {
    let name = "postgres.replication_slots";
    let (used, most) = (facts.replication_slots, facts.max_replication_slots);
    let detail = format!("{used} of {most} are used");
    let how =
        "raise max_replication_slots (needs a restart), or drop one that nobody uses: walpost slot list";
    match used >= most {
        true if !slot_exists => {
            Check::fail(name, format!("{detail}: there is none left for this connector"), how)
        }
        true => Check::warn(
            name,
            format!("{detail}: if this connector's is dropped, another may take its place"),
            how,
        ),
        false => Check::ok(name, detail),
    }
}

fn wal_senders(facts: &ServerFacts, about: &Circumstances) -> Check {
    let name = "postgres.wal_senders";
    let (used, most) = (u32::try_from(about.wal_senders).unwrap_or_default(), facts.max_wal_senders);
    let detail = format!("{used} of {most} are used");
    if used >= most {
        return Check::fail(name, detail, "raise max_wal_senders (needs a restart)");
    }
    Check::ok(name, detail)
}

fn keep_size(facts: &ServerFacts) -> Check {
    let name = "postgres.max_slot_wal_keep_size";
    match facts.max_slot_wal_keep_size_mb {
        limit if limit < 0 => Check::warn(
            name,
            "unlimited: while the connector is stopped, WAL piles up until the disk is full and Postgres stops",
            "set a limit that leaves time to notice, say ALTER SYSTEM SET max_slot_wal_keep_size = '50GB', and alert on \
             walpost_slot_safe_wal_bytes: beyond the limit the slot is lost",
        ),
        limit => Check::ok(name, format!("{}: beyond that the slot is lost", bytes(limit * 1024 * 1024))),
    }
}

fn wal_sender_timeout(facts: &ServerFacts, config: &Config) -> Check {
    let name = "postgres.wal_sender_timeout";
    let (timeout, interval) = (facts.wal_sender_timeout_ms, config.source.status_interval.as_millis());
    if timeout == 0 {
        return Check::warn(
            name,
            "off: after a network failure a dead connection may keep the slot for hours",
            "ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf()",
        );
    }
    if u128::from(timeout) < interval * 2 {
        return Check::warn(
            name,
            format!(
                "{timeout} ms, but status.update.interval.ms is {interval}: the server may hang up on a healthy connection"
            ),
            "lower status.update.interval.ms to a third of it",
        );
    }
    Check::ok(name, format!("{timeout} ms"))
}

fn synchronous_standbys(facts: &ServerFacts, config: &Config) -> Check {
    let name = "postgres.synchronous_standby_names";
    let names = &facts.synchronous_standby_names;
    if names.is_empty() {
        return Check::ok(name, "none");
    }
    if listed(names, &config.postgres.application_name) {
        return Check::fail(
            name,
            format!(
                "{names:?} takes walpost for a synchronous standby: every commit would wait until Kafka has it"
            ),
            "name the real standbys there, by application_name",
        );
    }
    Check::ok(name, names.clone())
}

/// Whether a standby of this application_name is among the names (`FIRST 1 (a, "b")`, `ANY 2 (…)`, `*`).
fn listed(names: &str, application: &str) -> bool {
    let inner = names.split_once('(').map_or(names, |(_, inner)| inner.trim_end().trim_end_matches(')'));
    inner
        .split(',')
        .map(|name| name.trim().trim_matches('"'))
        .any(|name| name == "*" || name.eq_ignore_ascii_case(application))
}

fn latency(about: &Circumstances) -> Check {
    let (name, delay) = ("postgres.latency", about.wal_writer_delay_ms);
    if about.synchronous_commit != "off" {
        let detail = format!(
            "synchronous_commit is {}: events are sent when they are committed",
            about.synchronous_commit
        );
        return Check::ok(name, detail);
    }
    Check::warn(
        name,
        format!(
            "synchronous_commit is off: an event is sent only when the WAL writer comes by, every {delay} ms"
        ),
        "ALTER SYSTEM SET wal_writer_delay = '10ms', or SET LOCAL synchronous_commit = on where events are written",
    )
}

fn old_transactions(about: &Circumstances) -> Check {
    let name = "postgres.oldest_transaction";
    if about.prepared_transactions > 0 {
        return Check::warn(
            name,
            format!(
                "{} prepared: until they are decided, the slot keeps WAL since they began",
                about.prepared_transactions
            ),
            "SELECT gid, prepared FROM pg_prepared_xacts, then COMMIT PREPARED or ROLLBACK PREPARED",
        );
    }
    match (about.oldest_transaction_seconds, about.oldest_transaction_pid) {
        (Some(seconds), Some(pid)) if seconds >= OLD_TRANSACTION_SECONDS => {
            let state = about.oldest_transaction_state.as_deref().unwrap_or("unknown");
            Check::warn(
                name,
                format!(
                    "process {pid} ({state}) has had one open for {seconds} s: the slot keeps WAL since then, and a new slot cannot be made"
                ),
                format!("end it: SELECT pg_terminate_backend({pid})"),
            )
        }
        (Some(seconds), _) => Check::ok(name, format!("{seconds} s")),
        (None, _) => Check::ok(name, "none that this role may see"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::Finding;
    use crate::config::testing;

    fn facts() -> ServerFacts {
        ServerFacts {
            version_num: 150_018,
            version: "15.18".into(),
            wal_level: "logical".into(),
            in_recovery: false,
            wal_sender_timeout_ms: 60_000,
            max_replication_slots: 10,
            replication_slots: 1,
            max_wal_senders: 10,
            max_slot_wal_keep_size_mb: 1024,
            synchronous_standby_names: String::new(),
            can_replicate: true,
            is_superuser: false,
        }
    }

    fn about() -> Circumstances {
        Circumstances {
            synchronous_commit: "on".into(),
            wal_writer_delay_ms: 200,
            wal_senders: 1,
            ..Circumstances::default()
        }
    }

    /// The one check that is not well.
    fn only(
        facts: &ServerFacts,
        about: &Circumstances,
        slot_exists: bool,
    ) -> (Finding, &'static str, String) {
        let checks = checks(facts, about, &testing::config(), slot_exists);
        let mut wrong = checks.into_iter().filter(|check| check.finding != Finding::Ok);
        let first = wrong.next().expect("one that is not well");
        assert_eq!(wrong.next(), None);
        assert!(!first.hint.is_empty(), "{first:?}");
        (first.finding, first.name, first.hint)
    }

    #[test]
    fn a_server_as_it_should_be_gives_no_cause_for_words() {
        let checks = checks(&facts(), &about(), &testing::config(), true);
        assert!(checks.iter().all(|check| check.finding == Finding::Ok), "{checks:?}");
    }

    #[test]
    fn old_servers_and_old_minors_are_told_apart() {
        for (version_num, finding) in
            [(130_022, Finding::Fail), (150_013, Finding::Warn), (170_005, Finding::Warn)]
        {
            let facts = ServerFacts { version_num, ..facts() };
            assert_eq!(only(&facts, &about(), true).0, finding, "{version_num}");
        }
        for version_num in [140_019, 160_010, 180_000, 190_000] {
            let checks = checks(&ServerFacts { version_num, ..facts() }, &about(), &testing::config(), true);
            assert!(checks.iter().all(|check| check.finding == Finding::Ok), "{version_num}");
        }
    }

    #[test]
    fn a_wal_level_too_low_is_mended_as_the_provider_has_it() {
        let facts = ServerFacts { wal_level: "replica".into(), ..facts() };
        assert!(only(&facts, &about(), true).2.contains("ALTER SYSTEM"));
        let on_rds = Circumstances { provider_role: Some("rds_superuser".into()), ..about() };
        assert!(only(&facts, &on_rds, true).2.contains("rds.logical_replication"));
    }

    #[test]
    fn a_role_that_may_not_replicate_fails_and_a_superuser_is_too_much() {
        let none = ServerFacts { can_replicate: false, ..facts() };
        assert_eq!(only(&none, &about(), true).0, Finding::Fail);
        let all = ServerFacts { is_superuser: true, ..facts() };
        assert_eq!(only(&all, &about(), true).0, Finding::Warn);
    }

    #[test]
    fn no_slot_left_matters_most_to_who_has_none() {
        let full = ServerFacts { replication_slots: 10, ..facts() };
        assert_eq!(only(&full, &about(), false).0, Finding::Fail);
        assert_eq!(only(&full, &about(), true).0, Finding::Warn);
        let senders = Circumstances { wal_senders: 10, ..about() };
        assert_eq!(only(&facts(), &senders, true).1, "postgres.wal_senders");
    }

    #[test]
    fn walpost_is_never_a_synchronous_standby_unnoticed() {
        for (names, is) in [
            ("*", true),
            ("FIRST 1 (a, walpost)", true),
            ("ANY 2 (\"WalPost\", b)", true),
            ("standby1, standby2", false),
            ("ANY 1 (walpost2)", false),
        ] {
            assert_eq!(listed(names, "walpost"), is, "{names}");
        }
    }

    #[test]
    fn settings_that_cost_disk_time_or_patience_are_pointed_out() {
        let unlimited = ServerFacts { max_slot_wal_keep_size_mb: -1, ..facts() };
        assert_eq!(only(&unlimited, &about(), true).1, "postgres.max_slot_wal_keep_size");
        for timeout in [0, 5_000] {
            let facts = ServerFacts { wal_sender_timeout_ms: timeout, ..facts() };
            assert_eq!(only(&facts, &about(), true).1, "postgres.wal_sender_timeout");
        }
        let slow = Circumstances { synchronous_commit: "off".into(), ..about() };
        assert_eq!(only(&facts(), &slow, true).1, "postgres.latency");
        let old = Circumstances {
            oldest_transaction_seconds: Some(301),
            oldest_transaction_pid: Some(7),
            ..about()
        };
        assert!(only(&facts(), &old, true).2.contains("pg_terminate_backend(7)"));
        let standby = ServerFacts { in_recovery: true, ..facts() };
        assert_eq!(only(&standby, &about(), true).1, "postgres.primary");
    }
}
