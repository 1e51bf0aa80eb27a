//! The slot, judged. Pure.

use crate::cli::check::Check;
use crate::cli::console::{bytes, or_dash};
use crate::config::Config;
use crate::postgres::slot::SlotFacts;

/// More WAL than this behind is worth a word.
const PENDING_MOST: i64 = 1024 * 1024 * 1024;
/// Catalogue rows that are kept for longer make the catalogue slow.
const XMIN_AGE_MOST: i32 = 100_000_000;

pub(super) fn checks(slot: Option<&SlotFacts>, keep_size_mb: i64, config: &Config) -> Vec<Check> {
    let Some(slot) = slot else {
        let detail = format!(
            "{:?} does not exist yet; walpost slot create or the first walpost run makes it",
            config.source.slot
        );
        return vec![Check::ok("slot.exists", detail)];
    };
    let exists = kind(slot, config);
    if exists.finding != crate::cli::check::Finding::Ok {
        return vec![exists];
    }
    let mut checks = vec![exists, wal(slot, keep_size_mb), consumer(slot, config), lag(slot)];
    if slot.catalog_xmin_age.is_some_and(|age| age > XMIN_AGE_MOST) {
        checks.push(Check::warn(
            "slot.catalog_xmin",
            format!(
                "it has kept VACUUM from the system catalogue for {} transactions",
                or_dash(slot.catalog_xmin_age)
            ),
            "find what keeps the slot from moving: a stopped connector, or an open transaction",
        ));
    }
    checks
}

fn kind(slot: &SlotFacts, config: &Config) -> Check {
    let name = "slot.exists";
    let plugin = slot.plugin.as_deref().unwrap_or("none (a physical slot)");
    let database = slot.database.as_deref().unwrap_or("none");
    if plugin != "pgoutput" || database != config.postgres.database {
        return Check::fail(
            name,
            format!(
                "{:?} has plugin {plugin} and database {database}: it belongs to something else",
                slot.name
            ),
            "choose another slot.name, or correct database.dbname",
        );
    }
    if slot.temporary {
        return Check::fail(
            name,
            format!("{:?} is temporary: it goes when its session ends", slot.name),
            "choose another slot.name",
        );
    }
    Check::ok(name, format!("{:?} stands at {}", slot.name, or_dash(slot.confirmed_flush_lsn)))
}

fn wal(slot: &SlotFacts, keep_size_mb: i64) -> Check {
    let name = "slot.wal_status";
    let status = slot.wal_status.as_deref().unwrap_or("unknown");
    let raise = "start the connector, or raise max_slot_wal_keep_size, before the next checkpoint";
    if let Some(reason) = slot.invalidation_reason.as_deref().or((status == "lost").then_some("lost")) {
        return Check::fail(
            name,
            format!("invalidated ({reason}): WAL that it needs is gone"),
            "walpost repair replaces the slot, and publishes from the outbox what is missing",
        );
    }
    let safe = slot.safe_wal_bytes;
    if status == "unreserved" {
        return Check::fail(name, "unreserved: the next checkpoint may remove WAL that it needs", raise);
    }
    let limit = keep_size_mb.saturating_mul(1024 * 1024);
    match safe {
        Some(safe) if limit > 0 && safe < limit / 5 => {
            Check::warn(name, format!("{status}, but only {} of WAL until it is lost", bytes(safe)), raise)
        }
        Some(safe) => Check::ok(name, format!("{status}; {} of WAL until it is lost", bytes(safe))),
        None => Check::ok(name, format!("{status}; never lost (max_slot_wal_keep_size is unlimited)")),
    }
}

fn consumer(slot: &SlotFacts, config: &Config) -> Check {
    let name = "slot.active";
    let pid = or_dash(slot.active_pid);
    match &slot.application_name {
        _ if !slot.active => {
            let since =
                slot.inactive_since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default();
            Check::ok(name, format!("nobody has it{since}; a start can take it"))
        }
        Some(application) if *application != config.postgres.application_name => Check::warn(
            name,
            format!("process {pid} of {application:?} has it"),
            "two consumers of one slot lose events to each other: stop that one for good before walpost run",
        ),
        _ => Check::ok(name, format!("process {pid} has it: a connector runs")),
    }
}

