//! Dates, times, timestamps and intervals, as `DateStyle=ISO`, `TimeZone=UTC` and `IntervalStyle=postgres` write them.

use std::borrow::Cow;
use std::fmt::Write;

const DAY_SECONDS: i64 = 86_400;
const SECOND_MICROS: i64 = 1_000_000;

/// What Debezium makes of an infinite timestamp: the JDBC driver's sentinels, taken for µs.
const INFINITY_MICROS: i64 = 9_223_372_036_825_200_000;
const MINUS_INFINITY_MICROS: i64 = -9_223_372_036_832_400_000;

/// What Debezium makes of an infinite date: a day in the year -5877611.
const INFINITY_DAYS: i64 = -2_147_472_692;
const MINUS_INFINITY_DAYS: i64 = INFINITY_DAYS + 1;

/// A date as days since 1970-01-01.
pub(super) fn epoch_days(text: &str) -> Result<i64, &'static str> {
    match text {
        "infinity" => return Ok(INFINITY_DAYS),
        "-infinity" => return Ok(MINUS_INFINITY_DAYS),
        _ => {}
    }
    let (text, before_christ) = strip_era(text);
    days(text, before_christ)
}

/// A timestamp, with or without offset, as µs since 1970-01-01 (UTC).
pub(super) fn epoch_micros(text: &str) -> Result<i64, &'static str> {
    match text {
        "infinity" => return Ok(INFINITY_MICROS),
        "-infinity" => return Ok(MINUS_INFINITY_MICROS),
        _ => {}
    }
    let (text, before_christ) = strip_era(text);
    let (date, time) = text.split_once(' ').ok_or("no time of day")?;
    let (time, offset) = split_offset(time)?;
    let midnight = days(date, before_christ)?.checked_mul(DAY_SECONDS * SECOND_MICROS);
    midnight
        .and_then(|midnight| midnight.checked_add(clock(time).ok()?))
        .and_then(|micros| micros.checked_sub(offset * SECOND_MICROS))
        .ok_or("not a time of day, or out of range")
}

/// The same in ns; `None` where 64 bits have no room for them. Infinity is the last that there is.
pub(super) fn epoch_nanos(text: &str) -> Result<Option<i64>, &'static str> {
    Ok(match text {
        "infinity" => Some(i64::MAX),
        "-infinity" => Some(i64::MIN),
        _ => epoch_micros(text)?.checked_mul(1000),
    })
}

/// A time of day as µs since midnight; 24:00:00 is one.
pub(super) fn micros_of_day(text: &str) -> Result<i64, &'static str> {
    clock(text)
}

/// A time with offset, moved to UTC: `11:51:30.123789Z`, with as many fraction digits as it needs. The day's last moment
/// is its first.
pub(super) fn zoned_time(text: &str) -> Result<String, &'static str> {
    let (time, offset) = split_offset(text)?;
    let micros = clock(time)?;
    let day = DAY_SECONDS * SECOND_MICROS;
    let mut out = String::with_capacity(18);
    write_clock(&mut out, (micros - offset * SECOND_MICROS).rem_euclid(day), Digits::AsNeeded);
    out.push('Z');
    Ok(out)
}

/// A timestamp with offset, moved to UTC: `2024-02-29T11:51:30.123456Z`, with exactly `digits` fraction digits; none
/// when that is 0. Infinities stay words.
pub(super) fn zoned_timestamp(text: &str, digits: u8) -> Result<Cow<'static, str>, &'static str> {
    match text {
        "infinity" => return Ok(Cow::Borrowed("infinity")),
        "-infinity" => return Ok(Cow::Borrowed("-infinity")),
        _ => {}
    }
    let micros = epoch_micros(text)?;
    let day = DAY_SECONDS * SECOND_MICROS;
    let mut out = String::with_capacity(32);
    let digits = if digits == 0 { Digits::AsNeeded } else { Digits::Exactly(digits) };
    write_date(&mut out, micros.div_euclid(day));
    out.push('T');
    write_clock(&mut out, micros.rem_euclid(day), digits);
    out.push('Z');
    Ok(Cow::Owned(out))
}

