//! Column defaults, evaluated as Debezium does: a constant is read, a function gives the zero value of the kind.

use super::{Kind, Value, parse};

/// What a column's DEFAULT gives: what a NULL in the row is replaced by. `expression` is what `pg_get_expr` prints.
///
/// `None` when there is none worth the name: NULL, an expression, or a kind whose defaults Debezium does not read.
pub fn default_value(kind: &Kind, expression: &str) -> Option<Value<'static>> {
    if !reads_defaults(kind) {
        return None;
    }
    let expression = expression.trim();
    if is_generated(expression) {
        return generated(kind);
    }
    let constant = constant(expression)?;
    let is_null = !constant.quoted && constant.text.eq_ignore_ascii_case("null");
    if is_null || !cast_fits(kind, constant.cast) {
        return None;
    }
    if let Some(extreme) = extreme(kind, &constant) {
        return extreme;
    }
    let value = match kind {
        Kind::Boolean => match constant.text.as_str() {
            "t" | "true" | "1" => Value::Boolean(true),
            _ => Value::Boolean(false),
        },
        Kind::String | Kind::Json | Kind::Xml if !constant.quoted => return None,
        _ => parse(kind, constant.text.as_bytes()).ok()?.into_owned(),
    };
    (value != Value::Null).then_some(value)
}

/// What is infinite, no number, or the end of a day is another thing as a default than in a row: Debezium reads it as Java's
/// last or first moment, and goes without a default where that does not fit. `None` for any other constant.
fn extreme(kind: &Kind, constant: &Constant<'_>) -> Option<Option<Value<'static>>> {
    let text = |text: &str| Some(Value::Text(text.to_owned().into()));
    let last = match constant.text.as_str() {
        "infinity" => true,
        "-infinity" => false,
        "24:00:00" => {
            return Some(match kind {
                Kind::Time | Kind::ConnectTime => Some(Value::Integer(86_399_999)),
                Kind::MicroTime => Some(Value::Integer(86_399_999_999)),
                Kind::NanoTime => Some(Value::Integer(86_399_999_999_999)),
                Kind::IsoTime => text("23:59:59.999999999Z"),
                _ => return None,
            });
        }
        "NaN" | "Infinity" | "-Infinity" => {
            let is_numeric = constant.cast == Some("numeric") || matches!(kind, Kind::DecimalText { .. });
            return is_numeric.then_some(None);
        }
        _ => return None,
    };
    Some(match kind {
        Kind::Date | Kind::ConnectDate => Some(Value::Integer(if last { 169_560_311 } else { -170_999_002 })),
        Kind::IsoDate => text(if last { "+999999999-12-31Z" } else { "-999999999-01-01Z" }),
        // Two overflows.
        Kind::MicroTimestamp => {
            Some(Value::Integer(if last { -9_223_372_036_853_775_810 } else { i64::MIN }))
        }
        Kind::IsoTimestamp => text(match last {
            true => "+999999999-12-31T23:59:59.999999999Z",
            false => "-999999999-01-01T00:00:00Z",
        }),
        Kind::Timestamp | Kind::NanoTimestamp | Kind::ConnectTimestamp | Kind::ZonedTimestamp { .. } => None,
        _ => return None,
    })
}

/// Debezium has no mapper for the others, and Connect cannot hold a struct as a default.
fn reads_defaults(kind: &Kind) -> bool {
    !matches!(
        kind,
        Kind::VariableScaleDecimal
            | Kind::Money
            | Kind::MoneyText
            | Kind::MoneyFloat
            | Kind::BytesText(_)
            | Kind::HstoreJson
            | Kind::HstoreMap
            | Kind::Ltree
            | Kind::TsVector
            | Kind::Bytes
            | Kind::ZonedTime
            | Kind::Point
            | Kind::Array(_)
            | Kind::Unknown
    )
}

/// Several Postgres types share a kind, but Debezium reads the defaults of only some of them.
fn cast_fits(kind: &Kind, cast: Option<&str>) -> bool {
    match (kind, cast) {
        (Kind::String, Some(cast)) => matches!(cast, "character varying" | "text" | "bpchar" | "character"),
        (Kind::Int64, Some(cast)) => cast != "oid",
        (Kind::Enum(_), cast) => cast.is_some(),
        _ => true,
    }
}

/// A function call, or one of the words that are calls without parentheses.
fn is_generated(expression: &str) -> bool {
    const WORDS: [&str; 5] =
        ["current_timestamp", "current_time", "current_date", "localtime", "localtimestamp"];
    if WORDS.iter().any(|word| expression.eq_ignore_ascii_case(word)) {
        return true;
    }
    let call = expression.strip_prefix('(').unwrap_or(expression);
    let name = call.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(0);
    name > 0 && call[name..].starts_with('(') && call[name + 1..].contains(')')
}

fn generated(kind: &Kind) -> Option<Value<'static>> {
    Some(match kind {
        Kind::Boolean => Value::Boolean(false),
        Kind::Float32 => Value::Float32(0.0),
        Kind::Float64 => Value::Float64(0.0),
        Kind::Decimal { scale, .. } => Value::Decimal { unscaled: "0".to_owned(), scale: *scale },
        Kind::String | Kind::Xml => Value::Text("".into()),
        Kind::Json => Value::Text("{}".into()),
        Kind::Uuid => Value::Text("00000000-0000-0000-0000-000000000000".into()),
        Kind::ZonedTimestamp { digits } => {
            Value::Text(super::time::zoned_timestamp("1970-01-01 00:00:00", *digits).ok()?)
        }
        Kind::Bits { .. } => Value::Bytes(Vec::new().into()),
        Kind::DecimalText { scale } => Value::Text(super::number::plain("0", *scale).ok()?),
        Kind::IsoDate => Value::Text("1970-01-01Z".into()),
        Kind::IsoTime => Value::Text("00:00:00Z".into()),
        Kind::IsoTimestamp => Value::Text("1970-01-01T00:00:00Z".into()),
        Kind::IntervalText => Value::Text("P0Y0M0DT0H0M0S".into()),
        Kind::Enum(_) => return None,
        _ => Value::Integer(0),
    })
}

