//! The type table of Debezium's adaptive mapping, and the special forms of each type.

use super::*;
use proptest::prelude::*;

fn adaptive(facts: &TypeFacts) -> Kind {
    kind_of(facts, &Modes::default())
}

fn facts(name: &str, oid: u32, type_modifier: i32) -> TypeFacts {
    TypeFacts { name: name.to_owned(), oid, type_modifier, ..TypeFacts::default() }
}

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}

fn decimal(unscaled: &str, scale: i32) -> Value<'static> {
    Value::Decimal { unscaled: unscaled.to_owned(), scale }
}

fn read(kind: &Kind, text: &str) -> Value<'static> {
    parse(kind, text.as_bytes()).unwrap_or_else(|error| panic!("{kind:?} {text:?}: {error}")).into_owned()
}

fn array(element: Kind) -> Kind {
    Kind::Array(Box::new(element))
}

#[test]
fn every_type_has_the_kind_and_value_debezium_gives_it() {
    let numeric_10_2 = (10 << 16 | 2) + 4;
    let rows: Vec<(&str, u32, i32, Kind, &str, Value<'_>)> = vec![
        ("bool", 16, -1, Kind::Boolean, "t", Value::Boolean(true)),
        ("int2", 21, -1, Kind::Int16, "-5", Value::Integer(-5)),
        ("int4", 23, -1, Kind::Int32, "42", Value::Integer(42)),
        ("int8", 20, -1, Kind::Int64, "9007199254740993", Value::Integer(9007199254740993)),
        ("float4", 700, -1, Kind::Float32, "3.3", Value::Float32(3.3)),
        ("float8", 701, -1, Kind::Float64, "1e+21", Value::Float64(1e21)),
        (
            "numeric",
            1700,
            numeric_10_2,
            Kind::Decimal { precision: 10, scale: 2 },
            "12345.60",
            decimal("1234560", 2),
        ),
        ("numeric", 1700, -1, Kind::VariableScaleDecimal, "12.340", decimal("1234", 2)),
        ("money", 790, -1, Kind::Money, "$1,234.50", decimal("123450", 2)),
        ("bpchar", 1042, 9, Kind::String, "ab   ", text("ab   ")),
        ("char", 18, -1, Kind::String, "a", text("a")),
        ("name", 19, -1, Kind::String, "a", text("a")),
        ("text", 25, -1, Kind::String, "q\"ü\\", text("q\"ü\\")),
        ("varchar", 1043, 259, Kind::String, "x", text("x")),
        ("citext", 99_999, -1, Kind::String, "x", text("x")),
        ("ltree", 99_999, -1, Kind::Ltree, "a.b", text("a.b")),
        ("uuid", 2950, -1, Kind::Uuid, "59a42efd-b015", text("59a42efd-b015")),
        ("json", 114, -1, Kind::Json, "{ \"b\":1}", text("{ \"b\":1}")),
        ("jsonb", 3802, -1, Kind::Json, "{\"b\": 1}", text("{\"b\": 1}")),
        ("xml", 142, -1, Kind::Xml, "<a>1</a>", text("<a>1</a>")),
        ("bytea", 17, -1, Kind::Bytes, "\\x00ff80", Value::Bytes(vec![0, 0xff, 0x80].into())),
        ("date", 1082, -1, Kind::Date, "2024-02-29", Value::Integer(19782)),
        ("time", 1083, -1, Kind::MicroTime, "13:51:30.123456", Value::Integer(49890123456)),
        ("time", 1083, 3, Kind::Time, "13:51:30.123", Value::Integer(49890123)),
        ("timetz", 1266, -1, Kind::ZonedTime, "13:51:30.123789+02", text("11:51:30.123789Z")),
        (
            "timestamp",
            1114,
            -1,
            Kind::MicroTimestamp,
            "2024-02-29 13:51:30.123456",
            Value::Integer(1709214690123456),
        ),
        ("timestamp", 1114, 3, Kind::Timestamp, "2024-02-29 13:51:30.123", Value::Integer(1709214690123)),
        (
            "timestamptz",
            1184,
            -1,
            Kind::ZonedTimestamp { digits: 6 },
            "2024-02-29 11:51:30.123456+00",
            text("2024-02-29T11:51:30.123456Z"),
        ),
        (
            "interval",
            1186,
            -1,
            Kind::MicroDuration,
            "1 year 2 mons 3 days 04:05:06.000007",
            Value::Integer(37091106000007),
        ),
        ("bit", 1560, 1, Kind::Boolean, "1", Value::Boolean(true)),
        ("bit", 1560, 5, Kind::Bits { length: 5 }, "10110", Value::Bytes(vec![0x16].into())),
        ("varbit", 1562, -1, Kind::Bits { length: 2147483647 }, "1", Value::Bytes(vec![1].into())),
        ("varbit", 1562, 1, Kind::Boolean, "1", Value::Boolean(true)),
        ("inet", 869, -1, Kind::String, "10.0.0.1/24", text("10.0.0.1/24")),
        ("cidr", 650, -1, Kind::String, "10.0.0.0/24", text("10.0.0.0/24")),
        ("macaddr", 829, -1, Kind::String, "08:00:2b:01:02:03", text("08:00:2b:01:02:03")),
        ("int4range", 3904, -1, Kind::String, "[1,5)", text("[1,5)")),
        ("point", 600, -1, Kind::Point, "(1.5,2)", Value::Point { x: 1.5, y: 2.0 }),
        ("oid", 26, -1, Kind::Int64, "4294967295", Value::Integer(4294967295)),
        (
            "_int4",
            1007,
            -1,
            array(Kind::Int32),
            "{1,NULL,3}",
            Value::Array(vec![Value::Integer(1), Value::Null, Value::Integer(3)]),
        ),
        (
            "_text",
            1009,
            -1,
            array(Kind::String),
            "{a,\"b \\\"q\\\"\"}",
            Value::Array(vec![text("a"), text("b \"q\"")]),
        ),
    ];
    for (name, oid, modifier, kind, cell, value) in rows {
        assert_eq!(adaptive(&facts(name, oid, modifier)), kind, "{name}");
        assert_eq!(read(&kind, cell), value, "{name}");
    }
}

