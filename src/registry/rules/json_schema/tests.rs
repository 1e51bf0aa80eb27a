//! Each rule for values of one kind, both ways.

use crate::registry::rules::{self, Broken};
use crate::registry::{Registered, SchemaType};

pub(super) fn schema(text: &str) -> Registered {
    let (schema, schema_type) = (text.to_owned(), SchemaType::Json);
    Registered { id: 0, guid: None, schema_type, schema, references: Vec::new() }
}

/// A schema with a member `a`, in an object that is closed.
pub(super) fn of_a(a: &str) -> Registered {
    schema(&format!(r#"{{"type":"object","additionalProperties":false,"properties":{{"a":{a}}}}}"#))
}

pub(super) fn broken(level: &str, old: &Registered, new: &Registered) -> Broken {
    rules::broken(level, new, &[(1, old.clone())])
}

pub(super) const WROTE: &str = "what version 1 wrote could not be read by the schema: ";
const WRITES: &str = "what the schema writes could not be read by version 1: ";

/// What the narrower schema could not read of the wider one; and nothing the other way round.
pub(super) fn narrower(wide: &Registered, narrow: &Registered, expected: &[&str]) {
    let lines = |start: &str, old: &str, new: &str| -> Vec<String> {
        let line = |line: &&str| format!("{start}{}", line.replace("OLD", old).replace("NEW", new));
        expected.iter().map(line).collect()
    };
    let (wide_text, narrow_text) = (&wide.schema, &narrow.schema);
    let told = broken("BACKWARD", wide, narrow).lines;
    assert_eq!(told, lines(WROTE, "version 1", "the schema"), "{wide_text} → {narrow_text}");
    let told = broken("FORWARD", narrow, wide).lines;
    assert_eq!(told, lines(WRITES, "the schema", "version 1"), "{narrow_text} → {wide_text}, forward");
    let told = broken("BACKWARD", narrow, wide).lines;
    assert!(told.is_empty(), "{narrow_text} → {wide_text}: {told:?}");
    for same in [wide, narrow] {
        let told = broken("FULL_TRANSITIVE", same, same);
        assert!(told.lines.is_empty() && told.stricter.is_empty(), "{}: {told:?}", same.schema);
    }
}

#[test]
fn a_member_takes_less_than_it_did() {
    for (wide, narrow, expected) in [
        (r#"{"type":"number"}"#, r#"{"type":"integer"}"#, "$.a is number in OLD, and integer in NEW"),
        (
            r#"{"type":["string","null"]}"#,
            r#"{"type":"string"}"#,
            "$.a is null or string in OLD, and string in NEW",
        ),
        ("{}", r#"{"type":"string"}"#, "$.a is anything in OLD, and string in NEW"),
        ("true", r#"{"type":"string"}"#, "$.a is anything in OLD, and string in NEW"),
        (r#"{"enum":["x","y","z"]}"#, r#"{"enum":["z","x"]}"#, r#"$.a may be "y" in OLD, and not in NEW"#),
        (r#"{"enum":["x",1]}"#, r#"{"const":1.0}"#, r#"$.a may be "x" in OLD, and not in NEW"#),
        (
            r#"{"type":"string"}"#,
            r#"{"type":"string","enum":["x"]}"#,
            r#"$.a may be any string in OLD, and only "x" in NEW"#,
        ),
        (r#"{"type":"boolean"}"#, r#"{"const":true}"#, "$.a may be any boolean in OLD, and only true in NEW"),
        (
            r#"{"type":"integer"}"#,
            r#"{"type":"integer","minimum":3}"#,
            "$.a has no minimum in OLD, and minimum 3 in NEW",
        ),
        (
            r#"{"type":"number","minimum":3}"#,
            r#"{"type":"number","exclusiveMinimum":3}"#,
            "$.a has minimum 3 in OLD, and exclusiveMinimum 3 in NEW",
        ),
        (
            r#"{"type":"number","minimum":3}"#,
            r#"{"type":"number","minimum":3,"exclusiveMinimum":true}"#,
            "$.a has minimum 3 in OLD, and minimum 3 in NEW",
        ),
        (
            r#"{"type":"integer","maximum":9223372036854775807}"#,
            r#"{"type":"integer","maximum":5}"#,
            "$.a has maximum 9223372036854775807 in OLD, and maximum 5 in NEW",
        ),
        (
            r#"{"type":"integer","multipleOf":5}"#,
            r#"{"type":"integer","multipleOf":10}"#,
            "$.a has multipleOf 5 in OLD, and multipleOf 10 in NEW",
        ),
        (
            r#"{"type":"number"}"#,
            r#"{"type":"number","multipleOf":0.01}"#,
            "$.a has no multipleOf in OLD, and multipleOf 0.01 in NEW",
        ),
        (
            r#"{"type":"string"}"#,
            r#"{"type":"string","maxLength":3}"#,
            "$.a has no maxLength in OLD, and maxLength 3 in NEW",
        ),
        (
            r#"{"type":"string","minLength":1}"#,
            r#"{"type":"string","minLength":2}"#,
            "$.a has minLength 1 in OLD, and minLength 2 in NEW",
        ),
        (
            r#"{"type":"string"}"#,
            r#"{"type":"string","pattern":"^x"}"#,
            "$.a has no pattern in OLD, and pattern ^x in NEW",
        ),
        (
            r#"{"type":"integer"}"#,
            r#"{"type":"integer","not":{"type":"integer","minimum":3}}"#,
            r#"$.a may be of a schema in OLD that "not" refuses in NEW"#,
        ),
        (
            r#"{"not":{"type":"integer","minimum":3}}"#,
            r#"{"not":{"type":"integer"}}"#,
            r#"$.a may be of a schema in OLD that "not" refuses in NEW"#,
        ),
    ] {
        narrower(&of_a(wide), &of_a(narrow), &[expected]);
    }
}

#[test]
fn a_pattern_or_a_constant_that_changes_is_broken_both_ways() {
    let a = of_a(r#"{"type":"string","pattern":"^a"}"#);
    let b = of_a(r#"{"type":"string","pattern":"^b"}"#);
    assert_eq!(
        broken("FULL", &a, &b).lines,
        [
            format!("{WROTE}$.a has pattern ^a in version 1, and pattern ^b in the schema"),
            format!("{WRITES}$.a has pattern ^b in the schema, and pattern ^a in version 1"),
        ]
    );
    let lines = broken("FULL", &of_a(r#"{"const":1}"#), &of_a(r#"{"const":2}"#)).lines;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(broken("NONE", &a, &b).lines.is_empty());
}

#[test]
fn objects_say_which_members_there_are() {
    let of = |keywords: &str| schema(&format!(r#"{{"type":"object",{keywords}}}"#));
    const A: &str = r#""a":{"type":"string"}"#;
    let closed = |members: &str| of(&format!(r#""additionalProperties":false,"properties":{{{members}}}"#));
    let open = |members: &str| of(&format!(r#""properties":{{{members}}}"#));
    let both = format!(r#"{A},"b":{{"type":"integer"}}"#);
    narrower(
        &open(A),
        &of(&format!(r#""required":["a"],"properties":{{{A}}}"#)),
        &["$.a is not required in OLD, and is in NEW"],
    );
    narrower(&closed(&both), &closed(A), &["$.b is in OLD, and not in NEW, whose object is closed"]);
    narrower(&open(A), &open(&both), &["$.b may be anything in OLD, whose object is open, and not in NEW"]);
    narrower(
        &open(A),
        &closed(A),
        &["$ may have more members in OLD than NEW names, whose object is closed"],
    );
    let strings = r#""additionalProperties":{"type":"string"}"#;
    narrower(&of(r#""properties":{}"#), &of(strings), &["${} is anything in OLD, and string in NEW"]);
    narrower(
        &of(r#""additionalProperties":{"type":["string","null"]}"#),
        &of(strings),
        &["${} is null or string in OLD, and string in NEW"],
    );
    // A member that has no name any more is like the others; and one that gets a name was.
    assert!(
        broken("FULL", &of(strings), &of(&format!(r#"{strings},"properties":{{{A}}}"#))).lines.is_empty()
    );
    narrower(
        &of(&format!(r#"{strings},"properties":{{{both}}}"#)),
        &of(&format!(r#"{strings},"properties":{{{A},"b":false}}"#)),
        &["$.b may be there in OLD, and not in NEW"],
    );
    let lines = broken("BACKWARD", &of(&format!(r#"{strings},"properties":{{{both}}}"#)), &of(strings)).lines;
    assert_eq!(lines, [format!("{WROTE}$.b is integer in version 1, and string in the schema")]);
    let pattern = r#""patternProperties":{"^x":{"type":"integer"}},"additionalProperties":false"#;
    narrower(
        &of(&pattern.replace("integer", "number")),
        &of(pattern),
        &["${^x} is number in OLD, and integer in NEW"],
    );
    // Of a pattern there may be no more members than have names.
    let told = broken("BACKWARD", &of(pattern), &closed(""));
    assert!(told.lines.is_empty() && told.stricter.len() == 1, "{told:?}");
    narrower(
        &of(r#""minProperties":1"#),
        &of(r#""minProperties":2"#),
        &["$ has minProperties 1 in OLD, and minProperties 2 in NEW"],
    );
    narrower(
        &of(r#""properties":{}"#),
        &of(r#""maxProperties":2"#),
        &["$ has no maxProperties in OLD, and maxProperties 2 in NEW"],
    );
}

#[test]
fn what_must_be_there_beside_a_member() {
    let of = |keywords: &str| schema(&format!(r#"{{"type":"object"{keywords}}}"#));
    for keyword in ["dependencies", "dependentRequired"] {
        narrower(
            &of(&format!(r#","{keyword}":{{"a":["b"]}}"#)),
            &of(&format!(r#","{keyword}":{{"a":["b","c"]}}"#)),
            &["$.c is required beside .a in NEW, and not in OLD"],
        );
    }
    narrower(
        &of(""),
        &of(r#","dependencies":{"a":{"required":["b"]}}"#),
        &["$.b is not required in OLD, and is in NEW (where .a is present)"],
    );
    let closed = of(r#","additionalProperties":false"#);
    let told = broken("BACKWARD", &closed, &of(r#","dependencies":{"a":["b"]}"#)).lines;
    assert!(told.is_empty(), "there never was an a: {told:?}");
}

#[test]
fn items_are_compared_one_by_one_or_all() {
    let of = |keywords: &str| schema(&format!(r#"{{"type":"array",{keywords}}}"#));
    let lines = |count: &str| {
        of_a(&format!(r#"{{"type":"array","items":{{"type":"object","properties":{{"count":{count}}}}}}}"#))
    };
    narrower(
        &lines(r#"{"type":"number"}"#),
        &lines(r#"{"type":"integer"}"#),
        &["$.a[].count is number in OLD, and integer in NEW"],
    );
    for (wide, narrow, expected) in [
        (r#""minItems":0"#, r#""minItems":1"#, "$ has minItems 0 in OLD, and minItems 1 in NEW"),
        (r#""maxItems":9"#, r#""maxItems":8"#, "$ has maxItems 9 in OLD, and maxItems 8 in NEW"),
        (r#""uniqueItems":false"#, r#""uniqueItems":true"#, "$ has uniqueItems in NEW, and not in OLD"),
        (r#""items":true"#, r#""items":{"type":"null"}"#, "$[] is anything in OLD, and null in NEW"),
        (
            r#""items":[{"type":"number"},{}]"#,
            r#""items":[{"type":"integer"},{}]"#,
            "$[0] is number in OLD, and integer in NEW",
        ),
        (
            r#""prefixItems":[{"type":"number"}],"items":false"#,
            r#""prefixItems":[{"type":"integer"}],"items":false"#,
            "$[0] is number in OLD, and integer in NEW",
        ),
        (
            r#""items":[{}],"additionalItems":true"#,
            r#""items":[{}],"additionalItems":false"#,
            "$[] may be there in OLD, and not in NEW",
        ),
        (
            r#""items":[{},{}],"additionalItems":false"#,
            r#""items":[{}],"additionalItems":false"#,
            "$[1] may be there in OLD, and not in NEW",
        ),
        (
            r#""items":{}"#,
            r#""contains":{"const":1}"#,
            "$ may be empty in OLD, and contains an item of a schema in NEW",
        ),
        (
            r#""contains":{"type":"number"}"#,
            r#""contains":{"type":"integer"}"#,
            "$ contains an item of another schema in OLD than in NEW",
        ),
    ] {
        narrower(&of(wide), &of(narrow), &[expected]);
    }
}
