//! Unions, parts and references, what is in doubt, and what may be changed.

use super::tests::{WROTE, broken, narrower, of_a, schema};
use crate::registry::{Referenced, Registered};

const STRICT: &str = "not every registry lets the schema read what version 1 wrote: ";

#[test]
fn a_union_is_read_by_a_branch_for_each_of_its_own() {
    for union in ["anyOf", "oneOf"] {
        let of = |branches: &str| of_a(&format!(r#"{{"{union}":[{branches}]}}"#));
        let (null, text, whole) = (r#"{"type":"null"}"#, r#"{"type":"string"}"#, r#"{"type":"integer"}"#);
        let two = of(&format!("{null},{text}"));
        narrower(
            &of(&format!("{null},{text},{whole}")),
            &two,
            &["$.a may be integer in OLD, and no branch that takes all of it in NEW"],
        );
        narrower(&two, &of_a(text), &["$.a is null in OLD, and string in NEW"]);
        narrower(
            &two,
            &of(&format!(r#"{{"type":"string","maxLength":3}},{null}"#)),
            &["$.a has no maxLength in OLD, and maxLength 3 in NEW"],
        );
        // One of several branches of its type is enough.
        let several = of(&format!(r#"{null},{{"type":"string","maxLength":3}},{text}"#));
        assert!(broken("BACKWARD", &of_a(r#"{"type":["string","null"]}"#), &several).lines.is_empty());
        // The same in other words.
        assert!(broken("FULL", &two, &of_a(r#"{"type":["string","null"]}"#)).lines.is_empty());
        let constants = of(r#"{"const":"x"},{"const":"y"}"#);
        assert!(broken("FULL", &constants, &of_a(r#"{"enum":["y","x"]}"#)).lines.is_empty());
    }
}

#[test]
fn a_schema_is_all_of_its_parts() {
    let whole = of_a(r#"{"type":"integer","minimum":3}"#);
    let parts = of_a(r#"{"allOf":[{"type":"integer"},{"minimum":3}]}"#);
    assert!(broken("FULL", &whole, &parts).lines.is_empty());
    narrower(
        &of_a(r#"{"allOf":[{"type":"integer"}]}"#),
        &parts,
        &["$.a has no minimum in OLD, and minimum 3 in NEW"],
    );
}

#[test]
fn references_are_followed_and_recursion_ends() {
    let tree = |keyword: &str, value: &str| {
        schema(&format!(
            r##"{{"$ref":"#/{keyword}/tree","{keyword}":{{"tree":{{"type":"object","additionalProperties":false,
                "properties":{{"left":{{"$ref":"#/{keyword}/tree"}},"value":{value}}}}}}}}}"##
        ))
    };
    let (number, integer) = (r#"{"type":"number"}"#, r#"{"type":"integer"}"#);
    narrower(
        &tree("$defs", number),
        &tree("definitions", integer),
        &["$.value is number in OLD, and integer in NEW"],
    );
    let with = |text: &str| {
        let references = vec![Referenced { name: "money.json".to_owned(), schema: text.to_owned() }];
        Registered { references, ..of_a(r##"{"$ref":"money.json#/definitions/cents"}"##) }
    };
    let money = |ty: &str| with(&format!(r#"{{"definitions":{{"cents":{ty}}}}}"#));
    narrower(&money(number), &money(integer), &["$.a is number in OLD, and integer in NEW"]);
    let unknown = of_a(r##"{"$ref":"https://elsewhere/x.json"}"##);
    for known in [money(number), of_a("{}")] {
        let told = broken("FULL", &unknown, &known);
        assert!(told.lines.is_empty(), "{told:?}");
    }
    // In draft 7 what stands beside a `$ref` says nothing.
    let beside = |draft: &str| {
        let text = r##"{"$schema":"DRAFT","$ref":"#/$defs/x","type":"string","$defs":{"x":{}}}"##;
        schema(&text.replace("DRAFT", draft))
    };
    let lines = |draft| broken("BACKWARD", &schema("{}"), &beside(draft)).lines;
    assert!(lines("http://json-schema.org/draft-07/schema#").is_empty());
    assert_eq!(lines("https://json-schema.org/draft/2020-12/schema").len(), 1);
}

#[test]
fn a_difference_is_told_once_and_wherever_it_is() {
    let of = |x: &str, n: &str| {
        schema(&format!(
            r##"{{"properties":{{"x":{x},"y":{{"$ref":"#/$defs/o"}}}},"additionalProperties":false,"type":"object",
                "anyOf":[{{"required":["x"]}},{{"required":["y"]}}],
                "$defs":{{"o":{{"type":"object","properties":{{"n":{{"$ref":"#/$defs/n"}}}}}},"n":{n}}}}}"##
        ))
    };
    let (number, integer) = (r#"{"type":"number"}"#, r#"{"type":"integer"}"#);
    let (o, any) = (r##"{"$ref":"#/$defs/o"}"##, r##"{"anyOf":[{"$ref":"#/$defs/o"},{}]}"##);
    // It was looked at for x as well, where another branch reads it.
    let lines = broken("BACKWARD", &of(o, number), &of(any, integer)).lines;
    assert_eq!(lines, [format!("{WROTE}$.y.n is number in version 1, and integer in the schema")]);
}

#[test]
fn definitions_that_refer_to_each_other_come_to_an_end() {
    let names: Vec<String> = (0..40).map(|number| format!("d{number}")).collect();
    let branches: Vec<String> =
        names.iter().map(|name| format!(r##"{{"$ref":"#/$defs/{name}"}}"##)).collect();
    let web = |ty: &str| {
        let of = |name: &String| {
            let members = r#""type":"object","additionalProperties":false"#;
            let next = format!(r#"{{"anyOf":[{}]}}"#, branches.join(","));
            format!(r#""{name}":{{{members},"properties":{{"{name}":{{"type":"{ty}"}},"next":{next}}}}}"#)
        };
        let definitions: Vec<String> = names.iter().map(of).collect();
        schema(&format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{}}}}}"##, definitions.join(",")))
    };
    let lines = broken("BACKWARD", &web("number"), &web("integer")).lines;
    assert_eq!(lines[0], format!("{WROTE}$.d0 is number in version 1, and integer in the schema"));
    assert!(broken("BACKWARD", &web("integer"), &web("number")).lines.is_empty());
}

#[test]
fn what_only_strict_registries_refuse_is_told_apart() {
    for (old, new, expected) in [
        (
            r#"{"type":"string"}"#,
            r#"{"type":"string","format":"date"}"#,
            "$.a has no format in version 1, and format date in the schema",
        ),
        (
            r#"{"type":"string"}"#,
            r#"{"type":["string","null"]}"#,
            "$.a is string in version 1, and null or string in the schema",
        ),
    ] {
        let told = broken("BACKWARD", &of_a(old), &of_a(new));
        assert!(told.lines.is_empty(), "{told:?}");
        assert_eq!(told.stricter, [format!("{STRICT}{expected}")]);
    }
    let new = r#"{"type":"object","required":["a"],"properties":{"a":{"type":"string","default":"x"}}}"#;
    let old = r#"{"type":"object","properties":{"a":{"type":"string"}}}"#;
    let told = broken("BACKWARD", &schema(old), &schema(new));
    assert!(told.lines.is_empty(), "{told:?}");
    assert_eq!(
        told.stricter,
        [format!("{STRICT}$.a is not required in version 1, and is in the schema, where it has a default")]
    );
}

/// Of these some registries say that they are incompatible, by the keywords; there may be no value that is refused.
#[test]
fn what_is_in_doubt_is_not_said_to_be_unreadable() {
    let object =
        r#""type":"object","required":["x"],"additionalProperties":false,"properties":{"x":{},"y":{}}"#;
    let tuple = r#""type":"array","items":[{}],"additionalItems":false"#;
    for (old, new) in [
        (r#""type":"string","pattern":"^.{3}$""#, r#""type":"string","pattern":"^.{3}$","maxLength":3"#),
        (r#""type":"string","pattern":"^[a-c]$""#, r#""type":"string","pattern":"^[a-d]$""#),
        (r#""type":"string""#, r#""type":"string","pattern":".*""#),
        (r#""type":"string","pattern":"^x$""#, r#""const":"x""#),
        (r#""not":{"type":"null"}"#, r#""type":["boolean","string","number","array","object"]"#),
        (r#""type":"integer","if":{"minimum":5},"then":false"#, r#""type":"integer","maximum":4"#),
        (object, &format!(r#"{object},"minProperties":1,"maxProperties":2"#)),
        (tuple, &format!(r#"{tuple},"maxItems":1,"uniqueItems":true"#)),
        (
            r#""type":"integer","allOf":[{"multipleOf":2},{"multipleOf":5}]"#,
            r#""type":"integer","multipleOf":10"#,
        ),
    ] {
        let told = broken("BACKWARD", &of_a(&format!("{{{old}}}")), &of_a(&format!("{{{new}}}")));
        assert!(told.lines.is_empty(), "{old} → {new}: {told:?}");
    }
    let told = broken(
        "BACKWARD",
        &schema(&format!("{{{object}}}")),
        &schema(&format!(r#"{{{object},"maxProperties":1}}"#)),
    );
    assert_eq!(told.lines.len(), 1, "{told:?}");
}

#[test]
fn what_may_be_changed_is_not_mentioned() {
    for (old, new) in [
        (r#"{"type":"integer"}"#, r#"{"type":"number"}"#),
        (r#"{"type":"integer"}"#, r#"{"type":"integer","multipleOf":1,"title":"x"}"#),
        (r#"{"type":"integer","exclusiveMinimum":0}"#, r#"{"type":"integer","minimum":1}"#),
        (r#"{"type":"integer","minimum":1}"#, r#"{"type":"number","exclusiveMinimum":0}"#),
        (r#"{"type":"string","enum":["x"]}"#, r#"{"type":"string","maxLength":3}"#),
        (r#"{"type":"string"}"#, r#"{"type":"string","minLength":0,"description":"x"}"#),
        (r#"false"#, r#"{"type":"string"}"#),
        (r#"{"if":{"const":1},"then":{"minimum":2}}"#, r#"{"if":{"const":2},"then":false}"#),
    ] {
        let told = broken("BACKWARD", &of_a(old), &of_a(new));
        assert!(told.lines.is_empty() && told.stricter.is_empty(), "{old} → {new}: {told:?}");
    }
    let told = broken("FULL", &schema("not JSON"), &of_a("{}"));
    assert!(told.lines.is_empty() && told.stricter.is_empty());
}
