//! Numbers, truth values, money and points.

use super::Value;
use std::borrow::Cow;
use std::str::FromStr;

/// `t`, `f`; a single bit counts too.
pub(super) fn boolean(text: &str) -> Result<bool, &'static str> {
    match text {
        "t" | "true" | "1" => Ok(true),
        "f" | "false" | "0" => Ok(false),
        _ => Err("neither true nor false"),
    }
}

/// An integer that fits `I`.
pub(super) fn integer<I: FromStr + Into<i64>>(text: &str) -> Result<i64, &'static str> {
    text.parse::<I>().map(I::into).map_err(|_| "not an integer of this size")
}

/// A numeric. With a scale, digits are filled up to it, and more of them is an error unless they are zeros; without,
/// trailing zeros of the fraction are dropped. NaN and the infinities have no Connect value.
pub(super) fn decimal(text: &str, scale: Option<i32>) -> Result<Value<'static>, &'static str> {
    if matches!(text, "NaN" | "Infinity" | "-Infinity") {
        return Ok(Value::Null);
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !all_digits {
        return Err("not a decimal number");
    }
    let mut unscaled = format!("{whole}{fraction}");
    if unscaled.bytes().all(|digit| digit == b'0') {
        return Ok(Value::Decimal { unscaled: "0".to_owned(), scale: scale.unwrap_or(0) });
    }
    let has = fraction.len() as i32;
    let scale = match scale {
        Some(scale) => {
            rescale(&mut unscaled, has, scale)?;
            scale
        }
        None => {
            let kept = fraction.trim_end_matches('0').len();
            unscaled.truncate(whole.len() + kept);
            kept as i32
        }
    };
    let zeros = unscaled.len() - unscaled.trim_start_matches('0').len();
    unscaled.drain(..zeros);
    if negative {
        unscaled.insert(0, '-');
    }
    Ok(Value::Decimal { unscaled, scale })
}

/// A numeric as `BigDecimal.toPlainString` prints it; with a scale, of that many fraction digits. What is no number has
/// the name that Debezium gives it.
pub(super) fn plain(text: &str, scale: Option<i32>) -> Result<Cow<'_, str>, &'static str> {
    match text {
        "NaN" => return Ok(Cow::Borrowed("NAN")),
        "Infinity" => return Ok(Cow::Borrowed("POSITIVE_INFINITY")),
        "-Infinity" => return Ok(Cow::Borrowed("NEGATIVE_INFINITY")),
        _ => {}
    }
    let value = decimal(text, scale)?;
    let fraction = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    match (scale, value) {
        (Some(scale), Value::Decimal { unscaled, .. })
            if i64::from(scale) != fraction as i64 && scale > 0 =>
        {
            Ok(Cow::Owned(point_in(&unscaled, scale as usize)))
        }
        // As Postgres prints it, which is never with an exponent.
        _ => Ok(Cow::Borrowed(text)),
    }
}

/// An amount with two fraction digits.
pub(super) fn plain_money(text: &str) -> Result<String, &'static str> {
    match money(text)? {
        Value::Decimal { unscaled, .. } => Ok(point_in(&unscaled, 2)),
        _ => Err("not an amount"),
    }
}

/// Digits with a point before the last `scale` of them.
fn point_in(unscaled: &str, scale: usize) -> String {
    let (sign, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", unscaled),
    };
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

fn rescale(unscaled: &mut String, has: i32, wanted: i32) -> Result<(), &'static str> {
    for _ in has..wanted {
        unscaled.push('0');
    }
    for _ in wanted..has {
        match unscaled.pop() {
            Some('0') => {}
            _ => return Err("more fraction digits than its scale"),
        }
    }
    Ok(())
}

/// Money as `lc_monetary` writes it: sign or parentheses, a currency symbol, grouping. Whatever comes last, a point or
/// a comma, parts the fraction when exactly two digits follow.
pub(super) fn money(text: &str) -> Result<Value<'static>, &'static str> {
    let negative = text.contains(['-', '(']);
    let number = text.trim_matches(|c: char| !c.is_ascii_digit());
    let (whole, cents) = match number.rfind(['.', ',']) {
        Some(at) if number.len() - at == 3 => number.split_at(at),
        _ => (number, ""),
    };
    let digits = |part: &str| part.chars().filter(char::is_ascii_digit).collect::<String>();
    let sign = if negative { "-" } else { "" };
    decimal(&format!("{sign}{}.{}", digits(whole), digits(cents)), Some(2))
}

/// `(x,y)`.
pub(super) fn point(text: &str) -> Result<Value<'static>, &'static str> {
    let inside = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let (x, y) = inside.and_then(|inside| inside.split_once(',')).ok_or("not (x,y)")?;
    let coordinate = |text: &str| text.parse::<f64>().map_err(|_| "a coordinate is not a number");
    Ok(Value::Point { x: coordinate(x)?, y: coordinate(y)? })
}
