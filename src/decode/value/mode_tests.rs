//! Types in other modes than the default ones. Kinds and texts are those of Debezium 3.6.3, where it was run; the others
//! follow its sources (`TemporalPrecisionMode`, `IsoTimestamp`, `SpecialValueDecimal`, `Interval`).

use super::*;

const TIMESTAMP: u32 = 1114;
const TIME: u32 = 1083;
const DATE: u32 = 1082;
const NUMERIC: u32 = 1700;
const MONEY: u32 = 790;
const BYTEA: u32 = 17;
const INTERVAL: u32 = 1186;

fn kind(oid: u32, type_modifier: i32, modes: Modes) -> Kind {
    kind_of(&TypeFacts { oid, type_modifier, ..TypeFacts::default() }, &modes)
}

fn times(times: Times) -> Modes {
    Modes { times, ..Modes::default() }
}

#[track_caller]
fn check(kind: Kind, cell: &str, expected: Value<'_>) {
    assert_eq!(parse(&kind, cell.as_bytes()), Ok(expected), "{kind:?} {cell}");
}

#[track_caller]
fn check_text(kind: Kind, cell: &str, expected: &str) {
    check(kind, cell, Value::Text(expected.into()));
}

#[test]
fn times_have_the_precision_of_the_mode() {
    use Times::*;
    for (mode, of) in [
        (Adaptive, [Kind::Date, Kind::Time, Kind::MicroTime, Kind::Timestamp, Kind::MicroTimestamp]),
        (
            AdaptiveTimeMicroseconds,
            [Kind::Date, Kind::MicroTime, Kind::MicroTime, Kind::Timestamp, Kind::MicroTimestamp],
        ),
        (
            Microseconds,
            [Kind::Date, Kind::MicroTime, Kind::MicroTime, Kind::MicroTimestamp, Kind::MicroTimestamp],
        ),
        (Nanoseconds, [Kind::Date, Kind::NanoTime, Kind::NanoTime, Kind::NanoTimestamp, Kind::NanoTimestamp]),
        (
            Connect,
            [
                Kind::ConnectDate,
                Kind::ConnectTime,
                Kind::ConnectTime,
                Kind::ConnectTimestamp,
                Kind::ConnectTimestamp,
            ],
        ),
        (Iso, [Kind::IsoDate, Kind::IsoTime, Kind::IsoTime, Kind::IsoTimestamp, Kind::IsoTimestamp]),
    ] {
        let columns = [(DATE, -1), (TIME, 3), (TIME, -1), (TIMESTAMP, 3), (TIMESTAMP, -1)];
        let kinds = columns.map(|(oid, modifier)| kind(oid, modifier, times(mode)));
        assert_eq!(kinds, of, "{mode:?}");
        // What has a zone does not depend on it.
        assert_eq!(kind(1184, -1, times(mode)), Kind::ZonedTimestamp { digits: 6 });
        assert_eq!(kind(1266, -1, times(mode)), Kind::ZonedTime);
    }
}

#[test]
fn times_are_numbers_of_their_precision() {
    check(Kind::ConnectTimestamp, "2024-02-29 13:51:30.123456", Value::Integer(1_709_214_690_123));
    check(Kind::ConnectTimestamp, "1969-12-31 23:59:59.9999", Value::Integer(-1));
    check(Kind::ConnectDate, "2024-02-29", Value::Integer(19_782));
    check(Kind::ConnectTime, "13:51:30.5", Value::Integer(49_890_500));
    check(Kind::NanoTimestamp, "2024-02-29 13:51:30.123456", Value::Integer(1_709_214_690_123_456_000));
    check(Kind::NanoTime, "24:00:00", Value::Integer(86_400_000_000_000));
    check(Kind::NanoTimestamp, "2400-01-01 00:00:00", Value::Null);
    check(Kind::NanoTimestamp, "infinity", Value::Integer(i64::MAX));
    check(Kind::NanoTimestamp, "-infinity", Value::Integer(i64::MIN));
    assert_eq!(epoch_ms(&Kind::NanoTimestamp, b"infinity"), Ok(i64::MAX / 1_000_000));
    assert_eq!(epoch_ms(&Kind::NanoTimestamp, b"2019-03-24 20:52:59"), Ok(1_553_460_779_000));
    assert!(epoch_ms(&Kind::ConnectTimestamp, b"2019-03-24 20:52:59").is_err());
}