/// A date as text: `2024-02-29Z`.
pub(super) fn iso_date(text: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(16);
    write_date(&mut out, epoch_days(text)?);
    out.push('Z');
    Ok(out)
}

/// A time of day as text: `13:51:30.123456Z`. The day's last moment is its first.
pub(super) fn iso_time(text: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(18);
    write_clock(&mut out, micros_of_day(text)?.rem_euclid(DAY_SECONDS * SECOND_MICROS), Digits::AsNeeded);
    out.push('Z');
    Ok(out)
}

/// A timestamp as text: `2024-02-29T13:51:30.123456Z`, with as many fraction digits as it needs.
pub(super) fn iso_timestamp(text: &str) -> Result<String, &'static str> {
    let (micros, day) = (epoch_micros(text)?, DAY_SECONDS * SECOND_MICROS);
    let mut out = String::with_capacity(32);
    write_date(&mut out, micros.div_euclid(day));
    out.push('T');
    write_clock(&mut out, micros.rem_euclid(day), Digits::AsNeeded);
    out.push('Z');
    Ok(out)
}

/// An interval as text: `P1Y2M3DT4H5M6.000007S`, each part with its own sign.
pub(super) fn iso_interval(text: &str) -> Result<String, &'static str> {
    let Interval { years, months, days, clock } = interval(text)?;
    let Clock { hours, minutes, seconds } = clock;
    // Java has no minus before a zero here.
    let seconds = if seconds == 0.0 { 0.0 } else { seconds };
    Ok(format!("P{years}Y{months}M{days}DT{hours}H{minutes}M{seconds}S"))
}

/// A moment, ms since 1970, as `2024-02-29T11:51:30.123Z`.
pub fn utc(ms: i64) -> String {
    let day = DAY_SECONDS * 1000;
    let mut out = String::with_capacity(24);
    write_date(&mut out, ms.div_euclid(day));
    out.push('T');
    write_clock(&mut out, ms.rem_euclid(day) * 1000, Digits::Exactly(3));
    out.push('Z');
    out
}

/// An interval as µs. The arithmetic is Debezium's, floating point and all, so that the last digit agrees.
pub(super) fn duration_micros(text: &str) -> Result<i64, &'static str> {
    const DAYS_PER_MONTH: f64 = 365.25 / 12.0;
    let Interval { years, months, days, clock } = interval(text)?;
    let months = years.checked_mul(12).and_then(|years| years.checked_add(months)).ok_or("too long")?;
    let days = months as f64 * DAYS_PER_MONTH + days as f64;
    let seconds = ((days * 24.0 + clock.hours as f64) * 60.0 + clock.minutes as f64) * 60.0 + clock.seconds;
    Ok((seconds * 1e6) as i64)
}

#[derive(Default)]
struct Interval {
    years: i64,
    months: i64,
    days: i64,
    clock: Clock,
}

/// `1 year 2 mons -3 days 04:05:06.000007`, any of the parts.
fn interval(text: &str) -> Result<Interval, &'static str> {
    let mut interval = Interval::default();
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        if word.contains(':') {
            interval.clock = signed_clock(word)?;
            continue;
        }
        let number: i64 = word.parse().map_err(|_| "not an interval")?;
        match words.next().map(|unit| unit.trim_end_matches('s')) {
            Some("year") => interval.years = number,
            Some("mon") => interval.months = number,
            Some("day") => interval.days = number,
            _ => return Err("an unknown unit"),
        }
    }
    Ok(interval)
}

#[derive(Default)]
struct Clock {
    hours: i64,
    minutes: i64,
    seconds: f64,
}

/// `04:05:06.000007`, of any sign and any number of hours.
fn signed_clock(text: &str) -> Result<Clock, &'static str> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, rest) = text.split_once(':').ok_or("not a time")?;
    let (minutes, seconds) = rest.split_once(':').ok_or("not a time")?;
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let seconds = number(seconds)? as f64 + micros_of(fraction)? as f64 / 1e6;
    Ok(Clock { hours: sign * hours, minutes: sign * minutes, seconds: sign as f64 * seconds })
}

