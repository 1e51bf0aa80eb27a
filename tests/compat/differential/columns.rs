//! Types of columns, and literals of each that are worth a look.

/// A type as SQL has it, and texts that it reads.
pub struct Type {
    pub sql: &'static str,
    pub texts: &'static [&'static str],
}

/// What a database needs to have all of them.
pub const PRELUDE: &str = "create extension hstore; create extension citext; create extension ltree;
    create type mood as enum ('sad', 'ok', 'very \"happy\"');
    create type pair as (a int, b text);
    create domain positive as int check (value > 0);
    create domain amount as numeric(10,2);
    create domain label as varchar(20);
    create domain moment as timestamptz(3)";

const DATES: &[&str] =
    &["2024-02-29", "1970-01-01", "1969-12-31", "0001-01-01", "9999-12-31", "12024-01-01", "0044-03-15 BC"];
const TIMES: &[&str] =
    &["00:00:00", "13:51:30.123456", "23:59:59.999999", "00:00:00.0005", "12:00:00.5", "24:00:00"];
const TIMESTAMPS: &[&str] = &[
    "2024-02-29 13:51:30.123456",
    "1970-01-01 00:00:00",
    "1970-01-01 00:00:00.001",
    "2024-01-01 00:00:00.9996",
    "2019-03-24 20:52:59",
    "12024-01-01 00:00:00",
    "2262-04-11 23:47:16.854775",
];
const OLD_TIMESTAMPS: &[&str] = &[
    "1969-12-31 23:59:59.999999",
    "1969-12-31 23:59:59.9995",
    "0001-01-01 00:00:00",
    "0044-03-15 00:00:00.5 BC",
    "infinity",
    "-infinity",
    "1582-10-14 12:00:00",
    "2024-02-29 13:51:30.123456",
];
const ZONED: &[&str] = &[
    "2024-02-29 13:51:30.123456+02",
    "2024-01-01 00:00:00+00",
    "2024-01-01 00:00:00.1-08",
    "1969-12-31 23:59:59.9995+00",
    "12024-01-01 00:00:00+00",
    "0044-03-15 00:00:00+00 BC",
    "infinity",
    "-infinity",
    "2024-01-01 00:00:00+05:30",
];
const REALS: &[&str] = &[
    "0",
    "-0",
    "1",
    "3.3",
    "0.001",
    "0.0001",
    "1e7",
    "9999999",
    "123456.79",
    "1e10",
    "1e-5",
    "NaN",
    "Infinity",
    "-Infinity",
    "3.4028235e38",
    "1e-45",
    "1.17549435e-38",
    "16777216",
    "-2.5",
    "1.0E-7",
    "8.41e21",
    "2e-3",
];
const DOUBLES: &[&str] = &[
    "0",
    "-0",
    "1",
    "0.1",
    "0.001",
    "0.0001",
    "1e7",
    "9999999.5",
    "123456.789",
    "1e21",
    "1e-10",
    "NaN",
    "Infinity",
    "-Infinity",
    "1.7976931348623157e308",
    "5e-324",
    "2.2250738585072014e-308",
    "9007199254740993",
    "-2.5",
    "2e23",
    "1.1e-3",
    "100",
    "4.35",
    "2.0e-3",
];
const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "plain text",
    "q\"ü\\",
    "tab\tnew\nline\rreturn",
    "日本",
    "😀",
    "\u{1}\u{1f}",
    "\u{7f}\u{80}",
    "line\u{2028}sep",
    "</script>",
    "it's",
    "null",
    "{",
    "[1,2",
    "%d $1 ${x}",
    "\u{feff}bom",
    " trailing ",
];
const BYTES: &[&str] =
    &["\\x", "\\x00ff80", "\\xdeadbeef01", "\\x61", "\\x7b2261223a317d", "\\xc3bc", "\\xfbff"];
