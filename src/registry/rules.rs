//! Which rule of compatibility a schema of Avro breaks, and of which version (Avro specification, *Schema Resolution*).
//! Registries tell whether a schema fits; not all of them tell why it does not.

use super::{Registered, SchemaType};
use apache_avro::Schema;
use apache_avro::error::CompatibilityError;
use apache_avro::schema_compatibility::SchemaCompatibility;

/// A subject's schema, by the number of its version.
pub(super) type Version = (i64, Registered);

/// What a new schema breaks at a level (`BACKWARD`, `FORWARD_TRANSITIVE`, …): a line for each version and direction, none
/// where a schema is not Avro's or cannot be parsed. `versions` from the oldest to the newest; the level says which of them count.
pub(super) fn broken(level: &str, new: &Registered, versions: &[Version]) -> Vec<String> {
    let (Some(schema), direction) = (parse(new), level.trim_end_matches("_TRANSITIVE")) else {
        return Vec::new();
    };
    let newest_alone = !level.ends_with("_TRANSITIVE");
    let counting = versions.iter().rev().take(if newest_alone { 1 } else { usize::MAX });
    let mut lines = Vec::new();
    for (version, registered) in counting {
        let Some(old) = parse(registered) else { continue };
        if matches!(direction, "BACKWARD" | "FULL")
            && let Err(error) = SchemaCompatibility::can_read(&old, &schema)
        {
            let why = words(&error, "the schema", &format!("version {version}"));
            lines.push(format!("what version {version} wrote could not be read by the schema: {why}"));
        }
        if matches!(direction, "FORWARD" | "FULL")
            && let Err(error) = SchemaCompatibility::can_read(&schema, &old)
        {
            let why = words(&error, &format!("version {version}"), "the schema");
            lines.push(format!("what the schema writes could not be read by version {version}: {why}"));
        }
    }
    lines
}

fn parse(registered: &Registered) -> Option<Schema> {
    if registered.schema_type != SchemaType::Avro {
        return None;
    }
    let references = registered.references.iter().map(|reference| &reference.schema);
    let texts = references.chain([&registered.schema]);
    Schema::parse_list(texts).ok()?.pop()
}

/// The rule that is broken, after the path of the field it is broken at.
fn words(error: &CompatibilityError, reader: &str, writer: &str) -> String {
    let (mut path, mut error) = ("$".to_owned(), error);
    while let CompatibilityError::FieldTypeMismatch(field, inner) = error {
        path.push('.');
        path.push_str(field);
        error = inner;
    }
    let rule = match error {
        CompatibilityError::MissingDefaultValue(field) => {
            return format!("{path}.{field} is not in {writer}, and has no default in {reader}");
        }
        CompatibilityError::WrongType { writer_schema_type, reader_schema_type } => {
            format!("is {writer_schema_type} in {writer}, and {reader_schema_type} in {reader}")
        }
        CompatibilityError::TypeExpected { schema_type, expected_type } => {
            format!("is {schema_type}, where one of {expected_type:?} is needed")
        }
        CompatibilityError::MissingSymbols => format!("has symbols in {writer} that {reader} does not have"),
        CompatibilityError::MissingUnionElements => {
            format!("may be of a type in {writer} that its union in {reader} does not have")
        }
        CompatibilityError::SchemaMismatchAllUnionElements => {
            format!("is of a type in {writer} that no branch of its union in {reader} takes")
        }
        CompatibilityError::FixedMismatch => {
            format!("is a fixed of another size in {writer} than in {reader}")
        }
        CompatibilityError::DecimalMismatch { r_precision, r_scale, w_precision, w_scale } => {
            format!(
                "is decimal({w_precision},{w_scale}) in {writer}, and decimal({r_precision},{r_scale}) in {reader}"
            )
        }
        CompatibilityError::NameMismatch { writer_name, reader_name } => {
            format!("is named {writer_name} in {writer}, and {reader_name} in {reader}")
        }
        other => return format!("{path}: {other}"),
    };
    format!("{path} {rule}")
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(line.contains("$.a.b is") && line.contains("Int") && line.contains("String"), "{line}");
        assert!(broken("BACKWARD", &within("long"), &[(1, within("int"))]).is_empty(), "int is read as long");
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
}
