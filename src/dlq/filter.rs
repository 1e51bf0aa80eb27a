//! Which letters are meant. Pure.

use crate::decode::value::{self, Kind};
use crate::publish::letters::{Letter, Place};
use crate::rejection::Reason;

/// All that is said must hold; of a list, one of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// For one of these reasons.
    pub reasons: Vec<Reason>,
    /// With one of these in the column `type`.
    pub event_types: Vec<String>,
    /// With one of these in the route column.
    pub aggregate_types: Vec<String>,
    /// With one of these in the key column, as text.
    pub keys: Vec<String>,
    /// With one of these ids.
    pub event_ids: Vec<String>,
    /// Of one of these tables, `schema.table`.
    pub tables: Vec<String>,
    /// At one of these places.
    pub places: Vec<Place>,
    /// Committed then or later, ms since 1970.
    pub since_ms: Option<i64>,
    /// Committed before that.
    pub until_ms: Option<i64>,
}

impl Filter {
    /// Whether the letter is meant.
    pub fn takes(&self, letter: &Letter) -> bool {
        let Filter { reasons, event_types, aggregate_types, keys, event_ids, tables, places, .. } = self;
        (reasons.is_empty() || letter.known_reason().is_some_and(|reason| reasons.contains(&reason)))
            && one_of(event_types, letter.event_type.as_deref())
            && one_of(aggregate_types, letter.aggregate_type.as_deref())
            && one_of(keys, letter.aggregate_id.as_deref())
            && one_of(event_ids, letter.event_id.as_deref())
            && one_of(tables, Some(&letter.table))
            && (places.is_empty() || places.contains(&letter.place))
            && self.since_ms.is_none_or(|since| letter.commit_ms >= since)
            && self.until_ms.is_none_or(|until| letter.commit_ms < until)
    }

    /// Every letter is meant.
    pub fn is_open(&self) -> bool {
        *self == Filter::default()
    }
}

fn one_of(wanted: &[String], told: Option<&str>) -> bool {
    wanted.is_empty() || told.is_some_and(|told| wanted.iter().any(|wanted| wanted == told))
}

/// A moment as a person writes it, in ms since 1970: a date, or a date and a time of day with `T` or a space between; UTC
/// unless there is an offset.
pub fn moment(text: &str) -> Result<i64, &'static str> {
    const FORM: &str = "a time is written 2026-11-01, 2026-11-01T06:00 or 2026-11-01T06:00:00.5+01:00";
    let text = text.trim().replacen('T', " ", 1);
    let (date, time) = text.split_once(' ').unwrap_or((&text, "00:00:00"));
    let time = time.strip_suffix('Z').unwrap_or(time);
    let (clock, offset) = time.split_at(time.find(['+', '-']).unwrap_or(time.len()));
    let seconds = if clock.matches(':').count() == 1 { ":00" } else { "" };
    let normal = format!("{date} {clock}{seconds}{offset}");
    let ms = value::epoch_ms(&Kind::ZonedTimestamp { digits: 6 }, normal.as_bytes()).map_err(|_| FORM)?;
    // The words that Postgres knows are no moments.
    if date.starts_with(|first: char| first.is_ascii_digit()) { Ok(ms) } else { Err(FORM) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlq::testing::letter;

    #[test]
    fn everything_that_is_said_must_hold_and_of_a_list_one() {
        let letter = letter(7, Some("k"));
        let all = Filter {
            reasons: vec![Reason::UpdateRefused, Reason::TooLarge],
            event_types: vec!["placed".into()],
            aggregate_types: vec!["order".into()],
            keys: vec!["j".into(), "k".into()],
            event_ids: vec!["e-7".into()],
            tables: vec!["public.outbox".into()],
            places: vec![letter.place],
            since_ms: Some(7_000),
            until_ms: Some(7_001),
        };
        assert!(all.takes(&letter) && Filter::default().takes(&letter));
        let other = || vec!["other".to_owned()];
        for filter in [
            Filter { reasons: vec![Reason::UpdateRefused], ..all.clone() },
            Filter { event_types: other(), ..all.clone() },
            Filter { aggregate_types: other(), ..all.clone() },
            Filter { keys: other(), ..all.clone() },
            Filter { event_ids: other(), ..all.clone() },
            Filter { tables: other(), ..all.clone() },
            Filter { places: vec![Place { partition: 1, offset: 7 }], ..all.clone() },
            Filter { since_ms: Some(7_001), ..all.clone() },
            Filter { until_ms: Some(7_000), ..all.clone() },
        ] {
            assert!(!filter.takes(&letter), "{filter:?}");
        }
    }

    #[test]
    fn a_moment_is_read_in_the_forms_that_people_write() {
        for (text, ms) in [
            ("1970-01-02", 86_400_000),
            ("1970-01-01T00:01", 60_000),
            ("1970-01-01 00:00:01.5", 1_500),
            ("1970-01-01T00:00:01Z", 1_000),
            ("1970-01-01T01:00:00+01", 0),
            ("1970-01-01T00:00-02:30", 9_000_000),
        ] {
            assert_eq!(moment(text), Ok(ms), "{text}");
        }
        for wrong in ["", "now", "infinity", "1970", "1970-13-01", "1970-01-01T", "1970-01-01T6", "12:00"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
