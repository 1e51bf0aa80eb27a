//! Avro's rules (Avro specification, *Schema Resolution*), as the crate that reads Avro applies them.

use super::{Difference, Sides};
use crate::registry::Registered;
use apache_avro::Schema;
use apache_avro::error::CompatibilityError;
use apache_avro::schema::{RecordSchema, SchemaKind};
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use std::slice;

pub(super) fn parse(registered: &Registered) -> Option<Schema> {
    let references = registered.references.iter().map(|reference| &reference.schema);
    // Unlike those that it refers to, it need not have a name: an inferred one is a union, or a text.
    Some(Schema::parse_str_with_list(&registered.schema, references).ok()?.0)
}

/// The first rule that is broken.
pub(super) fn differences(writer: &Schema, reader: &Schema, sides: Sides<'_>) -> Vec<Difference> {
    sides.differ(writer, reader, "$").map(Difference::broken).into_iter().collect()
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
#[path = "avro_tests.rs"]
mod tests;