fn lag(slot: &SlotFacts) -> Check {
    let name = "slot.lag";
    let (pending, retained) = (slot.pending_bytes.unwrap_or(0), slot.retained_bytes.unwrap_or(0));
    let detail = format!("{} of WAL not yet confirmed, {} kept for it", bytes(pending), bytes(retained));
    if pending > PENDING_MOST {
        return Check::warn(name, detail, "is the connector running, and does Kafka take what it sends?");
    }
    if retained > PENDING_MOST && pending < PENDING_MOST / 10 {
        return Check::warn(
            name,
            detail,
            "confirmed, but not released: a transaction that is open since then keeps it (see postgres.oldest_transaction)",
        );
    }
    Check::ok(name, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::Finding;
    use crate::config::testing;
    use crate::lsn::Lsn;

    fn slot() -> SlotFacts {
        SlotFacts {
            name: "walpost".into(),
            plugin: Some("pgoutput".into()),
            database: Some("app".into()),
            confirmed_flush_lsn: Some(Lsn::new(100)),
            wal_status: Some("reserved".into()),
            ..SlotFacts::default()
        }
    }

    fn findings(slot: Option<&SlotFacts>) -> Vec<(Finding, &'static str)> {
        let checks = checks(slot, 1000, &testing::config());
        let wrong = checks.into_iter().filter(|check| check.finding != Finding::Ok);
        wrong.map(|check| (check.finding, check.name)).collect()
    }

    #[test]
    fn a_slot_that_is_well_or_still_to_be_made_gives_no_cause_for_words() {
        assert_eq!(findings(Some(&slot())), []);
        assert_eq!(findings(None), []);
    }

    #[test]
    fn somebody_elses_slot_fails() {
        for other in [
            SlotFacts { plugin: Some("wal2json".into()), ..slot() },
            SlotFacts { database: Some("other".into()), ..slot() },
            SlotFacts { plugin: None, database: None, ..slot() },
            SlotFacts { temporary: true, ..slot() },
        ] {
            assert_eq!(findings(Some(&other)), [(Finding::Fail, "slot.exists")]);
        }
    }

    #[test]
    fn wal_that_is_gone_or_going_fails_before_it_is_too_late() {
        let mb = 1024 * 1024;
        for (slot, finding) in [
            (SlotFacts { wal_status: Some("lost".into()), ..slot() }, Finding::Fail),
            (SlotFacts { invalidation_reason: Some("idle_timeout".into()), ..slot() }, Finding::Fail),
            (SlotFacts { wal_status: Some("unreserved".into()), ..slot() }, Finding::Fail),
            (SlotFacts { safe_wal_bytes: Some(199 * mb), ..slot() }, Finding::Warn),
        ] {
            assert_eq!(findings(Some(&slot)), [(finding, "slot.wal_status")], "{slot:?}");
        }
        assert_eq!(findings(Some(&SlotFacts { safe_wal_bytes: Some(201 * mb), ..slot() })), []);
    }

    #[test]
    fn another_consumer_is_pointed_out() {
        let taken = |who: &str| SlotFacts {
            active: true,
            active_pid: Some(7),
            application_name: Some(who.into()),
            ..slot()
        };
        assert_eq!(findings(Some(&taken("Debezium Streaming"))), [(Finding::Warn, "slot.active")]);
        let ours = testing::config().postgres.application_name;
        assert_eq!(findings(Some(&taken(&ours))), []);
    }

    #[test]
    fn what_is_far_behind_or_not_released_is_pointed_out() {
        let far = SlotFacts {
            pending_bytes: Some(PENDING_MOST + 1),
            retained_bytes: Some(PENDING_MOST + 1),
            ..slot()
        };
        assert_eq!(findings(Some(&far)), [(Finding::Warn, "slot.lag")]);
        let held = SlotFacts { pending_bytes: Some(0), retained_bytes: Some(PENDING_MOST + 1), ..slot() };
        assert_eq!(findings(Some(&held)), [(Finding::Warn, "slot.lag")]);
    }
}