/// A day as `LocalDate` prints it.
fn write_date(out: &mut String, days: i64) {
    let (year, month, day_of_month) = civil(days);
    let sign = match year {
        10_000.. => "+",
        ..0 => "-",
        _ => "",
    };
    let _ = write!(out, "{sign}{:04}-{month:02}-{day_of_month:02}", year.abs());
}

enum Digits {
    AsNeeded,
    Exactly(u8),
}

fn write_clock(out: &mut String, micros: i64, digits: Digits) {
    let (seconds, fraction) = (micros / SECOND_MICROS, micros % SECOND_MICROS);
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = format!("{fraction:06}");
    let shown = match digits {
        Digits::AsNeeded => fraction.trim_end_matches('0'),
        Digits::Exactly(digits) => &fraction[..usize::from(digits).min(6)],
    };
    if !shown.is_empty() {
        out.push('.');
        out.push_str(shown);
    }
}

fn strip_era(text: &str) -> (&str, bool) {
    match text.strip_suffix(" BC") {
        Some(text) => (text, true),
        None => (text, false),
    }
}

/// Parts a time of day from its offset in seconds; one without is UTC.
fn split_offset(text: &str) -> Result<(&str, i64), &'static str> {
    let Some(at) = text.find(['+', '-']) else {
        return Ok((text, 0));
    };
    let sign = if text.as_bytes()[at] == b'-' { -1 } else { 1 };
    let mut seconds = 0;
    let mut unit = 3600;
    for part in text[at + 1..].split(':') {
        seconds += number(part)? * unit;
        unit /= 60;
    }
    match seconds < DAY_SECONDS {
        true => Ok((&text[..at], sign * seconds)),
        false => Err("an offset of more than a day"),
    }
}

/// `HH:MM:SS[.ffffff]` as µs since midnight.
fn clock(text: &str) -> Result<i64, &'static str> {
    let (time, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = time.split(':');
    let mut part = |most: i64| match parts.next().map(number) {
        Some(Ok(value)) if value <= most => Ok(value),
        _ => Err("not a time of day"),
    };
    let seconds = part(24)? * 3600 + part(59)? * 60 + part(60)?;
    match parts.next() {
        None => Ok(seconds * SECOND_MICROS + micros_of(fraction)?),
        Some(_) => Err("not a time of day"),
    }
}

/// The fraction of a second, up to six digits.
fn micros_of(fraction: &str) -> Result<i64, &'static str> {
    match fraction.len() {
        0 => Ok(0),
        len @ 1..=6 => Ok(number(fraction)? * 10i64.pow(6 - len as u32)),
        _ => Err("more than six fraction digits"),
    }
}

/// `YYYY-MM-DD`, of a year of four or more digits.
fn days(text: &str, before_christ: bool) -> Result<i64, &'static str> {
    let mut parts = text.split('-');
    let mut part = || parts.next().map(number).unwrap_or(Err("not a date"));
    let (year, month, day) = (part()?, part()?, part()?);
    let year = if before_christ { 1 - year } else { year };
    match (parts.next(), month, day) {
        (None, 1..=12, 1..=31) => Ok(days_from_civil(year, month, day)),
        _ => Err("not a date"),
    }
}

/// Digits only, no sign; at most nine.
fn number(text: &str) -> Result<i64, &'static str> {
    let digits = matches!(text.len(), 1..=9) && text.bytes().all(|byte| byte.is_ascii_digit());
    match digits.then(|| text.parse().ok()).flatten() {
        Some(number) => Ok(number),
        None => Err("not a number where one belongs"),
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, by counting 400-year eras of 146,097 days from March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a number of days since 1970-01-01, in the proleptic Gregorian calendar.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * from_march + 2) / 5 + 1, (from_march + 2) % 12 + 1);
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// A timestamp as Postgres would write it, for tests.
#[cfg(test)]
pub(super) fn tests_format(micros: i64) -> String {
    let day = DAY_SECONDS * SECOND_MICROS;
    let (year, month, day_of_month) = civil(micros.div_euclid(day));
    let (year, era) = if year <= 0 { (1 - year, " BC") } else { (year, "") };
    let mut out = format!("{year:04}-{month:02}-{day_of_month:02} ");
    write_clock(&mut out, micros.rem_euclid(day), Digits::AsNeeded);
    out + "+00" + era
}