#[test]
fn times_are_texts_with_as_many_digits_as_they_need() {
    check_text(Kind::IsoTimestamp, "2024-02-29 13:51:30.123456", "2024-02-29T13:51:30.123456Z");
    check_text(Kind::IsoTimestamp, "2024-02-29 13:51:30.5", "2024-02-29T13:51:30.5Z");
    check_text(Kind::IsoTimestamp, "2024-02-29 13:51:00", "2024-02-29T13:51:00Z");
    check_text(Kind::IsoTimestamp, "0044-03-15 00:00:00 BC", "-0043-03-15T00:00:00Z");
    check_text(Kind::IsoTimestamp, "12024-01-01 00:00:00", "+12024-01-01T00:00:00Z");
    check_text(Kind::IsoDate, "2024-02-29", "2024-02-29Z");
    check_text(Kind::IsoDate, "infinity", "-5877611-06-21Z");
    check_text(Kind::IsoDate, "-infinity", "-5877611-06-22Z");
    check_text(Kind::IsoTime, "13:51:30.123", "13:51:30.123Z");
    check_text(Kind::IsoTime, "24:00:00", "00:00:00Z");
}

#[test]
fn numerics_are_decimals_doubles_or_texts() {
    let modes = |decimals| Modes { decimals, ..Modes::default() };
    let ten_two = (10 << 16 | 2) + 4;
    assert_eq!(kind(NUMERIC, ten_two, modes(Decimals::Text)), Kind::DecimalText { scale: Some(2) });
    assert_eq!(kind(NUMERIC, -1, modes(Decimals::Text)), Kind::DecimalText { scale: None });
    assert_eq!(kind(NUMERIC, ten_two, modes(Decimals::Double)), Kind::Float64);
    assert_eq!(kind(NUMERIC, -1, modes(Decimals::Double)), Kind::Float64);
    assert_eq!(kind(MONEY, -1, modes(Decimals::Text)), Kind::MoneyText);
    assert_eq!(kind(MONEY, -1, modes(Decimals::Double)), Kind::MoneyFloat);
    check_text(Kind::DecimalText { scale: Some(2) }, "12345.60", "12345.60");
    check_text(Kind::DecimalText { scale: None }, "12.340", "12.340");
    check_text(Kind::DecimalText { scale: None }, "NaN", "NAN");
    check_text(Kind::DecimalText { scale: None }, "-Infinity", "NEGATIVE_INFINITY");
    check_text(Kind::DecimalText { scale: Some(-2) }, "12300", "12300");
    check_text(Kind::MoneyText, "$1,234.50", "1234.50");
    check_text(Kind::MoneyText, "-$0.05", "-0.05");
    check(Kind::MoneyFloat, "$1,234.50", Value::Float64(1234.5));
    let text = Kind::DecimalText { scale: Some(2) };
    assert_eq!(default_value(&text, "7"), Some(Value::Text("7.00".into())));
    assert_eq!(default_value(&text, "random()"), Some(Value::Text("0.00".into())));
    assert!(parse(&text, b"x").is_err());
}

#[test]
fn bytea_is_bytes_or_a_text_of_them() {
    for (binary, text) in
        [(Binary::Base64, "AP+A+w=="), (Binary::Base64UrlSafe, "AP-A-w=="), (Binary::Hex, "00ff80fb")]
    {
        let kind = kind(BYTEA, -1, Modes { binary, ..Modes::default() });
        assert_eq!(kind, Kind::BytesText(binary));
        assert!(kind.is_string());
        check_text(kind.clone(), "\\x00ff80fb", text);
        check_text(kind, "\\x", "");
    }
    assert!(parse(&Kind::BytesText(Binary::Hex), b"00").is_err());
}

