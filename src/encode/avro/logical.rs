//! Texts and numbers of JSON that stand for dates, times, moments, decimals and identifiers.

use crate::encode::java;

/// What a text should be.
type Wrong = &'static str;

/// Days since 1970 of `YYYY-MM-DD`.
pub(super) fn date(text: &[u8]) -> Result<i64, Wrong> {
    const WRONG: Wrong = "is no date (YYYY-MM-DD)";
    match days(text) {
        Some((days, [])) => Ok(days),
        _ => Err(WRONG),
    }
}

/// Of a day that is `HH:MM[:SS[.fraction]]`, in units of which there are so many to a second.
pub(super) fn time(text: &[u8], per_second: i64) -> Result<i64, Wrong> {
    const WRONG: Wrong = "is no time (HH:MM:SS.fraction)";
    match clock(text) {
        Some((seconds, nanos, [])) => {
            exact(nanos, per_second).map(|fraction| seconds * per_second + fraction)
        }
        _ => Err(WRONG),
    }
}

/// A moment in RFC 3339, since 1970, in units of which there are so many to a second; a local one has no offset.
pub(super) fn timestamp(text: &[u8], per_second: i64, local: bool) -> Result<i64, Wrong> {
    let (seconds, nanos) = parts(text, local)?;
    let fraction = exact(nanos, per_second)?;
    seconds
        .checked_mul(per_second)
        .and_then(|units| units.checked_add(fraction))
        .ok_or("is a moment too far away for its type")
}

/// A moment in RFC 3339: seconds since 1970, and nanoseconds of the second.
pub(in crate::encode) fn moment(text: &[u8]) -> Result<(i64, i64), Wrong> {
    parts(text, false)
}

fn parts(text: &[u8], local: bool) -> Result<(i64, i64), Wrong> {
    const WRONG: Wrong = "is no moment (RFC 3339)";
    let (days, rest) = days(text).ok_or(WRONG)?;
    let rest = match rest {
        [b'T' | b't' | b' ', rest @ ..] => rest,
        _ => return Err(WRONG),
    };
    let (seconds, nanos, rest) = clock(rest).ok_or(WRONG)?;
    let offset = match (rest, local) {
        ([], true) => 0,
        ([], false) => return Err("is a moment without an offset: Z, or +HH:MM"),
        (_, true) => return Err("has an offset, which a local timestamp has not"),
        ([b'Z' | b'z'], false) => 0,
        ([sign @ (b'+' | b'-'), offset @ ..], false) => {
            let (hours, minutes) = match offset {
                [a, b, b':', c, d] | [a, b, c, d] => (two(*a, *b), two(*c, *d)),
                [a, b] => (two(*a, *b), Some(0)),
                _ => return Err(WRONG),
            };
            let (Some(hours), Some(minutes)) = (hours, minutes) else { return Err(WRONG) };
            (hours * 3600 + minutes * 60) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return Err(WRONG),
    };
    Ok((days * 86_400 + seconds - offset, nanos))
}

/// The fraction of a second in these units, none of it lost.
fn exact(nanos: i64, per_second: i64) -> Result<i64, Wrong> {
    let each = 1_000_000_000 / per_second;
    if nanos % each == 0 { Ok(nanos / each) } else { Err("has a finer fraction of a second than its type") }
}

fn digit(byte: u8) -> Option<i64> {
    byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    Some(digit(tens)? * 10 + digit(ones)?)
}

/// Days since 1970, and what follows the date.
fn days(text: &[u8]) -> Option<(i64, &[u8])> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, rest @ ..] = text else { return None };
    let year = two(*y1, *y2)? * 100 + two(*y3, *y4)?;
    let (month, day) = (two(*m1, *m2)?, two(*d1, *d2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let most = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=most).contains(&day) {
        return None;
    }
    // Years that begin in March, so that the leap day is their last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some((era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468, rest))
}

/// Seconds of the day, nanoseconds of the second, and what follows.
fn clock(text: &[u8]) -> Option<(i64, i64, &[u8])> {
    let [h1, h2, b':', m1, m2, rest @ ..] = text else { return None };
    let (hours, minutes) = (two(*h1, *h2)?, two(*m1, *m2)?);
    let (seconds, mut rest) = match rest {
        [b':', s1, s2, rest @ ..] => (two(*s1, *s2)?, rest),
        _ => (0, rest),
    };
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let mut nanos = 0;
    if let [b'.' | b',', fraction @ ..] = rest {
        let count = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 || fraction[..count].iter().skip(9).any(|byte| *byte != b'0') {
            return None;
        }
        let digits = fraction[..count].iter().copied().chain(std::iter::repeat(b'0')).take(9);
        nanos = digits.fold(0, |nanos, byte| nanos * 10 + i64::from(byte - b'0'));
        rest = &fraction[count..];
    }
    Some((hours * 3600 + minutes * 60 + seconds, nanos, rest))
}

/// The bytes of a UUID, in the one form in which everybody writes them.
pub(super) fn uuid(text: &[u8]) -> Result<[u8; 16], Wrong> {
    let is_uuid = text.len() == 36 && [8, 13, 18, 23].iter().all(|at| text[*at] == b'-');
    let uuid = is_uuid.then(|| uuid::Uuid::try_parse_ascii(text).ok()).flatten();
    uuid.map(uuid::Uuid::into_bytes).ok_or("is no UUID")
}

