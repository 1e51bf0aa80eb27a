//! One vector for every rule by which a schema is inferred. What Debezium 3.6.3 published for each is in the golden
//! records; where those say nothing, the rule is read in `JsonSchemaData` and in Connect's `ConnectSchema.validateValue`.

use super::*;
use proptest::prelude::*;

/// What becomes of a text: its JSON and its schema, or one word.
fn expanded(text: &str, how: impl Into<Expand>) -> (String, String) {
    let mut expander = Expander::new(how.into());
    match expander.read(text) {
        Reading::Struct(root) => {
            let (mut json, mut schema) = (Vec::new(), Vec::new());
            expander.json(text, root, usize::MAX, &mut json).unwrap();
            expander.schema(text, root, "payload", None, &mut schema);
            (String::from_utf8(json).unwrap(), short(&String::from_utf8(schema).unwrap()))
        }
        Reading::Text => ("text".into(), String::new()),
        Reading::Empty => ("empty".into(), String::new()),
        Reading::Unfit => ("unfit".into(), String::new()),
    }
}

/// A schema in fewer letters: `payload{a:int32?}`; what is optional has a question mark.
fn short(schema: &str) -> String {
    fn shape(schema: &serde_json::Value) -> String {
        let optional = if schema["optional"] == true { "?" } else { "" };
        let name = schema["name"].as_str().unwrap_or_default();
        match schema["type"].as_str().unwrap() {
            "struct" => {
                let fields = schema["fields"].as_array().unwrap().iter();
                let fields: Vec<String> = fields
                    .map(|field| format!("{}:{}", field["field"].as_str().unwrap(), shape(field)))
                    .collect();
                format!("{name}{{{}}}{optional}", fields.join(","))
            }
            "array" => format!("[{}]{optional}", shape(&schema["items"])),
            other => format!("{other}{optional}"),
        }
    }
    shape(&serde_json::from_str(schema).unwrap())
}

#[track_caller]
fn check(text: &str, json: &str, schema: &str) {
    assert_eq!(expanded(text, Nulls::Ignore), (json.to_owned(), schema.to_owned()), "{text}");
}

#[track_caller]
fn check_kept(text: &str, json: &str, schema: &str) {
    assert_eq!(expanded(text, Nulls::OptionalBytes), (json.to_owned(), schema.to_owned()), "{text}");
}

#[test]
fn scalars_have_the_narrowest_type() {
    check(
        r#"{"s":"x","b":true,"c":false}"#,
        r#"{"s":"x","b":true,"c":false}"#,
        "payload{s:string?,b:boolean?,c:boolean?}?",
    );
    check(
        r#"{"i":-2147483648,"j":2147483647,"l":2147483648,"m":-9223372036854775808}"#,
        r#"{"i":-2147483648,"j":2147483647,"l":2147483648,"m":-9223372036854775808}"#,
        "payload{i:int32?,j:int32?,l:int64?,m:int64?}?",
    );
    check(
        r#"{"a":1.10,"b":1E+2,"c":1e-7,"d":-0.0,"e":12345678901234567890.5,"f":-0}"#,
        r#"{"a":1.1,"b":100.0,"c":1.0E-7,"d":-0.0,"e":1.2345678901234567E19,"f":0}"#,
        "payload{a:double?,b:double?,c:double?,d:double?,e:double?,f:int32?}?",
    );
    check(
        r#"{"a":1e400,"b":-1e400}"#,
        r#"{"a":"Infinity","b":"-Infinity"}"#,
        "payload{a:double?,b:double?}?",
    );
}

