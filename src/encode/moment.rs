//! `java.util.Date`, which is what Connect's own Date, Time and Timestamp hold (`time.precision.mode=connect`): JSON has
//! their number, headers and `toString` have text. A JVM writes it in its own time zone; here that is UTC.

use super::java;
use crate::decode::value::Kind;
use std::io::Write;

const DAY_MS: i64 = 86_400_000;

/// Milliseconds since 1970.
pub(super) struct Moment(i64);

/// The moment of a value of such a kind; `None` for any other.
pub(super) fn moment(kind: &Kind, number: i64) -> Option<Moment> {
    match kind {
        Kind::ConnectDate => Some(Moment(number * DAY_MS)),
        Kind::ConnectTime | Kind::ConnectTimestamp => Some(Moment(number)),
        _ => None,
    }
}

impl Moment {
    /// As SimpleHeaderConverter has it: a time within the first day and before, a date at midnight, else both.
    pub(super) fn simple(&self, out: &mut Vec<u8>) {
        let is_time = self.0 < DAY_MS;
        if !is_time {
            let (year, month, day) = self.date();
            // Writing into a Vec cannot fail.
            let _ = write!(out, "{year:04}-{month:02}-{day:02}");
            if self.0 % DAY_MS == 0 {
                return;
            }
            out.push(b'T');
        }
        let (hours, minutes, seconds, millis) = self.clock();
        let _ = write!(out, "{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z");
    }

    /// `Date.toString`: `Thu Feb 29 13:51:30 UTC 2024`.
    pub(super) fn java(&self, out: &mut Vec<u8>) {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let (year, month, day) = self.calendar();
        let (hours, minutes, seconds, _) = self.clock();
        let week_day = DAYS[self.0.div_euclid(DAY_MS).rem_euclid(7) as usize];
        let month = MONTHS[(month - 1).rem_euclid(12) as usize];
        let _ = write!(out, "{week_day} {month} {day:02} {hours:02}:{minutes:02}:{seconds:02} UTC ");
        java::integer(year, out);
    }

    /// The date as `java.util.Date` counts it: by the Julian calendar before 15 October 1582, and years before the first
    /// one from it backwards, without a sign.
    fn calendar(&self) -> (i64, i64, i64) {
        const GREGORIAN: i64 = -141_427;
        let days = self.0.div_euclid(DAY_MS);
        let (year, month, day) = if days < GREGORIAN { julian(days) } else { self.date() };
        (if year > 0 { year } else { 1 - year }, month, day)
    }

    fn clock(&self) -> (i64, i64, i64, i64) {
        let ms = self.0.rem_euclid(DAY_MS);
        (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
    }

    fn date(&self) -> (i64, i64, i64) {
        crate::decode::value::civil(self.0.div_euclid(DAY_MS))
    }
}

/// The Julian year, month and day of a count of days since 1970; the year before the first is the year zero. Years begin in
/// March here, that the leap day be their last, and are counted from 1 March 4801 BC.
fn julian(days: i64) -> (i64, i64, i64) {
    let since = days + 2_440_588 + 32_082;
    let year = (4 * since + 3).div_euclid(1461);
    let of_year = since - (1461 * year).div_euclid(4);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    (year - 4800 + month / 10, month + 3 - 12 * (month / 10), day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(kind: Kind, number: i64) -> (String, String) {
        let moment = moment(&kind, number).unwrap();
        let (mut simple, mut java) = (Vec::new(), Vec::new());
        moment.simple(&mut simple);
        moment.java(&mut java);
        (String::from_utf8(simple).unwrap(), String::from_utf8(java).unwrap())
    }

    #[test]
    fn a_date_prints_as_java_prints_it() {
        for (kind, number, simple, java) in [
            (
                Kind::ConnectTimestamp,
                1_709_214_690_123,
                "2024-02-29T13:51:30.123Z",
                "Thu Feb 29 13:51:30 UTC 2024",
            ),
            (Kind::ConnectDate, 19_782, "2024-02-29", "Thu Feb 29 00:00:00 UTC 2024"),
            (Kind::ConnectTime, 49_890_500, "13:51:30.500Z", "Thu Jan 01 13:51:30 UTC 1970"),
            (Kind::ConnectTimestamp, 1_709_164_800_000, "2024-02-29", "Thu Feb 29 00:00:00 UTC 2024"),
            (Kind::ConnectDate, 0, "00:00:00.000Z", "Thu Jan 01 00:00:00 UTC 1970"),
            (Kind::ConnectTimestamp, -1, "23:59:59.999Z", "Wed Dec 31 23:59:59 UTC 1969"),
        ] {
            assert_eq!(both(kind, number), (simple.to_owned(), java.to_owned()));
        }
    }

    #[test]
    fn days_before_the_reform_are_julian_and_years_before_christ_have_no_sign() {
        for (days, java) in [
            (-141_427, "Fri Oct 15 00:00:00 UTC 1582"),
            (-141_428, "Thu Oct 04 00:00:00 UTC 1582"),
            (-719_162, "Mon Jan 03 00:00:00 UTC 1"),
            // 15 March 44 BC, as Postgres counts.
            (-735_160, "Fri Mar 17 00:00:00 UTC 44"),
            // What is infinite.
            (i64::from(i32::MIN) + 10_956, "Wed Mar 02 00:00:00 UTC 5877491"),
        ] {
            assert_eq!(both(Kind::ConnectDate, days).1, java);
        }
    }
}