#[test]
fn enums_have_their_labels_and_arrays_their_elements_kind() {
    let mood = TypeFacts { enum_labels: vec!["sad".into(), "happy".into()], ..facts("mood", 99_999, -1) };
    let kind = Kind::Enum(vec!["sad".into(), "happy".into()]);
    assert_eq!(adaptive(&mood), kind);
    assert_eq!(read(&kind, "happy"), text("happy"));

    let array_of = |element: TypeFacts, modifier| {
        adaptive(&TypeFacts { element: Some(Box::new(element)), ..facts("_x", 99_998, modifier) })
    };
    assert_eq!(array_of(mood, -1), array(kind));
    assert_eq!(array_of(facts("timestamp", 1114, -1), 3), array(Kind::Timestamp));
    assert_eq!(array_of(facts("numeric", 1700, -1), -1), array(Kind::VariableScaleDecimal));
}

#[test]
fn types_debezium_leaves_out_are_unknown() {
    for (name, oid) in [("xid", 28), ("box", 603), ("tsquery", 3615), ("_money", 791), ("_name", 1003)] {
        assert_eq!(adaptive(&facts(name, oid, -1)), Kind::Unknown, "{name}");
    }
    let composite = facts("address", 99_999, -1);
    assert_eq!(adaptive(&composite), Kind::Unknown);
    let names = TypeFacts { element: Some(Box::new(facts("name", 19, -1))), ..facts("_name", 1003, -1) };
    assert_eq!(adaptive(&names), Kind::Unknown);
    assert!(parse(&Kind::Unknown, b"1").is_err());
}