/// What Debezium has in place of a value that must be there and is not: the old row's, of which only the key is sent.
pub fn zero(kind: &Kind) -> Value<'static> {
    match kind {
        Kind::HstoreJson => Value::Text("{}".into()),
        Kind::HstoreMap => Value::Map(Vec::new()),
        Kind::Array(_) => Value::Array(Vec::new()),
        Kind::Point => Value::Point { x: 0.0, y: 0.0 },
        Kind::Bytes => Value::Bytes(Vec::new().into()),
        Kind::Money => Value::Decimal { unscaled: "0".to_owned(), scale: 2 },
        Kind::VariableScaleDecimal => Value::Decimal { unscaled: "0".to_owned(), scale: 0 },
        Kind::MoneyFloat => Value::Float64(0.0),
        Kind::MoneyText => Value::Text("0.00".into()),
        Kind::ZonedTimestamp { .. } => Value::Text("1970-01-01T00:00:00Z".into()),
        Kind::ZonedTime => Value::Text("00:00:00Z".into()),
        Kind::DecimalText { .. }
        | Kind::IsoDate
        | Kind::IsoTime
        | Kind::IsoTimestamp
        | Kind::IntervalText => generated(kind).unwrap_or(Value::Null),
        kind if kind.is_string() => Value::Text("".into()),
        kind => generated(kind).unwrap_or(Value::Null),
    }
}

struct Constant<'e> {
    text: String,
    quoted: bool,
    cast: Option<&'e str>,
}

/// `7`, `true`, `'text'::type`, `B'1'::"bit"`, `E'a\\b'::text`; nothing else.
fn constant(expression: &str) -> Option<Constant<'_>> {
    let (body, escapes) = match expression.split_at_checked(1)? {
        ("B" | "b", body) if body.starts_with('\'') => (body, false),
        ("E" | "e", body) if body.starts_with('\'') => (body, true),
        _ => (expression, false),
    };
    let Some(inside) = body.strip_prefix('\'') else {
        let plain =
            body.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+'));
        return plain.then(|| Constant { text: body.to_owned(), quoted: false, cast: None });
    };
    let mut text = String::with_capacity(inside.len());
    let mut characters = inside.char_indices().peekable();
    while let Some((offset, character)) = characters.next() {
        match character {
            '\'' if characters.next_if(|(_, next)| *next == '\'').is_some() => text.push('\''),
            '\'' => {
                let cast = type_of_cast(&inside[offset + 1..])?;
                return Some(Constant { text, quoted: true, cast });
            }
            '\\' if escapes => text.push(characters.next()?.1),
            other => text.push(other),
        }
    }
    None
}

/// What follows a literal: nothing, or one cast. The type's modifier in parentheses and its quotes do not matter.
fn type_of_cast(rest: &str) -> Option<Option<&str>> {
    if rest.is_empty() {
        return Some(None);
    }
    let name = rest.strip_prefix("::")?;
    let plain =
        |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '.' | '"' | '(' | ')' | ',' | '[' | ']');
    name.chars().all(plain).then(|| Some(name.split('(').next().unwrap_or(name).trim_matches('"')))
}