#[test]
fn intervals_are_microseconds_or_texts() {
    let modes = Modes { intervals: Intervals::Text, ..Modes::default() };
    let kind = kind(INTERVAL, -1, modes);
    assert_eq!((&kind, kind.semantic_name()), (&Kind::IntervalText, Some("io.debezium.time.Interval")));
    for (cell, text) in [
        ("1 year 2 mons 3 days 04:05:06.000007", "P1Y2M3DT4H5M6.000007S"),
        ("00:00:00", "P0Y0M0DT0H0M0S"),
        ("1 day", "P0Y0M1DT0H0M0S"),
        ("-1 years -2 mons +3 days -04:05:06.5", "P-1Y-2M3DT-4H-5M-6.5S"),
        ("-01:00:00", "P0Y0M0DT-1H0M0S"),
        ("100:00:00.1", "P0Y0M0DT100H0M0.1S"),
    ] {
        check_text(kind.clone(), cell, text);
    }
}

#[test]
fn an_hstore_is_a_text_of_json_or_a_map() {
    let kind = |hstore| {
        let facts = TypeFacts { name: "hstore".into(), oid: 99_000, ..TypeFacts::default() };
        kind_of(&facts, &Modes { hstore, ..Modes::default() })
    };
    assert_eq!((kind(Hstore::Json), kind(Hstore::Map)), (Kind::HstoreJson, Kind::HstoreMap));
    check_text(Kind::HstoreJson, r#""a"=>"1", "b"=>NULL"#, r#"{"a":"1","b":null}"#);
    let entries = vec![("a".into(), Some("1".into())), ("b".into(), None)];
    check(Kind::HstoreMap, r#""a"=>"1", "b"=>NULL"#, Value::Map(entries));
}

/// As Debezium 3.6.3 had them in its schemas, one column with each of these defaults.
#[test]
fn an_extreme_default_is_not_what_the_same_text_is_in_a_row() {
    let text = |text: &'static str| Some(Value::Text(text.into()));
    let number = |number| Some(Value::Integer(number));
    let zoned = Kind::ZonedTimestamp { digits: 6 };
    for (kind, expression, expected) in [
        (&Kind::Time, "'24:00:00'::time without time zone", number(86_399_999)),
        (&Kind::MicroTime, "'24:00:00'::time without time zone", number(86_399_999_999)),
        (&Kind::NanoTime, "'24:00:00'::time without time zone", number(86_399_999_999_999)),
        (&Kind::ConnectTime, "'24:00:00'::time without time zone", number(86_399_999)),
        (&Kind::IsoTime, "'24:00:00'::time without time zone", text("23:59:59.999999999Z")),
        (&Kind::Date, "'infinity'::date", number(169_560_311)),
        (&Kind::ConnectDate, "'-infinity'::date", number(-170_999_002)),
        (&Kind::IsoDate, "'infinity'::date", text("+999999999-12-31Z")),
        (&Kind::IsoDate, "'-infinity'::date", text("-999999999-01-01Z")),
        (
            &Kind::MicroTimestamp,
            "'infinity'::timestamp without time zone",
            number(-9_223_372_036_853_775_810),
        ),
        (&Kind::MicroTimestamp, "'-infinity'::timestamp without time zone", number(i64::MIN)),
        (
            &Kind::IsoTimestamp,
            "'infinity'::timestamp without time zone",
            text("+999999999-12-31T23:59:59.999999999Z"),
        ),
        (&Kind::IsoTimestamp, "'-infinity'::timestamp without time zone", text("-999999999-01-01T00:00:00Z")),
        (&Kind::Timestamp, "'infinity'::timestamp without time zone", None),
        (&Kind::NanoTimestamp, "'infinity'::timestamp without time zone", None),
        (&Kind::ConnectTimestamp, "'-infinity'::timestamp without time zone", None),
        (&zoned, "'infinity'::timestamp with time zone", None),
        (&Kind::Float64, "'NaN'::numeric", None),
        (&Kind::Float64, "'Infinity'::double precision", Some(Value::Float64(f64::INFINITY))),
        (&Kind::DecimalText { scale: Some(2) }, "'NaN'::numeric", None),
        (&Kind::String, "'infinity'::text", text("infinity")),
    ] {
        assert_eq!(default_value(kind, expression), expected, "{kind:?} {expression}");
    }
}