#[test]
fn the_type_modifier_decides_precision_and_scale() {
    let numeric =
        |precision: i32, scale: i32| adaptive(&facts("numeric", 1700, (precision << 16 | scale & 0x7ff) + 4));
    assert_eq!(numeric(5, 0), Kind::Decimal { precision: 5, scale: 0 });
    assert_eq!(numeric(1000, 1000), Kind::Decimal { precision: 1000, scale: 1000 });
    assert_eq!(numeric(3, -2), Kind::Decimal { precision: 3, scale: -2 });
    let timestamp = |modifier| adaptive(&facts("timestamp", 1114, modifier));
    assert_eq!([timestamp(0), timestamp(3)], [Kind::Timestamp, Kind::Timestamp]);
    assert_eq!([timestamp(4), timestamp(6)], [Kind::MicroTimestamp, Kind::MicroTimestamp]);
    let time = |modifier| adaptive(&facts("time", 1083, modifier));
    assert_eq!([time(0), time(3), time(4)], [Kind::Time, Kind::Time, Kind::MicroTime]);
    assert_eq!(adaptive(&facts("timestamptz", 1184, 1)), Kind::ZonedTimestamp { digits: 1 });
}

#[test]
fn numbers_keep_every_digit() {
    let fixed = |scale| Kind::Decimal { precision: 38, scale };
    assert_eq!(read(&fixed(10), "0.0000001000"), decimal("1000", 10));
    assert_eq!(read(&fixed(0), "0"), decimal("0", 0));
    assert_eq!(read(&fixed(2), "-0.05"), decimal("-5", 2));
    assert_eq!(read(&fixed(-2), "12300"), decimal("123", -2));
    assert_eq!(read(&fixed(-2), "0"), decimal("0", -2));
    assert!(parse(&fixed(2), b"1.005").is_err());
    let free = Kind::VariableScaleDecimal;
    assert_eq!(read(&free, "100"), decimal("100", 0));
    assert_eq!(read(&free, "-0.500"), decimal("-5", 1));
    assert_eq!(read(&free, "0.000"), decimal("0", 0));
    let long = "1".repeat(200);
    assert_eq!(read(&free, &long), decimal(&long, 0));
    assert_eq!(read(&Kind::Float64, "-Infinity"), Value::Float64(f64::NEG_INFINITY));
    assert!(matches!(read(&Kind::Float32, "NaN"), Value::Float32(nan) if nan.is_nan()));
}

#[test]
fn numerics_that_are_no_numbers_are_null() {
    for special in ["NaN", "Infinity", "-Infinity"] {
        assert_eq!(read(&Kind::VariableScaleDecimal, special), Value::Null);
        assert_eq!(read(&Kind::Decimal { precision: 10, scale: 2 }, special), Value::Null);
    }
}

#[test]
fn money_is_read_in_any_locale() {
    for (cell, unscaled) in [
        ("$0.00", "0"),
        ("-$1,234.50", "-123450"),
        ("($1,234.50)", "-123450"),
        ("1.234,50 €", "123450"),
        ("¥1,234", "123400"),
        ("€ 5,00-", "-500"),
    ] {
        assert_eq!(read(&Kind::Money, cell), decimal(unscaled, 2), "{cell}");
    }
}

#[test]
fn dates_and_timestamps_reach_from_before_christ_to_infinity() {
    for (cell, days) in [
        ("1970-01-01", 0),
        ("1969-12-31", -1),
        ("0044-03-15 BC", -735160),
        ("12024-01-01", 3672148),
        ("infinity", -2147472692),
        ("-infinity", -2147472691),
    ] {
        assert_eq!(read(&Kind::Date, cell), Value::Integer(days), "{cell}");
    }
    for (cell, micros) in [
        ("1969-12-31 23:59:59.999999", -1),
        ("2024-01-01 00:00:01.1234", 1704067201123400),
        ("infinity", 9223372036825200000),
        ("-infinity", -9223372036832400000),
    ] {
        assert_eq!(read(&Kind::MicroTimestamp, cell), Value::Integer(micros), "{cell}");
    }
    assert_eq!(read(&Kind::Timestamp, "infinity"), Value::Integer(9223372036825200));
    assert_eq!(read(&Kind::Timestamp, "2024-01-01 00:00:01.5"), Value::Integer(1704067201500));
}

