//! Which rule of compatibility a schema of Avro breaks, and of which version (Avro specification, *Schema Resolution*).
//! Registries tell whether a schema fits; not all of them tell why it does not.

use super::{Registered, SchemaType};
use apache_avro::Schema;
use apache_avro::error::CompatibilityError;
use apache_avro::schema::{RecordSchema, SchemaKind};
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use std::slice;

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
        let version_name = format!("version {version}");
        if matches!(direction, "BACKWARD" | "FULL")
            && let Some(why) =
                (Sides { writer: &version_name, reader: "the schema" }).differ(&old, &schema, "$")
        {
            lines.push(format!("what version {version} wrote could not be read by the schema: {why}"));
        }
        if matches!(direction, "FORWARD" | "FULL")
            && let Some(why) =
                (Sides { writer: "the schema", reader: &version_name }).differ(&schema, &old, "$")
        {
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
    // Unlike those that it refers to, it need not have a name: an inferred one is a union, or a text.
    Some(Schema::parse_str_with_list(&registered.schema, references).ok()?.0)
}

/// Who writes and who reads, as a line calls them.
struct Sides<'a> {
    writer: &'a str,
    reader: &'a str,
}

impl Sides<'_> {
    /// The first rule that keeps the reader from reading all that the writer may write, and where in it.
    fn differ(&self, writer: &Schema, reader: &Schema, path: &str) -> Option<String> {
        match SchemaCompatibility::can_read(writer, reader) {
            Ok(Compatibility::Full) => None,
            Ok(Compatibility::Partial) => self.partly(writer, reader, path),
            Err(error) => Some(words(&error, path, self.reader, self.writer)),
        }
    }

    /// The same where some of it can be read: of a union or an enum not every branch or symbol.
    fn partly(&self, writer: &Schema, reader: &Schema, path: &str) -> Option<String> {
        match (writer, reader) {
            (Schema::Union(union), _) => {
                union.variants().iter().find_map(|branch| self.branch(branch, reader, path))
            }
            (_, Schema::Union(_)) => self.branch(writer, reader, path),
            (Schema::Record(writer), Schema::Record(reader)) => self.fields(writer, reader, path),
            (Schema::Array(writer), Schema::Array(reader)) => {
                self.differ(&writer.items, &reader.items, &format!("{path}[]"))
            }
            (Schema::Map(writer), Schema::Map(reader)) => {
                self.differ(&writer.types, &reader.types, &format!("{path}{{}}"))
            }
            _ => Some(words(&CompatibilityError::MissingSymbols, path, self.reader, self.writer)),
        }
    }

    fn fields(&self, writer: &RecordSchema, reader: &RecordSchema, path: &str) -> Option<String> {
        reader.fields.iter().find_map(|field| {
            let is_it = |name: &str| name == field.name || field.aliases.iter().any(|alias| alias == name);
            let written = writer.fields.iter().find(|written| is_it(&written.name))?;
            self.differ(&written.schema, &field.schema, &format!("{path}.{}", field.name))
        })
    }

    /// A branch that the writer may take, and none of the reader's reads: what is wrong with the one of its kind, if there
    /// is one.
    fn branch(&self, branch: &Schema, reader: &Schema, path: &str) -> Option<String> {
        let readers = match reader {
            Schema::Union(union) => union.variants(),
            other => slice::from_ref(other),
        };
        if readers.iter().any(|reader| self.differ(branch, reader, path).is_none()) {
            return None;
        }
        let kind = SchemaKind::from(branch);
        match readers.iter().find(|reader| SchemaKind::from(*reader) == kind) {
            Some(reader) => self.differ(branch, reader, path),
            None => Some(format!(
                "{path} may be {kind:?} in {}, and nothing that reads it in {}",
                self.writer, self.reader
            )),
        }
    }
}

/// The rule that is broken, after the path of the field it is broken at, which is within `path`.
fn words(error: &CompatibilityError, path: &str, reader: &str, writer: &str) -> String {
    let (mut path, mut error) = (path.to_owned(), error);
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
            let [writes, reads] = [writer_schema_type, reader_schema_type].map(|debug| first_word(debug));
            format!("is {writes} in {writer}, and {reads} in {reader}")
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

/// The variant's name, of a schema as `Debug` prints it.
fn first_word(debug: &str) -> &str {
    debug.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default()
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
        let array =
            |items: &str| field(&format!(r#"["null",{{"type":"array","items":["null","{items}"]}}]"#));
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
            (
                map("int"),
                map("string"),
                "$.n{} may be Int in version 1, and nothing that reads it in the schema",
            ),
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
        assert!(
            broken("BACKWARD", &wider, &[(1, field(r#"["null","int"]"#))]).is_empty(),
            "int is read as long"
        );
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
