//! What is read and what is refused, and how.

use super::*;
use proptest::prelude::*;

/// The document in a notation that tells types: `i1`, `l1`, `big`, `d1`, and JSON otherwise.
fn told(text: &str) -> Option<String> {
    let mut document = Document::default();
    document.read(text.as_bytes(), Renaming::Never)?;
    Some(tell(&document, text.as_bytes(), 0))
}

fn tell(document: &Document, text: &[u8], index: u32) -> String {
    let string = |span| String::from_utf8_lossy(document.bytes(text, span)).into_owned();
    match document.node(index) {
        Node::Null => "null".into(),
        Node::Boolean(is) => is.to_string(),
        Node::Int(number) => format!("i{number}"),
        Node::Long(number) => format!("l{number}"),
        Node::Big => "big".into(),
        Node::Double(number) => format!("d{number}"),
        Node::Number(span) => format!("n{}", string(span)),
        Node::Text(span) => format!("{:?}", string(span)),
        Node::Array { .. } => {
            let items: Vec<String> = document.items(index).map(|item| tell(document, text, item)).collect();
            format!("[{}]", items.join(","))
        }
        Node::Object { .. } => {
            let members: Vec<String> = document
                .members(index)
                .map(|(name, value)| format!("{}:{}", string(name), tell(document, text, value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Node::Name { .. } | Node::Renamed { .. } | Node::Again => "not a value".into(),
    }
}

#[test]
fn numbers_have_the_types_jackson_gives_them() {
    for (number, node) in [
        ("0", "i0"),
        ("-0", "i0"),
        ("-0.0", "d-0"),
        ("2147483647", "i2147483647"),
        ("2147483648", "l2147483648"),
        ("-2147483648", "i-2147483648"),
        ("-2147483649", "l-2147483649"),
        ("9223372036854775807", "l9223372036854775807"),
        ("-9223372036854775808", "l-9223372036854775808"),
        ("9223372036854775808", "big"),
        ("1.0", "d1"),
        ("1E+2", "d100"),
        ("1e400", "dinf"),
        ("4.9", "d4.9"),
    ] {
        assert_eq!(told(&format!("[{number}]")).as_deref(), Some(&*format!("[{node}]")), "{number}");
    }
    for number in ["01", "1.", ".5", "+1", "-", "1e", "1e+", "NaN", "Infinity", "-Infinity", "0x1", "1_000"] {
        assert_eq!(told(&format!("[{number}]")), None, "{number}");
    }
    assert!(told(&format!("[{}]", "1".repeat(1000))).is_some());
    assert!(told(&format!("[{}]", "1".repeat(1001))).is_none());
    assert!(told(&format!("[1.{}]", "1".repeat(1000))).is_none());
}

#[test]
fn what_follows_the_first_value_is_not_looked_at() {
    for text in [r#"{"a":1}"#, r#"{"a":1} xyz"#, r#"{"a":1}{"b":2}"#, "{\"a\" :\t1\r\n}"] {
        assert_eq!(told(text).as_deref(), Some("{a:i1}"), "{text}");
    }
}

#[test]
fn what_is_not_json_is_refused() {
    for text in [
        "{",
        "[",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,}",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1,",
        "{a:1}",
        "{'a':1}",
        "[tru]",
        "[nulll]",
        "[\"a]",
        "[\"\\x\"]",
        "[\"\\u12g4\"]",
        "[\"\\u123\"]",
        "[\"a\nb\"]",
        "{\"a\" 1}",
        "{1:2}",
        "[/* c */1]",
        "[\u{a0}1]",
        "{\"a\":1]",
    ] {
        assert_eq!(told(text), None, "{text}");
    }
}

#[test]
fn the_last_of_members_of_one_name_counts_in_the_place_of_the_first() {
    assert_eq!(told(r#"{"a":1,"b":2,"a":"x"}"#).as_deref(), Some(r#"{a:"x",b:i2}"#));
    assert_eq!(told(r#"{"a":1,"a":[1,{"b":2}],"a":3,"c":4}"#).as_deref(), Some("{a:i3,c:i4}"));
    for name in ["", "abcdefg", "abcdefgh", "abcdefghi", "ü", "customer_name"] {
        let twice = format!(r#"{{"{name}":1,"customer_id":3,"{name}":2}}"#);
        assert_eq!(told(&twice), Some(format!("{{{name}:i2,customer_id:i3}}")));
    }
    assert_eq!(told(r#"{"a":1,"\u0061":2}"#).as_deref(), Some("{a:i2}"));
    let many = |value: &str| (0..40).map(|n| format!(r#""m{n}":{value}"#)).collect::<Vec<_>>().join(",");
    let twice = told(&format!("{{{},{}}}", many("1"), many("{\"m0\":2}")));
    assert_eq!(twice, told(&format!("{{{}}}", many("{\"m0\":2}"))));
}

#[test]
fn escapes_are_decoded_and_half_a_pair_is_kept() {
    assert_eq!(told(r#"["\"\\\/\b\f\n\r\t\u00fc\uD83d\ude00"]"#).as_deref(), {
        Some("[\"\\\"\\\\/\\u{8}\\u{c}\\n\\r\\tü😀\"]")
    });
    let mut document = Document::default();
    let text = br#"["\ud83d","x"]"#;
    document.read(text, Renaming::Never).unwrap();
    assert!(document.unpaired());
    let Node::Text(span) = document.node(1) else { panic!("not a text") };
    assert_eq!(document.bytes(text, span), [0xed, 0xa0, 0xbd]);
    document.read(br#"["\ud83d\ud83d\ude00"]"#, Renaming::Never).unwrap();
    assert!(document.unpaired());
    document.read(b"[]", Renaming::Never).unwrap();
    assert!(!document.unpaired());
}

#[test]
fn depth_is_bounded_as_jacksons_is() {
    let is_read = |text: String| Document::default().read(text.as_bytes(), Renaming::Never).is_some();
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(is_read(nested(1000)));
    assert!(!is_read(nested(1001)));
    let objects = |depth: usize| r#"{"a":"#.repeat(depth) + "1" + &"}".repeat(depth);
    assert!(is_read(objects(1000)));
    assert!(!is_read(objects(1001)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in r#"[\[{]([\[\]{}:,"\\ a-cu0-9e.+-]|true|null|"a":){0,60}"#) {
        let ours = told(&text);
        let theirs = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>().next();
        if let Some(Ok(_)) = theirs {
            prop_assert!(ours.is_some());
        }
    }

    #[test]
    fn any_bytes_are_no_reason_to_panic(text in any::<String>()) {
        let _ = told(&format!("[{text}"));
        let _ = told(&format!("{{\"{text}"));
    }
}