#[test]
fn timestamps_with_zone_have_exactly_their_columns_digits() {
    for (digits, cell, iso) in [
        (6, "2024-01-01 00:00:00+00", "2024-01-01T00:00:00.000000Z"),
        (6, "2024-01-01 00:00:00.1+00", "2024-01-01T00:00:00.100000Z"),
        (3, "2024-01-01 00:00:00.1+00", "2024-01-01T00:00:00.100Z"),
        (1, "2024-01-01 00:00:01.5+00", "2024-01-01T00:00:01.5Z"),
        (0, "2024-01-01 00:00:01+00", "2024-01-01T00:00:01Z"),
        (6, "2024-01-01 01:30:00+05:30", "2023-12-31T20:00:00.000000Z"),
        (6, "12024-01-01 00:00:00+00", "+12024-01-01T00:00:00.000000Z"),
        (6, "0044-03-15 00:00:00+00 BC", "-0043-03-15T00:00:00.000000Z"),
        (6, "0001-01-01 00:00:00+00 BC", "0000-01-01T00:00:00.000000Z"),
        (6, "infinity", "infinity"),
        (6, "-infinity", "-infinity"),
    ] {
        assert_eq!(read(&Kind::ZonedTimestamp { digits }, cell), text(iso), "{cell}");
    }
}

#[test]
fn times_of_day_end_at_24_hours() {
    assert_eq!(read(&Kind::MicroTime, "24:00:00"), Value::Integer(86_400_000_000));
    assert_eq!(read(&Kind::Time, "00:00:01.5"), Value::Integer(1500));
    assert_eq!(read(&Kind::ZonedTime, "24:00:00+00"), text("00:00:00Z"));
    assert_eq!(read(&Kind::ZonedTime, "00:30:00+01:30"), text("23:00:00Z"));
    assert_eq!(read(&Kind::ZonedTime, "12:00:00.500-08"), text("20:00:00.5Z"));
    assert!(parse(&Kind::MicroTime, b"25:00:00").is_err());
}

#[test]
fn intervals_count_a_month_as_a_twelfth_of_365_and_a_quarter_days() {
    for (cell, micros) in [
        ("1 mon", 2629800000000),
        ("00:00:00", 0),
        ("-1 days", -86400000000),
        ("-1 years -2 mons +3 days -04:05:06.5", -36572706500000),
        ("100:00:00", 360000000000),
    ] {
        let Value::Integer(read) = read(&Kind::MicroDuration, cell) else { panic!("{cell}") };
        assert_eq!(read, micros, "{cell}");
    }
}

#[test]
fn bits_are_little_endian_without_zero_bytes_at_the_end() {
    let kind = Kind::Bits { length: 33 };
    for (cell, bytes) in [
        ("1", vec![1]),
        ("100000000", vec![0, 1]),
        ("000000000000000001", vec![1]),
        ("000", vec![]),
        ("", vec![]),
    ] {
        assert_eq!(read(&kind, cell), Value::Bytes(bytes.into()), "{cell}");
    }
}

#[test]
fn times_of_day_in_arrays_are_as_fine_as_jdbc_hands_them_on() {
    let one = |kind: Kind, cell: &'static str| match read(&array(kind), cell) {
        Value::Array(mut items) => items.remove(0),
        other => panic!("{other:?}"),
    };
    assert_eq!(one(Kind::MicroTime, "{13:51:30.123456,NULL}"), Value::Integer(49_890_123_000));
    assert_eq!(one(Kind::NanoTime, "{00:00:00.5}"), Value::Integer(500_000_000));
    assert_eq!(one(Kind::ZonedTime, "{13:51:30.123456+02}"), text("11:51:30Z"));
}

