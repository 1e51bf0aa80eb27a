//! Which rows are looked at: a piece of SQL made of what an operator asked for. Pure.

use super::Options;
use crate::error::{Exit, Failure};
use crate::lsn::Lsn;
use crate::position::Position;
use crate::route::Config as Router;
use postgres_protocol::escape::{escape_identifier, escape_literal};

/// Part of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Rows written at this time or later, as Postgres reads it.
    pub since: Option<String>,
    /// Rows written before this time.
    pub until: Option<String>,
    /// Rows with this id or a greater one.
    pub from_id: Option<String>,
    /// Rows with this id or a lesser one.
    pub to_id: Option<String>,
    /// Rows for which this SQL condition holds.
    pub condition: Option<String>,
    /// Rows of transactions that ended after this point of the WAL.
    pub from_lsn: Option<Lsn>,
    /// Rows of transactions that ended at this point of the WAL or before.
    pub to_lsn: Option<Lsn>,
}

impl Range {
    /// Not all rows.
    pub fn is_limited(&self) -> bool {
        *self != Range::default()
    }

    /// It speaks of points of the WAL.
    pub fn has_lsn(&self) -> bool {
        self.from_lsn.is_some() || self.to_lsn.is_some()
    }
}

/// The conditions of a range, but for points of the WAL.
pub fn conditions(options: &Options, router: &Router) -> Result<Vec<String>, Failure> {
    let range = &options.range;
    let time = time_column(options, router);
    if time.is_none() && (range.since.is_some() || range.until.is_some()) {
        return Err(Failure::new(
            Exit::Usage,
            "--since and --until need to know which column has the time",
            "the configuration names no timestamp column of the outbox",
            "add --time-column COLUMN, a timestamp that rows get when they are written",
        ));
    }
    let bound = |column: &str, operator: &str, value: &Option<String>| {
        let value = escape_literal(value.as_deref()?);
        Some(format!("{} {operator} {}", escape_identifier(column), value.trim_start()))
    };
    let times = time.iter().flat_map(|column| {
        [bound(column, ">=", &range.since), bound(column, "<", &range.until)].into_iter().flatten()
    });
    let ids = [bound(&router.id, ">=", &range.from_id), bound(&router.id, "<=", &range.to_id)];
    Ok(times.chain(ids.into_iter().flatten()).chain(range.condition.clone()).collect())
}

/// The column that has the time at which rows are written.
pub fn time_column(options: &Options, router: &Router) -> Option<String> {
    options.time_column.clone().or_else(|| router.timestamp.clone())
}

/// When a row's transaction committed; null where the server does not know any more.
const COMMITTED: &str = "pg_catalog.pg_xact_commit_timestamp(xmin)";
/// Transactions do not commit exactly in the order of these times.
const APART_US: i64 = 10_000_000;

/// The conditions for points of the WAL, by the positions that Kafka still holds: each names the time of the last commit
/// before it. Between two of them nothing is known, so that the range grows to the next one on either side.
pub fn of_positions(range: &Range, positions: &[Position]) -> Vec<String> {
    let known = || positions.iter().filter(|position| position.last_commit_us > 0);
    let from = range.from_lsn.and_then(|lsn| {
        known().filter(|position| position.end_lsn <= lsn).max_by_key(|position| position.end_lsn)
    });
    let to = range.to_lsn.and_then(|lsn| {
        known().filter(|position| position.end_lsn >= lsn).min_by_key(|position| position.end_lsn)
    });
    let from = from.map(|position| bound_by_time(">", position.last_commit_us - APART_US));
    let to = to.map(|position| bound_by_time("<=", position.last_commit_us + APART_US));
    from.into_iter().chain(to).collect()
}

fn bound_by_time(operator: &str, us: i64) -> String {
    let time = format!("'epoch'::timestamptz + '1 microsecond'::interval * {us}");
    format!("coalesce({COMMITTED} {operator} {time}, true)")
}

/// An expression that is true for a row whose transaction ended before one that committed at this time.
pub fn committed_before(us: i64) -> String {
    bound_by_time("<", us - APART_US)
}

/// Positions cannot be told of rows.
pub fn no_commit_times() -> Failure {
    Failure::new(
        Exit::Usage,
        "rows cannot be chosen by points of the WAL on this server",
        "a row does not say where in the WAL its transaction ended; the nearest thing to it is the time of the commit, which \
         the server keeps only with track_commit_timestamp = on",
        "choose by --since and --until, or by --from-id and --to-id; or set track_commit_timestamp = on, which holds for \
         what is committed after a restart of the server",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::testing::defaults;

    fn options(range: Range) -> Options {
        Options { range, ..Options::default() }
    }

    #[test]
    fn a_range_becomes_conditions_with_everything_quoted() {
        let range = Range {
            since: Some("2026-11-01".into()),
            until: Some("it's".into()),
            from_id: Some("a".into()),
            to_id: Some("z".into()),
            condition: Some("type = 'x' or true".into()),
            ..Range::default()
        };
        let options = Options { time_column: Some("At\"".into()), ..options(range) };
        assert_eq!(
            conditions(&options, &defaults()).unwrap(),
            [
                "\"At\"\"\" >= '2026-11-01'",
                "\"At\"\"\" < 'it''s'",
                "\"id\" >= 'a'",
                "\"id\" <= 'z'",
                "type = 'x' or true"
            ]
        );
        assert_eq!(conditions(&Options::default(), &defaults()).unwrap(), [""; 0]);
    }

    #[test]
    fn a_time_needs_a_column_and_the_routers_own_is_one() {
        let asked = options(Range { until: Some("now".into()), ..Range::default() });
        let failure = conditions(&asked, &defaults()).unwrap_err();
        assert!(failure.exit == Exit::Usage && failure.hint.contains("--time-column"), "{failure}");
        let router = Router { timestamp: Some("created_at".into()), ..defaults() };
        assert_eq!(conditions(&asked, &router).unwrap(), ["\"created_at\" < 'now'"]);
    }

    #[test]
    fn points_of_the_wal_become_the_commit_times_of_the_positions_around_them() {
        let position = |lsn: u64, seconds: i64| Position {
            last_commit_us: seconds * 1_000_000,
            ..Position::first(&Position::creating(7, 1, "run"), Lsn::new(lsn))
        };
        let positions = [position(100, 0), position(200, 2_000), position(300, 3_000), position(400, 4_000)];
        let of = |from: Option<u64>, to: Option<u64>| {
            let (from_lsn, to_lsn) = (from.map(Lsn::new), to.map(Lsn::new));
            of_positions(&Range { from_lsn, to_lsn, ..Range::default() }, &positions).join("; ")
        };
        let both = of(Some(250), Some(350));
        assert!(
            both.contains("> 'epoch'::timestamptz + '1 microsecond'::interval * 1990000000, true"),
            "{both}"
        );
        assert!(
            both.contains("<= 'epoch'::timestamptz + '1 microsecond'::interval * 4010000000, true"),
            "{both}"
        );
        assert_eq!(of(Some(150), Some(500)), "", "nothing is known so far back, and nothing so far on");
    }
}
