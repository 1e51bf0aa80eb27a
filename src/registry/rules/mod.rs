//! Which rule of compatibility a schema breaks, and of which version. Registries tell whether a schema fits; not all of
//! them tell why it does not.
//!
//! Enters: a schema that the registry refused, and its subject's versions. Leaves: a line for each thing that differs.
//! The rules are those of Confluent's registry (its `json-schema-provider` and `protobuf-provider`, and Avro's
//! specification). Promised: no line says what is not so. A schema that is not understood, a keyword that is not known, a
//! comparison that does not end: of these nothing is said, and whoever asked has the registry's own word.

mod avro;
mod json_schema;
mod protobuf;

use super::{Registered, SchemaType};

/// A subject's schema, by the number of its version.
pub(super) type Version = (i64, Registered);

/// What a schema does to the versions before it.
#[derive(Debug, Default)]
pub(super) struct Broken {
    /// What could not be read any more.
    pub(super) lines: Vec<String>,
    /// What could be read, and is refused by registries that are stricter (Apicurio's).
    pub(super) stricter: Vec<String>,
}

/// Who writes and who reads, as a line calls them.
#[derive(Clone, Copy, Debug)]
struct Sides<'a> {
    writer: &'a str,
    reader: &'a str,
}

/// Where and how the reader differs from the writer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Difference {
    what: String,
    /// Some of what is written cannot be read; or else it is only more than strict registries allow.
    is_broken: bool,
}

impl Difference {
    fn broken(what: String) -> Difference {
        Difference { what, is_broken: true }
    }

    fn stricter(what: String) -> Difference {
        Difference { what, is_broken: false }
    }
}

/// What a new schema breaks at a level (`BACKWARD`, `FORWARD_TRANSITIVE`, …): nothing where the schemas cannot be parsed.
/// `versions` from the oldest to the newest; the level says which of them count.
pub(super) fn broken(level: &str, new: &Registered, versions: &[Version]) -> Broken {
    let (mut broken, direction) = (Broken::default(), level.trim_end_matches("_TRANSITIVE"));
    let Some(schema) = Parsed::of(new) else { return broken };
    let newest_alone = !level.ends_with("_TRANSITIVE");
    for (version, registered) in versions.iter().rev().take(if newest_alone { 1 } else { usize::MAX }) {
        let Some(old) = Parsed::of(registered) else { continue };
        let name = format!("version {version}");
        if matches!(direction, "BACKWARD" | "FULL") {
            let sides = Sides { writer: &name, reader: "the schema" };
            broken.add(old.differences(&schema, sides), &format!("what {name} wrote"), sides);
        }
        if matches!(direction, "FORWARD" | "FULL") {
            let sides = Sides { writer: "the schema", reader: &name };
            broken.add(schema.differences(&old, sides), "what the schema writes", sides);
        }
    }
    broken
}

impl Broken {
    fn add(&mut self, differences: Vec<Difference>, written: &str, sides: Sides<'_>) {
        let reader = sides.reader;
        for Difference { what, is_broken } in differences {
            let (lines, line) = match is_broken {
                true => (&mut self.lines, format!("{written} could not be read by {reader}: {what}")),
                false => {
                    let line = format!("not every registry lets {reader} read {written}: {what}");
                    (&mut self.stricter, line)
                }
            };
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
}

/// A schema, in the form its rules are made for.
enum Parsed {
    Avro(Box<apache_avro::Schema>),
    Json(json_schema::Documents),
    Protobuf(prost_reflect::FileDescriptor),
}

impl Parsed {
    fn of(registered: &Registered) -> Option<Parsed> {
        match registered.schema_type {
            SchemaType::Avro => avro::parse(registered).map(Box::new).map(Parsed::Avro),
            SchemaType::Json => json_schema::Documents::parse(registered).map(Parsed::Json),
            SchemaType::Protobuf => {
                super::compiled(&registered.schema, &registered.references).ok().map(Parsed::Protobuf)
            }
        }
    }

    /// What keeps `reader` from reading all that this one may write. Nothing where their languages are two.
    fn differences(&self, reader: &Parsed, sides: Sides<'_>) -> Vec<Difference> {
        match (self, reader) {
            (Parsed::Avro(writer), Parsed::Avro(reader)) => avro::differences(writer, reader, sides),
            (Parsed::Json(writer), Parsed::Json(reader)) => json_schema::differences(writer, reader, sides),
            (Parsed::Protobuf(writer), Parsed::Protobuf(reader)) => {
                protobuf::differences(writer, reader, sides)
            }
            _ => Vec::new(),
        }
    }
}