/// Appends a decimal's unscaled bytes, big endian and as few as they can be, and says how many.
pub(super) fn decimal(text: &[u8], precision: u32, scale: u32, out: &mut Vec<u8>) -> Result<usize, Wrong> {
    let start = out.len();
    match unscaled(text, precision, scale)? {
        Unscaled::Short(number) => {
            let bytes = number.to_be_bytes();
            let sign = if number < 0 { 0xff } else { 0 };
            let mut from = 0;
            while from < 15 && bytes[from] == sign && (bytes[from + 1] ^ sign) < 0x80 {
                from += 1;
            }
            out.extend_from_slice(&bytes[from..]);
        }
        Unscaled::Long(digits) => out.extend(java::unscaled_bytes(&digits)),
    }
    Ok(out.len() - start)
}

enum Unscaled {
    Short(i128),
    /// In decimal digits.
    Long(String),
}

fn unscaled(text: &[u8], precision: u32, scale: u32) -> Result<Unscaled, Wrong> {
    const WRONG: Wrong = "is no decimal number";
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (mantissa, exponent) = match rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        None => (rest, 0),
        Some(at) => {
            let exponent = str::from_utf8(&rest[at + 1..]).ok().and_then(|text| text.parse::<i32>().ok());
            (&rest[..at], exponent.filter(|it| it.abs() < 10_000).ok_or(WRONG)?)
        }
    };
    let point = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
    let (whole, fraction) = (&mantissa[..point], mantissa.get(point + 1..).unwrap_or_default());
    let digits = whole.len() + fraction.len();
    if digits == 0 || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return Err(WRONG);
    }
    // Of all digits, so many belong to the unscaled number; what follows them must be nothing.
    let kept = whole.len() as i64 + i64::from(exponent) + i64::from(scale);
    let at = |place: usize| whole.get(place).or_else(|| fraction.get(place - whole.len())).copied();
    let kept_digits = usize::try_from(kept).unwrap_or(0).min(digits);
    if (kept_digits..digits).any(|place| at(place) != Some(b'0')) {
        return Err("has more digits after the point than its type's scale");
    }
    let first = (0..kept_digits).find(|place| at(*place) != Some(b'0'));
    let Some(first) = first else { return Ok(Unscaled::Short(0)) };
    let count = usize::try_from(kept).unwrap_or(0) - first;
    if count > precision as usize {
        return Err("has more digits than its type's precision");
    }
    let all =
        (first..first + count).map(|place| if place < digits { at(place).unwrap_or(b'0') } else { b'0' });
    if count <= 38 {
        let number = all.fold(0i128, |number, byte| number * 10 + i128::from(byte - b'0'));
        return Ok(Unscaled::Short(if negative { -number } else { number }));
    }
    let sign = if negative { "-" } else { "" };
    Ok(Unscaled::Long(sign.chars().chain(all.map(char::from)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_times_and_moments_are_read_and_nothing_of_them_is_lost() {
        assert_eq!(date(b"2024-02-29"), Ok(19_782));
        assert_eq!(date(b"1969-12-31"), Ok(-1));
        assert!(date(b"2023-02-29").is_err() && date(b"2024-2-9").is_err());
        assert_eq!(time(b"13:51:30.123", 1_000), Ok(49_890_123));
        assert_eq!(time(b"00:00", 1_000_000), Ok(0));
        assert!(time(b"13:51:30.1234", 1_000).is_err() && time(b"24:00:00", 1_000).is_err());
        let moment = |text: &str| timestamp(text.as_bytes(), 1_000, false);
        assert_eq!(moment("1970-01-01T00:00:00Z"), Ok(0));
        assert_eq!(moment("2024-02-29T13:51:30.123+02:00"), Ok(1_709_207_490_123));
        assert_eq!(moment("2024-02-29 11:51:30.123000000Z"), Ok(1_709_207_490_123));
        assert!(moment("2024-02-29T11:51:30").unwrap_err().contains("offset"));
        assert!(moment("2024-02-29T11:51:30.1234Z").unwrap_err().contains("finer"));
        assert_eq!(timestamp(b"1970-01-01T00:00:01", 1_000_000, true), Ok(1_000_000));
        assert!(timestamp(b"1970-01-01T00:00:01Z", 1_000_000, true).is_err());
        assert!(timestamp(b"9999-01-01T00:00:00Z", 1_000_000_000, false).is_err());
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        let bytes = |text: &str, precision, scale| {
            let mut out = Vec::new();
            decimal(text.as_bytes(), precision, scale, &mut out).map(|_| out)
        };
        assert_eq!(bytes("12345.60", 10, 2), Ok(vec![0x12, 0xd6, 0x80]));
        assert_eq!(bytes("-1", 4, 0), Ok(vec![0xff]));
        assert_eq!(bytes("1.28e2", 4, 0), Ok(vec![0, 0x80]));
        assert_eq!(bytes("-128", 4, 0), Ok(vec![0x80]));
        assert_eq!(bytes("0.000", 4, 2), Ok(vec![0]));
        assert_eq!(bytes("1.5E-1", 4, 2), Ok(vec![15]));
        assert!(bytes("1.234", 4, 2).unwrap_err().contains("scale"));
        assert!(bytes("100", 4, 2).unwrap_err().contains("precision"));
        assert!(bytes("", 4, 2).is_err() && bytes("1,5", 4, 2).is_err() && bytes("NaN", 4, 2).is_err());
        let long = "9".repeat(50);
        assert_eq!(bytes(&long, 60, 0), Ok(java::unscaled_bytes(&long)));
    }

    #[test]
    fn a_uuid_has_one_form() {
        let bytes = uuid(b"59a42efd-b015-44a9-9dde-cb36d9002425").unwrap();
        assert_eq!(bytes[..4], [0x59, 0xa4, 0x2e, 0xfd]);
        assert!(uuid(b"59a42efdb01544a99ddecb36d9002425").is_err());
    }
}