pub const UUIDS: &[&str] = &["59a42efd-b015-44a9-9dde-cb36d9002425", "00000000-0000-0000-0000-000000000000"];
const RANGES: &[&str] = &["[1,5)", "empty", "(,)", "[1,)", "(,7)"];
const INTERVALS: &[&str] = &[
    "0",
    "1 mon",
    "1 year 2 mons 3 days 04:05:06.000007",
    "-1 day +00:00:01",
    "-00:00:00.5",
    "100:00:00",
    "-1 year -2 mons +3 days",
    "178000000 years",
    "00:00:00.000001",
    "1 day -1 hour",
];

const fn of(sql: &'static str, texts: &'static [&'static str]) -> Type {
    Type { sql, texts }
}

/// Those that are compared. Not a numeric with a negative scale, which Debezium takes for 2,048 more; and not `name`, of
/// which it has no value.
pub const TYPES: &[Type] = &[
    of("boolean", &["t", "f"]),
    of("smallint", &["0", "-5", "32767", "-32768"]),
    of("integer", &["0", "42", "-1", "2147483647", "-2147483648"]),
    of("bigint", &["0", "-7", "9007199254740993", "9223372036854775807", "-9223372036854775808"]),
    of("real", REALS),
    of("double precision", DOUBLES),
    of(
        "numeric",
        &["0", "12.340", "1e20", "1e-10", "-12345678901234567890.123", "NaN", "0.000", "100", "-0.5", "256"],
    ),
    of("numeric(10,2)", &["0", "12345.60", "-0.01", "99999999.99", "NaN", "1.28", "-1.28", "2.56"]),
    of("numeric(5,0)", &["0", "-128", "127", "128", "99999", "NaN"]),
    of("numeric(30,20)", &["0", "0.0000001", "1", "-9999999999.99999999999999999999"]),
    of("numeric(38,0)", &["99999999999999999999999999999999999999", "-1", "0"]),
    of("numeric(2,5)", &["0.00012", "0"]),
    of("money", &["0", "1234.5", "-0.01", "92233720368547758.07", "1000000"]),
    of("char(5)", &["ab", "", "abcde", "é"]),
    of("char", &["x", ""]),
    of("varchar(40)", TEXTS),
    of("varchar", TEXTS),
    of("text", TEXTS),
    of("\"char\"", &["a", ""]),
    of("citext", &["MiXed", ""]),
    of("uuid", UUIDS),
    of("json", &["{}", "{ \"b\":1,  \"a\":[ 1.50 ]}", "null", "\"x\"", "7", "[]"]),
    of("jsonb", &["{}", "{ \"b\":1,  \"a\":[ 1.50 ]}", "null", "\"x\"", "7", "[]"]),
    of("xml", &["<a>1</a>", "text", "<a b=\"c\"/>"]),
    of("bytea", BYTES),
    of("date", DATES),
    of("date", &["infinity", "-infinity", "5874897-12-31"]),
    of("time", TIMES),
    of("time(0)", TIMES),
    of("time(3)", TIMES),
    of("time(5)", TIMES),
    of(
        "timetz",
        &["13:51:30.123789+02", "00:00:00-12", "23:59:59.999999+00", "13:51:30.5+05:30", "24:00:00+00"],
    ),
    of("timetz(2)", &["13:51:30.123789+02", "00:00:00-12"]),
    of("timestamp", TIMESTAMPS),
    of("timestamp", OLD_TIMESTAMPS),
    of("timestamp(0)", TIMESTAMPS),
    of("timestamp(1)", TIMESTAMPS),
    of("timestamp(3)", TIMESTAMPS),
    of("timestamp(3)", OLD_TIMESTAMPS),
    of("timestamp(4)", TIMESTAMPS),
    of("timestamptz", ZONED),
    of("timestamptz(0)", ZONED),
    of("timestamptz(3)", ZONED),
    of("interval", INTERVALS),
    of("interval(2)", INTERVALS),
    of("bit(1)", &["1", "0"]),
    of("bit(5)", &["10110", "00000"]),
    of("bit(19)", &["1000000000000000001", "0000000000000000000"]),
    of("bit varying(10)", &["1", "", "1010101010"]),
    of("bit varying", &["1", "101010101010101010101"]),
    of("inet", &["10.0.0.1/24", "10.0.0.1", "::1", "2001:db8::/32"]),
    of("cidr", &["10.0.0.0/8", "::1/128"]),
    of("macaddr", &["08:00:2b:01:02:03"]),
    of("macaddr8", &["08:00:2b:01:02:03:04:05"]),
    of("point", &["(1.5,2)", "(0,-0)", "(1e300,NaN)"]),
    of("line", &["{1,2,3}"]),
    of("box", &["(1,1),(0,0)"]),
    of("circle", &["<(0,0),1>"]),
    of("polygon", &["((0,0),(1,1))"]),
    of("oid", &["0", "4294967295"]),
    of("xid", &["7"]),
    of("pg_lsn", &["0/16B3748"]),
    of("int4range", RANGES),
    of("int8range", RANGES),
    of("numrange", RANGES),
    of("daterange", &["[2024-01-01,2024-02-01)", "empty", "(,)"]),
    of("tsrange", &["[2024-01-01 00:00:00,2024-02-01 00:00:00.5)", "empty"]),
    of("tstzrange", &["[2024-01-01 00:00:00+00,)", "empty"]),
    of("int4multirange", &["{[1,3),[5,7)}", "{}"]),
    of("mood", &["sad", "ok", "very \"happy\""]),
    of("hstore", &["", "a=>1", "a=>1,b=>NULL", "\"k\\\"ey\"=>\"v\\\\al\"", "\"ü\"=>\"\""]),
    of("ltree", &["a.b.c", ""]),
    of("tsvector", &["a fat cat", "'it''s':3A"]),
    of("pair", &["(1,x)"]),
    of("positive", &["1", "7"]),
    of("amount", &["1.50", "0"]),
    of("label", TEXTS),
    of("moment", ZONED),
    of("integer[]", &["{}", "{1,null,3}", "{-1}"]),
    of("integer[]", &["{{1,2},{3,4}}", "{1}"]),
    of("smallint[]", &["{}", "{1,null}"]),
    of("bigint[]", &["{9223372036854775807,null}", "{}"]),
    of("text[]", &["{}", "{a,\"b \\\"q\\\"\",null}", "{\"\",\"NULL\",\"a,b\",\"{\"}", "{ü}"]),
    of("varchar(5)[]", &["{abc,null}", "{}"]),
    of("char(3)[]", &["{a,null}"]),
    of("boolean[]", &["{t,f,null}", "{}"]),
    of("real[]", &["{1,0.1,null,NaN}"]),
    of("double precision[]", &["{1,0.1,null,NaN,1e21}"]),
    of("numeric(10,2)[]", &["{1,0.10,null}", "{}"]),
    of("numeric[]", &["{1,0.10,null}", "{}"]),
    of("uuid[]", &["{59a42efd-b015-44a9-9dde-cb36d9002425,null}"]),
    of("jsonb[]", &["{\"{\\\"a\\\": 1}\",null}"]),
    of("json[]", &["{\"{\\\"a\\\": 1}\",null}"]),
    of("bytea[]", &["{\"\\\\x00ff\",null}"]),
    of("date[]", &["{2024-02-29,null}"]),
    of("time[]", &["{13:51:30.123456,null}"]),
    of("timetz[]", &["{13:51:30.123456+02,null}"]),
    of("timestamp[]", &["{\"2024-02-29 13:51:30.123456\",null}"]),
    of("timestamp(3)[]", &["{\"2024-02-29 13:51:30.123\",null}"]),
    of("timestamptz[]", &["{\"2024-02-29 13:51:30.123456+02\",null}"]),
    of("interval[]", &["{\"1 mon\"}"]),
    of("money[]", &["{1.5}"]),
    of("inet[]", &["{10.0.0.1,null}"]),
    of("oid[]", &["{1,null}"]),
    of("mood[]", &["{sad,null}", "{ok}"]),
    of("hstore[]", &["{a=>1,null}"]),
    of("citext[]", &["{aB,null}"]),
    of("int4range[]", &["{\"[1,5)\",null}"]),
    of("bit(3)[]", &["{101}"]),
    of("positive[]", &["{1,null}"]),
];

/// The type that is written so; the first of several.
pub fn find(sql: &str) -> &'static Type {
    TYPES.iter().find(|known| known.sql == sql).expect("a known type")
}
