//! One row of every column type: as a header, and as a member of an envelope. What Debezium 3.6.3 publishes.

use super::converter::{HeaderConverter, Writes};
use super::{Converter, DecimalFormat};
use crate::decode::value::{Kind, parse};

/// Kind, the cell's text, its header with SimpleHeaderConverter, its JSON, and its header with StringConverter where
/// that is another.
type Row = (Kind, &'static str, &'static str, &'static str, Option<&'static str>);

fn rows() -> Vec<Row> {
    let array = |element| Kind::Array(Box::new(element));
    let decimal = |precision, scale| Kind::Decimal { precision, scale };
    let zoned = |digits| Kind::ZonedTimestamp { digits };
    let point = r#"{"x":1.5,"y":2.0,"wkb":"AQEAAAAAAAAAAAD4PwAAAAAAAABA","srid":null}"#;
    vec![
        (Kind::Boolean, "t", "true", "true", None),
        (Kind::Int16, "-5", "-5", "-5", None),
        (Kind::Int32, "42", "42", "42", None),
        (Kind::Int64, "9007199254740993", "9007199254740993", "9007199254740993", None),
        (Kind::Float32, "3.3", "3.3", "3.3", None),
        (Kind::Float64, "1e+21", "1.0E21", "1.0E21", None),
        (Kind::Float64, "1", "1.0", "1.0", None),
        (Kind::Float64, "0.001", "0.001", "0.001", None),
        (Kind::Float64, "10000000", "1.0E7", "1.0E7", None),
        (Kind::Float64, "123456.789", "123456.789", "123456.789", None),
        (Kind::Float64, "1e-10", "1.0E-10", "1.0E-10", None),
        (Kind::Float64, "NaN", "NaN", "\"NaN\"", None),
        (Kind::Float64, "Infinity", "Infinity", "\"Infinity\"", None),
        (decimal(10, 2), "12345.60", "12345.60", "\"EtaA\"", None),
        (decimal(20, 10), "0.0000001000", "1.000E-7", "\"A+g=\"", None),
        (decimal(5, 0), "0", "0", "\"AA==\"", None),
        (decimal(30, 0), "100000000000000000000", "100000000000000000000", "\"BWvHXi1jEAAA\"", None),
        (
            Kind::VariableScaleDecimal,
            "12.340",
            r#"{"scale":2,"value":"BNI="}"#,
            r#"{"scale":2,"value":"BNI="}"#,
            Some("Struct{scale=2,value=[B@0}"),
        ),
        (Kind::Money, "$1,234.50", "1234.50", "\"AeI6\"", None),
        (Kind::String, "ab   ", "ab   ", "\"ab   \"", None),
        (Kind::String, "q\"ü\\", "q\"ü\\", r#""q\"ü\\""#, None),
        (
            Kind::Json,
            r#"{ "b":1,  "a":[ 1.50 ]}"#,
            r#"{ "b":1,  "a":[ 1.50 ]}"#,
            r#""{ \"b\":1,  \"a\":[ 1.50 ]}""#,
            None,
        ),
        (Kind::Xml, "<a>1</a>", "<a>1</a>", "\"<a>1</a>\"", None),
        (Kind::Bytes, "\\x00ff80", "AP+A", "\"AP+A\"", Some("java.nio.HeapByteBuffer[pos=0 lim=3 cap=3]")),
        (Kind::Date, "2024-02-29", "19782", "19782", None),
        (Kind::Date, "infinity", "-2147472692", "-2147472692", None),
        (Kind::MicroTime, "13:51:30.123456", "49890123456", "49890123456", None),
        (Kind::Time, "13:51:30.123", "49890123", "49890123", None),
        (Kind::ZonedTime, "13:51:30.123789+02", "11:51:30.123789Z", "\"11:51:30.123789Z\"", None),
        (Kind::MicroTimestamp, "2024-02-29 13:51:30.123456", "1709214690123456", "1709214690123456", None),
        (Kind::Timestamp, "2024-02-29 13:51:30.123", "1709214690123", "1709214690123", None),
        (
            zoned(6),
            "2024-02-29 11:51:30.123456+00",
            "2024-02-29T11:51:30.123456Z",
            "\"2024-02-29T11:51:30.123456Z\"",
            None,
        ),
        (zoned(0), "2024-01-01 00:00:01+00", "2024-01-01T00:00:01Z", "\"2024-01-01T00:00:01Z\"", None),
        (zoned(6), "-infinity", "-infinity", "\"-infinity\"", None),
        (
            Kind::MicroDuration,
            "1 year 2 mons 3 days 04:05:06.000007",
            "37091106000007",
            "37091106000007",
            None,
        ),
        (Kind::Boolean, "1", "true", "true", None),
        (Kind::Bits { length: 5 }, "10110", "Fg==", "\"Fg==\"", Some("[B@0")),
        (Kind::String, "10.0.0.1/24", "10.0.0.1/24", "\"10.0.0.1/24\"", None),
        (array(Kind::Int32), "{1,NULL,3}", "[1,null,3]", "[1,null,3]", Some("[1, null, 3]")),
        (
            array(Kind::String),
            r#"{a,"b \"q\""}"#,
            r#"["a","b \"q\""]"#,
            r#"["a","b \"q\""]"#,
            Some(r#"[a, b "q"]"#),
        ),
        (Kind::Point, "(1.5,2)", point, point, Some("Struct{x=1.5,y=2.0,wkb=[B@0}")),
        (Kind::Enum(vec!["sad".into(), "happy".into()]), "happy", "happy", "\"happy\"", None),
        (Kind::Int64, "4294967295", "4294967295", "4294967295", None),
        (
            Kind::ConnectTimestamp,
            "2024-02-29 13:51:30.123456",
            "2024-02-29T13:51:30.123Z",
            "1709214690123",
            Some("Thu Feb 29 13:51:30 UTC 2024"),
        ),
        (Kind::ConnectDate, "2024-02-29", "2024-02-29", "19782", Some("Thu Feb 29 00:00:00 UTC 2024")),
        (Kind::ConnectTime, "13:51:30.5", "13:51:30.500Z", "49890500", Some("Thu Jan 01 13:51:30 UTC 1970")),
        (
            Kind::IsoTimestamp,
            "2024-02-29 13:51:30.5",
            "2024-02-29T13:51:30.5Z",
            "\"2024-02-29T13:51:30.5Z\"",
            None,
        ),
        (Kind::DecimalText { scale: Some(2) }, "12345.60", "12345.60", "\"12345.60\"", None),
        (
            Kind::HstoreMap,
            r#""a"=>"1\"", "b"=>NULL"#,
            r#"{"a":"1\"","b":null}"#,
            r#"{"a":"1\"","b":null}"#,
            Some(r#"{a=1", b=null}"#),
        ),
    ]
}

fn json() -> Converter {
    Converter::Json { schemas: false, decimal: DecimalFormat::Base64, replace_null_with_default: true }
}

#[test]
fn every_type_is_published_as_debezium_publishes_it() {
    let string = || HeaderConverter::As(Converter::String);
    for (kind, cell, simple, in_json, in_string) in rows() {
        let value = parse(&kind, cell.as_bytes()).unwrap();
        for (converter, expected) in [
            (HeaderConverter::Simple, simple),
            (HeaderConverter::As(json()), in_json),
            (string(), in_string.unwrap_or(simple)),
        ] {
            let mut out = Vec::new();
            assert_eq!(converter.write(&kind, &value, b"", &mut out), Ok(true));
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{kind:?} {cell:?} {converter:?}");
        }
    }
}

#[test]
fn a_numeric_that_is_no_number_is_a_header_without_value_and_null_in_json() {
    let kind = Kind::Decimal { precision: 10, scale: 2 };
    let value = parse(&kind, b"NaN").unwrap();
    let mut out = Vec::new();
    assert_eq!(HeaderConverter::Simple.write(&kind, &value, b"", &mut out), Ok(false));
    assert_eq!(json().write(&kind, &value, b"", &mut out), Ok(true));
    assert_eq!(out, b"null");
}
