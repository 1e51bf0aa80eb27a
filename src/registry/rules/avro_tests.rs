//! Avro's rules, and which versions a level looks at.

use crate::registry::rules::{self, Version};
use crate::registry::{Registered, SchemaType};

fn broken(level: &str, new: &Registered, versions: &[Version]) -> Vec<String> {
    rules::broken(level, new, versions).lines
}

fn order(fields: &str) -> Registered {
    let schema = format!(r#"{{"type":"record","name":"Order","fields":[{fields}]}}"#);
    Registered { id: 0, guid: None, schema_type: SchemaType::Avro, schema, references: Vec::new() }
}

const N: &str = r#"{"name":"n","type":"int"}"#;
const M: &str = r#"{"name":"m","type":"int"}"#;

#[test]
fn a_new_field_without_a_default_breaks_reading_what_is_there() {
    let (old, new) = (order(N), order(&format!("{N},{M}")));
    assert_eq!(
        broken("BACKWARD", &new, &[(2, old.clone())]),
        [
            "what version 2 wrote could not be read by the schema: $.m is not in version 2, and has no default in the schema"
        ]
    );
    assert!(broken("FORWARD", &new, &[(2, old.clone())]).is_empty());
    assert_eq!(
        broken("FULL", &old, &[(1, new)]),
        [
            "what the schema writes could not be read by version 1: $.m is not in the schema, and has no default in version 1"
        ]
    );
    assert!(broken("NONE", &order(M), &[(1, old)]).is_empty());
}

#[test]
fn a_type_that_changes_is_named_with_the_path_of_its_field() {
    let within = |ty: &str| {
        order(&format!(
            r#"{{"name":"a","type":{{"type":"record","name":"A","fields":[{{"name":"b","type":"{ty}"}}]}}}}"#
        ))
    };
    let lines = broken("BACKWARD", &within("string"), &[(1, within("int"))]);
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(line.ends_with("$.a.b is Int in version 1, and String in the schema"), "{line}");
    let lines = broken("BACKWARD", &within("int"), &[(1, order(r#"{"name":"a","type":"int"}"#))]);
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(line.ends_with("$.a is Int in version 1, and Record in the schema"), "{line}");
    assert!(broken("BACKWARD", &within("long"), &[(1, within("int"))]).is_empty(), "int is read as long");
}

/// Where members may be absent, as in schemas that are inferred, all is in unions, of which a part can be read.
#[test]
fn a_rule_is_found_within_unions_arrays_and_maps() {
    let optional = |schema: &str| {
        let record = format!(r#"["null",{{"type":"record","name":"Order","fields":[{schema}]}}]"#);
        Registered { schema: record, ..order(N) }
    };
    let field = |schema: &str| optional(&format!(r#"{{"name":"n","type":{schema},"default":null}}"#));
    let array = |items: &str| field(&format!(r#"["null",{{"type":"array","items":["null","{items}"]}}]"#));
    let map = |values: &str| field(&format!(r#"["null",{{"type":"map","values":["null","{values}"]}}]"#));
    let symbols =
        |names: &str| field(&format!(r#"["null",{{"type":"enum","name":"E","symbols":[{names}]}}]"#));
    for (old, new, expected) in [
        (
            field(r#"["null","int"]"#),
            field(r#"["null","string"]"#),
            "$.n may be Int in version 1, and nothing that reads it in the schema",
        ),
        (
            array("int"),
            array("string"),
            "$.n[] may be Int in version 1, and nothing that reads it in the schema",
        ),
        (map("int"), map("string"), "$.n{} may be Int in version 1, and nothing that reads it in the schema"),
        (
            optional(N),
            optional(&format!("{N},{M}")),
            "$.m is not in version 1, and has no default in the schema",
        ),
        (
            symbols(r#""a","b""#),
            symbols(r#""a""#),
            "$.n has symbols in version 1 that the schema does not have",
        ),
    ] {
        let lines = broken("BACKWARD", &new, &[(1, old.clone())]);
        assert_eq!(lines, [format!("what version 1 wrote could not be read by the schema: {expected}")]);
        assert!(broken("BACKWARD", &old, &[(1, old.clone())]).is_empty());
    }
    let wider = field(r#"["null","long","string"]"#);
    assert!(broken("BACKWARD", &wider, &[(1, field(r#"["null","int"]"#))]).is_empty(), "int is read as long");
}

#[test]
fn only_transitive_levels_look_at_more_than_the_newest_version() {
    let versions = [(1, order(M)), (2, order(N)), (3, order(N))];
    assert!(broken("BACKWARD", &order(N), &versions).is_empty());
    let lines = broken("BACKWARD_TRANSITIVE", &order(N), &versions);
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(line.starts_with("what version 1 wrote"), "{line}");
}

#[test]
fn a_text_that_is_no_schema_of_avro_breaks_nothing_that_could_be_named() {
    let mut proto = order(N);
    proto.schema = "message Order {}".to_owned();
    assert!(broken("FULL", &proto, &[(1, order(M))]).is_empty());
    assert!(broken("FULL", &order(N), &[(1, proto)]).is_empty());
}