#[test]
fn whole_numbers_beyond_64_bits_do_not_fit_the_double_they_are_taken_for() {
    check(r#"{"b":9223372036854775808}"#, "unfit", "");
    check(r#"{"o":{"a":[1.5,9223372036854775808]}}"#, "unfit", "");
    check(r#"{"o":{"a":[1,9223372036854775808]}}"#, "text", "");
}

#[test]
fn nulls_are_dropped_or_kept_as_bytes() {
    check(r#"{"a":null,"b":1}"#, r#"{"b":1}"#, "payload{b:int32?}?");
    check_kept(r#"{"a":null,"b":1}"#, r#"{"a":null,"b":1}"#, "payload{a:bytes?,b:int32?}?");
    check(r#"{"o":{"a":null}}"#, r#"{"o":{}}"#, "payload{o:payload.o{}?}?");
    check_kept(r#"{"o":{"a":null}}"#, r#"{"o":{"a":null}}"#, "payload{o:payload.o{a:bytes?}?}?");
    check(r#"{"a":null}"#, "{}", "payload{}?");
}

#[test]
fn objects_are_structs_named_by_their_path() {
    check("{}", "{}", "payload{}?");
    check(
        r#"{"address":{"coord":[-73.8,40.8],"floor":{"level":17}}}"#,
        r#"{"address":{"coord":[-73.8,40.8],"floor":{"level":17}}}"#,
        "payload{address:payload.address{coord:[double?]?,floor:payload.address.floor{level:int32?}?}?}?",
    );
}

#[test]
fn a_member_without_a_name_spoils_everything_unless_it_is_dropped() {
    check(r#"{"":6,"a":1}"#, "text", "");
    check(r#"{"o":{"":6}}"#, "text", "");
    check(r#"{"":null,"a":[],"b":1}"#, r#"{"b":1}"#, "payload{b:int32?}?");
    check_kept(r#"{"":null}"#, "text", "");
}

#[test]
fn arrays_hold_one_type() {
    check(r#"{"a":["x","y"]}"#, r#"{"a":["x","y"]}"#, "payload{a:[string?]?}?");
    check(r#"{"a":[1,"x"]}"#, "text", "");
    check(r#"{"a":[1,2.0]}"#, "text", "");
    check(r#"{"a":[1,2147483648]}"#, "text", "");
    check(r#"{"a":[1.5,true]}"#, "text", "");
    check(r#"{"a":[{"x":1},[1]]}"#, "text", "");
}

#[test]
fn arrays_without_elements_are_dropped() {
    check(r#"{"a":[],"b":1}"#, r#"{"b":1}"#, "payload{b:int32?}?");
    check_kept(r#"{"a":[],"b":1}"#, r#"{"b":1}"#, "payload{b:int32?}?");
}

#[test]
fn nulls_in_arrays_stay() {
    check(r#"{"a":[null,2,null]}"#, r#"{"a":[null,2,null]}"#, "payload{a:[int32?]?}?");
    check(r#"{"a":[null,null]}"#, "text", "");
    check_kept(r#"{"a":[null,null]}"#, r#"{"a":[null,null]}"#, "payload{a:[bytes?]?}?");
    check(r#"{"a":[{"x":1},null]}"#, r#"{"a":[{"x":1},null]}"#, "payload{a:[payload.a{x:int32?}?]?}?");
}

#[test]
fn objects_of_an_array_that_are_alike_share_their_schema() {
    check(
        r#"{"a":[{"x":1,"o":{"y":[1]}},{"x":2,"o":{"y":[2,3]}}]}"#,
        r#"{"a":[{"x":1,"o":{"y":[1]}},{"x":2,"o":{"y":[2,3]}}]}"#,
        "payload{a:[payload.a{x:int32?,o:payload.a.o{y:[int32?]?}?}?]?}?",
    );
    check(r#"{"a":[{}]}"#, r#"{"a":[{}]}"#, "payload{a:[payload.a{}?]?}?");
}

#[test]
fn objects_of_an_array_that_differ_are_united_and_not_optional() {
    check(
        r#"{"a":[{"x":1},{"y":"s"}]}"#,
        r#"{"a":[{"x":1,"y":null},{"x":null,"y":"s"}]}"#,
        "payload{a:[payload.a{x:int32?,y:string?}]?}?",
    );
    check(
        r#"{"a":[{"k1":1,"k2":2},{"k3":3},{"k0":0}]}"#,
        r#"{"a":[{"k1":1,"k2":2,"k3":null,"k0":null},{"k1":null,"k2":null,"k3":3,"k0":null},{"k1":null,"k2":null,"k3":null,"k0":0}]}"#,
        "payload{a:[payload.a{k1:int32?,k2:int32?,k3:int32?,k0:int32?}]?}?",
    );
    // The order of members is part of a schema.
    check(
        r#"{"a":[{"x":1,"y":2},{"y":4,"x":3}]}"#,
        r#"{"a":[{"x":1,"y":2},{"x":3,"y":4}]}"#,
        "payload{a:[payload.a{x:int32?,y:int32?}]?}?",
    );
    check(r#"{"a":[{"x":1},{"y":1},null]}"#, "unfit", "");
    check(r#"{"a":[{"x":1},{"x":"s"}]}"#, "unfit", "");
    check(r#"{"a":[{"x":1},{"x":2147483648}]}"#, "unfit", "");
}

#[test]
fn nested_objects_are_not_united_and_lose_members() {
    check(
        r#"{"a":[{"o":{"p":1}},{"o":{"q":2}}]}"#,
        r#"{"a":[{"o":{"p":1}},{"o":{"p":null}}]}"#,
        "payload{a:[payload.a{o:payload.a.o{p:int32?}?}]?}?",
    );
}

#[test]
fn a_member_that_was_null_only_yields_to_one_with_a_type() {
    let text = r#"{"d":[{"c":"1","t":null},{"c":"2","t":"x"},{"c":"3"}]}"#;
    let json = r#"{"d":[{"c":"1","t":null},{"c":"2","t":"x"},{"c":"3","t":null}]}"#;
    check(text, json, "payload{d:[payload.d{c:string?,t:string?}]?}?");
    check_kept(text, json, "payload{d:[payload.d{c:string?,t:string?}]?}?");
    check_kept(
        r#"{"d":[{"t":"x"},{"t":null}]}"#,
        r#"{"d":[{"t":"x"},{"t":null}]}"#,
        "payload{d:[payload.d{t:string?}]?}?",
    );
}

#[test]
fn an_empty_array_in_one_object_is_kept_when_another_has_elements() {
    check(
        r#"{"p":[{"t":"dog","c":[]},{"t":"cat","c":[{"n":"w"}]}]}"#,
        r#"{"p":[{"t":"dog","c":[]},{"t":"cat","c":[{"n":"w"}]}]}"#,
        "payload{p:[payload.p{t:string?,c:[payload.p.c{n:string?}?]?}]?}?",
    );
    check(r#"{"p":[{"t":"dog","c":[]}]}"#, r#"{"p":[{"t":"dog"}]}"#, "payload{p:[payload.p{t:string?}?]?}?");
}

#[test]
fn arrays_of_arrays_have_the_type_of_the_first() {
    check(r#"{"a":[[1,2],[3]]}"#, r#"{"a":[[1,2],[3]]}"#, "payload{a:[[int32?]?]?}?");
    check(r#"{"a":[[1],[]]}"#, r#"{"a":[[1],[]]}"#, "payload{a:[[int32?]?]?}?");
    check(r#"{"a":[[],[1]]}"#, "text", "");
    check(r#"{"a":[[1],["x"]]}"#, "unfit", "");
    check(r#"{"a":[[1],[2.5]]}"#, "unfit", "");
    check(r#"{"a":[[{"x":1}]]}"#, r#"{"a":[[{"x":1}]]}"#, "payload{a:[[{x:int32?}?]?]?}?");
    check(
        r#"{"a":[[{"x":{"y":1}}],[{"z":2}]]}"#,
        r#"{"a":[[{"x":{"y":1}}],[{"x":null}]]}"#,
        "payload{a:[[{x:x{y:int32?}?}?]?]?}?",
    );
}

#[test]
fn an_array_at_the_root_is_no_struct() {
    check("[1,2]", "unfit", "");
    check(r#"[{"a":1}]"#, "unfit", "");
    check(r#"[1,"x"]"#, "text", "");
    check("[]", "empty", "");
    check("[[]]", "text", "");
    check("[null]", "text", "");
}

#[test]
fn what_does_not_begin_like_json_or_is_none_stays_a_text() {
    for text in
        ["", " {}", "\u{feff}{}", "null", "1", "\"x\"", "{", "[1,", "{'a':1}", "{\"a\":NaN}", "{\"a\":1,}"]
    {
        check(text, "text", "");
    }
    check("{\"a\":1} xyz", r#"{"a":1}"#, "payload{a:int32?}?");
}

#[test]
fn names_and_texts_are_escaped_as_jackson_does() {
    check(
        r#"{"n\"":"z\u00fc \u0001 / \" \\ \ud83d\ude00"}"#,
        "{\"n\\\"\":\"zü \\u0001 / \\\" \\\\ \\uD83D\\uDE00\"}",
        "payload{n\":string?}?",
    );
    let (json, _) = expanded(r#"{"half":"\ud83d!"}"#, Nulls::Ignore);
    assert_eq!(json, r#"{"half":"\uD83D!"}"#);
}

fn java(text: &str) -> String {
    let mut expander = Expander::new(Nulls::OptionalBytes.into());
    let Reading::Struct(root) = expander.read(text) else { panic!("not a struct: {text}") };
    let mut out = Vec::new();
    expander.java(text, root, usize::MAX, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn structs_print_as_java_prints_them() {
    assert_eq!(
        java(r#"{"z":1,"a":2.5,"m":{"y":null,"b":[1,null]}}"#),
        "Struct{z=1,a=2.5,m=Struct{b=[1, null]}}"
    );
    assert_eq!(java(r#"{"a":[{"x":true},{"y":"q\""}]}"#), "Struct{a=[Struct{x=true}, Struct{y=q\"}]}");
    assert_eq!(java(r#"{"a":"\ud83d\ude00 \ud83d!"}"#), "Struct{a=😀 ?!}");
    assert_eq!(java("{}"), "Struct{}");
}

#[test]
fn renamed_members_keep_their_schema_and_lose_their_value() {
    let renaming = |renaming| Expand { nulls: Nulls::Ignore, renaming };
    let text = r#"{"a-b":1,"c":2,"a b":"x","d":[{"e$":1}]}"#;
    let (json, schema) = expanded(text, renaming(Renaming::Underscore));
    assert_eq!(json, r#"{"a_b":null,"c":2,"d":[{"e_":null}]}"#);
    assert_eq!(schema, "payload{a_b:int32?,c:int32?,d:[payload.d{e_:int32?}?]?}?");
    // The name belongs to another, whose value does not fit.
    assert_eq!(expanded(r#"{"a-b":1,"a_b":"x"}"#, renaming(Renaming::Underscore)).0, "unfit");
    assert_eq!(expanded(r#"{"a-b":1,"a_b":2}"#, renaming(Renaming::Underscore)).0, r#"{"a_b":2}"#);
    let (json, _) = expanded(r#"{"a-b":1,"a-b":2}"#, renaming(Renaming::Unicode));
    assert_eq!(json, r#"{"a_u002db":null}"#);
    assert_eq!(expanded(r#"{"":1,"a b":1}"#, renaming(Renaming::Unicode)).0, "text");
}

#[test]
fn many_members_are_found_however_many_there_are() {
    let members =
        |from: usize, to: usize| (from..to).map(|n| format!(r#""m{n}":{n}"#)).collect::<Vec<_>>().join(",");
    let text = format!(r#"{{"a":[{{{}}},{{{}}}]}}"#, members(0, 30), members(20, 60));
    let (json, schema) = expanded(&text, Nulls::Ignore);
    assert_eq!(schema.matches("int32?").count(), 60);
    assert_eq!((json.matches("\"m25\":25").count(), json.matches("\"m5\":null").count()), (2, 1));
}

#[test]
fn writing_ends_when_the_record_is_too_large_anyway() {
    let objects: Vec<String> = (0..2000).map(|n| format!(r#"{{"m{n}":1}}"#)).collect();
    let text = format!(r#"{{"a":[{}]}}"#, objects.join(","));
    let mut expander = Expander::new(Nulls::Ignore.into());
    let Reading::Struct(root) = expander.read(&text) else { panic!("not a struct") };
    let mut out = Vec::new();
    assert_eq!(expander.json(&text, root, 100_000, &mut out), Err(TooMuch));
    assert!(out.len() < 200_000);
    out.clear();
    assert_eq!(expander.java(&text, root, 1000, &mut out), Err(TooMuch));
}

/// JSON of a few members and types, so that arrays are often of one type and often not.
fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "[a-zü\"\\\\😀]{0,4}".prop_map(Value::from),
    ];
    scalar.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[abc]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_taken_apart_is_json_with_a_schema(value in json(), kept in any::<bool>()) {
        let nulls = if kept { Nulls::OptionalBytes } else { Nulls::Ignore };
        let text = serde_json::json!({ "v": value }).to_string();
        let (json, schema) = expanded(&text, nulls);
        if !schema.is_empty() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
        }
    }

    #[test]
    fn no_text_is_a_reason_to_panic(text in r#"[\[{]([\[\]{}:,"\\ a-c0-9e.-]|null|"a":|\{"a":1\}){0,40}"#) {
        expanded(&text, Nulls::Ignore);
        expanded(&text, Nulls::OptionalBytes);
    }
}