#[test]
fn arrays_nest_quote_and_have_bounds() {
    let strings = array(Kind::String);
    let list = |items: &[&'static str]| Value::Array(items.iter().map(|item| text(item)).collect());
    assert_eq!(read(&strings, "{}"), list(&[]));
    assert_eq!(
        read(&strings, r#"{"","NULL","a,b","c\\d","{e}",ü}"#),
        list(&["", "NULL", "a,b", "c\\d", "{e}", "ü"])
    );
    let numbers = |numbers: &[i64]| Value::Array(numbers.iter().copied().map(Value::Integer).collect());
    assert_eq!(
        read(&array(Kind::Int32), "{{1,2},{3,4}}"),
        Value::Array(vec![numbers(&[1, 2]), numbers(&[3, 4])])
    );
    assert_eq!(read(&array(Kind::Int32), "[2:3]={7,8}"), numbers(&[7, 8]));
    assert_eq!(
        read(&array(Kind::Boolean), "{t,f}"),
        Value::Array(vec![Value::Boolean(true), Value::Boolean(false)])
    );
    assert_eq!(
        read(&array(Kind::Bytes), r#"{"\\x00ff"}"#),
        Value::Array(vec![Value::Bytes(vec![0, 255].into())])
    );
    for broken in ["", "{", "{1", "{1,}", "{,1}", "{1}x", "1", "{\"a", "{\"a\\", "[1:2]", "{{{{{{{1}}}}}}}"] {
        assert!(parse(&array(Kind::Int32), broken.as_bytes()).is_err(), "{broken}");
        assert!(parse(&strings, broken.as_bytes()).is_err(), "{broken}");
    }
}

#[test]
fn event_times_are_milliseconds_cut_toward_zero() {
    let ms = |kind: &Kind, cell: &str| epoch_ms(kind, cell.as_bytes()).unwrap();
    assert_eq!(ms(&Kind::MicroTimestamp, "2019-03-24 20:52:59.123999"), 1553460779123);
    assert_eq!(ms(&Kind::MicroTimestamp, "1969-12-31 23:59:59.999001"), 0);
    assert_eq!(ms(&Kind::Timestamp, "2019-03-24 20:52:59"), 1553460779000);
    assert_eq!(ms(&Kind::ZonedTimestamp { digits: 6 }, "2019-03-24 20:52:59.5+00"), 1553460779500);
    assert_eq!(ms(&Kind::MicroTimestamp, "infinity"), 9223372036825200);
    assert!(epoch_ms(&Kind::Int64, b"1").is_err());
    assert!(epoch_ms(&Kind::MicroTimestamp, b"tomorrow").is_err());
}

#[test]
fn constant_defaults_are_read() {
    let mood = Kind::Enum(vec!["sad".into()]);
    let cases: Vec<(Kind, &str, Value<'_>)> = vec![
        (Kind::String, "'dflt'::character varying", text("dflt")),
        (Kind::String, "'it''s'::text", text("it's")),
        (Kind::String, "'ab'::bpchar", text("ab")),
        (Kind::String, "''::character varying", text("")),
        (Kind::Int32, "7", Value::Integer(7)),
        (Kind::Int32, "'-7'::integer", Value::Integer(-7)),
        (Kind::Int64, "'9223372036854775807'::bigint", Value::Integer(i64::MAX)),
        (Kind::Boolean, "true", Value::Boolean(true)),
        (Kind::Boolean, "false", Value::Boolean(false)),
        (Kind::Boolean, "B'1'::\"bit\"", Value::Boolean(true)),
        (Kind::Json, "'{\"d\": 1}'::jsonb", text("{\"d\": 1}")),
        (Kind::Float64, "1.5", Value::Float64(1.5)),
        (Kind::Float64, "'-1.5'::numeric", Value::Float64(-1.5)),
        (Kind::Decimal { precision: 10, scale: 2 }, "1.5", decimal("150", 2)),
        (Kind::Decimal { precision: 10, scale: 2 }, "0", decimal("0", 2)),
        (Kind::Date, "'2024-02-29'::date", Value::Integer(19782)),
        (Kind::MicroTimestamp, "'1970-01-01 00:00:01'::timestamp without time zone", Value::Integer(1000000)),
        (Kind::MicroDuration, "'01:00:00'::interval", Value::Integer(3600000000)),
        (
            Kind::Uuid,
            "'59a42efd-b015-44a9-9dde-cb36d9002425'::uuid",
            text("59a42efd-b015-44a9-9dde-cb36d9002425"),
        ),
        (Kind::Bits { length: 5 }, "B'10110'::\"bit\"", Value::Bytes(vec![0x16].into())),
        (mood, "'sad'::mood", text("sad")),
    ];
    for (kind, expression, value) in cases {
        assert_eq!(default_value(&kind, expression), Some(value), "{expression}");
    }
}

#[test]
fn defaults_that_are_calls_give_the_kinds_zero() {
    let cases: Vec<(Kind, &str, Value<'_>)> = vec![
        (Kind::MicroTimestamp, "now()", Value::Integer(0)),
        (Kind::MicroTimestamp, "CURRENT_TIMESTAMP", Value::Integer(0)),
        (Kind::MicroTimestamp, "timezone('utc'::text, now())", Value::Integer(0)),
        (Kind::MicroTimestamp, "(now() AT TIME ZONE 'utc'::text)", Value::Integer(0)),
        (Kind::ZonedTimestamp { digits: 6 }, "now()", text("1970-01-01T00:00:00.000000Z")),
        (Kind::Date, "CURRENT_DATE", Value::Integer(0)),
        (Kind::Int64, "nextval('outbox_seq'::regclass)", Value::Integer(0)),
        (Kind::Uuid, "gen_random_uuid()", text("00000000-0000-0000-0000-000000000000")),
        (Kind::String, "md5('x'::text)", text("")),
        (Kind::Json, "jsonb_build_object()", text("{}")),
        (Kind::Boolean, "random_bool()", Value::Boolean(false)),
    ];
    for (kind, expression, value) in cases {
        assert_eq!(default_value(&kind, expression), Some(value), "{expression}");
    }
}

#[test]
fn defaults_debezium_does_not_read_are_none() {
    for (kind, expression) in [
        (Kind::String, "NULL::character varying"),
        (Kind::Int32, "NULL::integer"),
        (Kind::Boolean, "NULL"),
        (Kind::Int32, "(1 + 2)"),
        (Kind::String, "('a'::text || 'b'::text)"),
        (Kind::String, "'x'::citext"),
        (Kind::String, "'10.0.0.1'::inet"),
        (Kind::String, "CURRENT_USER"),
        (Kind::Bytes, "'\\x00'::bytea"),
        (Kind::VariableScaleDecimal, "1.5"),
        (Kind::Point, "'(1,2)'::point"),
        (array(Kind::Int32), "'{}'::integer[]"),
        (Kind::Date, "('now'::text)::date"),
        (Kind::Enum(vec!["a".into()]), "pick()"),
        (Kind::Int32, "'x"),
        (Kind::Int32, ""),
    ] {
        assert_eq!(default_value(&kind, expression), None, "{expression}");
    }
}

#[test]
fn an_error_names_the_type_and_never_the_value() {
    let error = parse(&Kind::MicroTimestamp, b"secret").unwrap_err();
    assert_eq!(error.to_string(), "not a value of type io.debezium.time.MicroTimestamp: no time of day");
    assert!(parse(&Kind::String, b"\xff").is_err());
    assert!(parse(&Kind::Bytes, b"\\x0").is_err());
    assert!(parse(&Kind::Bytes, b"\\x0g").is_err());
    assert!(parse(&Kind::Int16, b"40000").is_err());
}

fn kinds() -> Vec<Kind> {
    vec![
        Kind::Uuid,
        Kind::Json,
        Kind::Xml,
        Kind::Ltree,
        Kind::TsVector,
        Kind::Enum(vec!["a".into()]),
        Kind::Boolean,
        Kind::Int16,
        Kind::Int64,
        Kind::Float32,
        Kind::Float64,
        Kind::Decimal { precision: 10, scale: 2 },
        Kind::Decimal { precision: 3, scale: -2 },
        Kind::Money,
        Kind::VariableScaleDecimal,
        Kind::String,
        Kind::Bytes,
        Kind::Date,
        Kind::Time,
        Kind::ZonedTime,
        Kind::Timestamp,
        Kind::MicroTimestamp,
        Kind::ZonedTimestamp { digits: 3 },
        Kind::MicroDuration,
        Kind::Bits { length: 9 },
        Kind::Point,
        Kind::DecimalText { scale: Some(2) },
        Kind::MoneyText,
        Kind::MoneyFloat,
        Kind::BytesText(Binary::Base64),
        Kind::NanoTime,
        Kind::NanoTimestamp,
        Kind::IsoDate,
        Kind::IsoTime,
        Kind::IsoTimestamp,
        Kind::ConnectTimestamp,
        Kind::IntervalText,
        Kind::HstoreJson,
        Kind::HstoreMap,
        array(Kind::HstoreMap),
        array(Kind::MicroTimestamp),
        array(Kind::String),
        Kind::Unknown,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_reading_panic(cell in "[-+0-9a-z:. {},\"\\\\()€]{0,40}") {
        for kind in kinds() {
            let _ = parse(&kind, cell.as_bytes());
            let _ = epoch_ms(&kind, cell.as_bytes());
            let _ = default_value(&kind, &cell);
        }
    }

    #[test]
    fn no_bytes_make_reading_panic(cell in proptest::collection::vec(any::<u8>(), 0..40)) {
        for kind in kinds() {
            let _ = parse(&kind, &cell);
        }
    }

    #[test]
    fn what_is_written_as_it_came_is_what_reading_would_make_of_it(
        text in ".{0,100}", bytes in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        for kind in kinds() {
            for cell in [text.as_bytes(), &bytes] {
                let is_the_same = matches!(parse(&kind, cell), Ok(Value::Text(Cow::Borrowed(read))) if read.as_bytes() == cell);
                // Some others happen to be, too.
                prop_assert!(is_the_same || !is_text(&kind, cell));
            }
            let is_verbatim = matches!(kind, Kind::String | Kind::Uuid | Kind::Enum(_));
            prop_assert!(!is_verbatim || is_text(&kind, text.as_bytes()));
            prop_assert!(!is_verbatim || is_text(&kind, &bytes) == std::str::from_utf8(&bytes).is_ok());
        }
    }

    #[test]
    fn quoted_array_elements_come_back_as_they_were(items in proptest::collection::vec(".{0,12}", 1..5)) {
        let quoted: Vec<String> =
            items.iter().map(|item| format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""))).collect();
        let cell = format!("{{{}}}", quoted.join(","));
        let Value::Array(read) = read(&array(Kind::String), &cell) else { panic!() };
        let expected: Vec<Value<'_>> = items.iter().map(|item| text(item)).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn a_moment_in_utc_is_read_back(ms in 0i64..253_402_300_800_000) {
        let text = utc(ms).replace('T', " ").replace('Z', "+00");
        prop_assert_eq!(epoch_ms(&Kind::ZonedTimestamp { digits: 3 }, text.as_bytes()), Ok(ms));
    }

    #[test]
    fn every_moment_survives_being_written_and_read(micros in -210_866_803_200_000_000i64..9_200_000_000_000_000_000) {
        let iso = time::tests_format(micros);
        prop_assert_eq!(time::epoch_micros(&iso).unwrap(), micros);
    }
}
