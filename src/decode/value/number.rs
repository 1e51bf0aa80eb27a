//! Numbers, truth values, money and points.

use super::Value;
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
