//! `walpost schema`: what the schema registry has, and whether a schema fits it.

use super::context::Context;
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::registry::{Client, Draft, Error, Reference, SchemaType};
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  walpost schema list --config connector.json
  walpost schema show orders-value --config connector.json
  walpost schema check orders-value order.avsc --config connector.json
  walpost schema register orders order.proto --reference money.proto=money:1 --config connector.json
  walpost schema enforce BACKWARD orders-value --config connector.json
";

/// Look at the schema registry, check a schema against it, register one
#[derive(Debug, Subcommand)]
#[command(before_help = EXAMPLES)]
pub enum Command {
    /// All subjects, each with its level of compatibility and its newest schema's id
    #[command(before_help = EXAMPLES)]
    List,
    /// A subject's newest schema, as the registry has it
    #[command(before_help = EXAMPLES)]
    Show {
        /// The subject
        subject: String,
    },
    /// Whether a schema is compatible with its subject, and what it breaks; nothing is registered
    #[command(before_help = EXAMPLES)]
    Check(File),
    /// Make a schema its subject's newest, if it is compatible
    #[command(before_help = EXAMPLES)]
    Register(File),
    /// Set a level of compatibility
    #[command(before_help = EXAMPLES)]
    Enforce {
        /// The level
        #[arg(value_enum)]
        level: Level,
        /// The subjects
        #[arg(required = true)]
        subjects: Vec<String>,
    },
}

/// A schema and where it belongs.
#[derive(Debug, clap::Args)]
pub struct File {
    /// The subject
    subject: String,
    /// The schema's file: .avsc for Avro, .json for JSON Schema, .proto for Protobuf
    file: PathBuf,
    /// What the file is written in [default: by its name]
    #[arg(long, value_enum)]
    language: Option<Language>,
    /// A schema that this one refers to, as it calls it: a Protobuf import, a `$ref`, the full name of an Avro record
    #[arg(long = "reference", value_name = "NAME=SUBJECT:VERSION", value_parser = reference)]
    references: Vec<Reference>,
}

/// `NAME=SUBJECT:VERSION`.
fn reference(text: &str) -> Result<Reference, String> {
    let parts = text.rsplit_once(':').and_then(|(before, version)| {
        let (name, subject) = before.rsplit_once('=')?;
        Some(Reference { name: name.to_owned(), subject: subject.to_owned(), version: version.parse().ok()? })
    });
    parts
        .filter(|reference| !reference.name.is_empty() && !reference.subject.is_empty())
        .ok_or_else(|| "it is not NAME=SUBJECT:VERSION, as in acme/money.proto=money:1".to_owned())
}

/// Languages of schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Avro
    Avro,
    /// JSON Schema
    Json,
    /// Protobuf
    Protobuf,
}

/// Levels of compatibility, by the names that registries have for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Level {
    /// Anything goes
    None,
    /// Readers with the new schema read what the one before it wrote
    Backward,
    /// The same, of all before it
    BackwardTransitive,
    /// Readers with the schema before it read what the new one writes
    Forward,
    /// The same, of all before it
    ForwardTransitive,
    /// Both
    Full,
    /// Both, of all before it
    FullTransitive,
}

pub(super) fn run(command: &Command, context: &Context<'_>) -> Result<Exit, Failure> {
    let config = context.load_quietly()?;
    let client = client(&config)?;
    match command {
        Command::List => list(&client, context),
        Command::Show { subject } => show(&client, subject, context),
        Command::Check(file) => check(&client, file, context),
        Command::Register(file) => register(&client, file, context),
        Command::Enforce { level, subjects } => enforce(&client, *level, subjects, context),
    }
}

fn client(config: &Config) -> Result<Client, Failure> {
    let Some(registry) = &config.registry else {
        return Err(Failure::new(
            Exit::Usage,
            "no schema registry is configured",
            "neither key.converter nor value.converter needs one",
            "set value.converter=io.confluent.connect.avro.AvroConverter and value.converter.schema.registry.url",
        ));
    };
    Client::new(registry.clone()).map_err(|error| failure(&error, "reading the certificates"))
}

fn list(client: &Client, context: &Context<'_>) -> Result<Exit, Failure> {
    let mut subjects = client.subjects().map_err(|error| failure(&error, "listing the subjects"))?;
    subjects.sort();
    let mut rows = Vec::new();
    for subject in subjects {
        let newest =
            client.latest(&subject).map_err(|error| failure(&error, "looking for the newest schema"))?;
        let level = client.level(&subject).map_err(|error| failure(&error, "asking for the level"))?;
        rows.push((subject, level, newest));
    }
    let console = &context.console;
    if console.is_json() {
        let subjects: Vec<_> = rows
            .iter()
            .map(|(subject, level, newest)| {
                json!({ "subject": subject, "level": level, "id": newest.id, "language": newest.schema_type.name() })
            })
            .collect();
        console.json("subjects", &subjects);
    } else if rows.is_empty() {
        console.print("the registry has no subjects");
    } else {
        let rows = rows.into_iter().map(|(subject, level, newest)| {
            vec![subject, level, newest.id.to_string(), newest.schema_type.name().to_owned()]
        });
        console.table(&["subject", "level", "id", "language"], rows.collect());
    }
    Ok(Exit::Ok)
}

fn show(client: &Client, subject: &str, context: &Context<'_>) -> Result<Exit, Failure> {
    let newest = client.latest(subject).map_err(|error| failure(&error, "looking for the newest schema"))?;
    let console = &context.console;
    if console.is_json() {
        let (id, schema) = (newest.id, newest.schema);
        console.json_object(json!({ "subject": subject, "id": id, "schema": schema }));
    } else {
        console.print(&newest.schema);
    }
    Ok(Exit::Ok)
}

fn check(client: &Client, file: &File, context: &Context<'_>) -> Result<Exit, Failure> {
    let (schema, language) = file.read()?;
    let subject = &file.subject;
    let level = client.level(subject).map_err(|error| failure(&error, "asking for the level"))?;
    let wrong = client
        .check_all(&level, subject, &file.draft(&schema, language))
        .map_err(|error| failure(&error, "checking the schema"))?;
    let console = &context.console;
    if console.is_json() {
        console.json_object(
            json!({ "subject": subject, "level": level, "compatible": wrong.is_empty(), "breaks": wrong }),
        );
    } else if wrong.is_empty() {
        console.print(&format!("compatible with subject {subject} by {level}"));
    } else {
        console.print(&format!("not compatible with subject {subject} by {level}:"));
        wrong.iter().for_each(|why| console.print(&format!("  {why}")));
    }
    Ok(if wrong.is_empty() { Exit::Ok } else { Exit::Findings })
}

fn register(client: &Client, file: &File, context: &Context<'_>) -> Result<Exit, Failure> {
    let (schema, language) = file.read()?;
    let subject = &file.subject;
    let registered = client
        .register(subject, &file.draft(&schema, language), false)
        .map_err(|error| failure(&error, "registering the schema"))?;
    let console = &context.console;
    if console.is_json() {
        console.json_object(json!({ "subject": subject, "id": registered.id }));
    } else {
        console.print(&format!("subject {subject} has it, with id {}", registered.id));
    }
    Ok(Exit::Ok)
}

fn enforce(
    client: &Client,
    level: Level,
    subjects: &[String],
    context: &Context<'_>,
) -> Result<Exit, Failure> {
    let name = level.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    for subject in subjects {
        client.set_level(subject, &name).map_err(|error| failure(&error, "setting the level"))?;
    }
    let console = &context.console;
    if console.is_json() {
        console.json_object(json!({ "level": name, "subjects": subjects }));
    } else {
        subjects.iter().for_each(|subject| console.print(&format!("subject {subject} is checked by {name}")));
    }
    Ok(Exit::Ok)
}

impl File {
    fn draft<'d>(&'d self, schema: &'d str, schema_type: SchemaType) -> Draft<'d> {
        Draft { schema, schema_type, references: &self.references }
    }

    fn read(&self) -> Result<(String, SchemaType), Failure> {
        let schema = std::fs::read_to_string(&self.file).map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("{} cannot be read: {error}", self.file.display()),
                "",
                "name the file that holds the schema",
            )
        })?;
        Ok((schema, self.language.map_or_else(|| by_name(&self.file), Language::schema_type)))
    }
}

impl Language {
    fn schema_type(self) -> SchemaType {
        match self {
            Language::Avro => SchemaType::Avro,
            Language::Json => SchemaType::Json,
            Language::Protobuf => SchemaType::Protobuf,
        }
    }
}

fn by_name(file: &Path) -> SchemaType {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("proto") => SchemaType::Protobuf,
        Some("json") => SchemaType::Json,
        _ => SchemaType::Avro,
    }
}

pub(super) fn failure(error: &Error, during: &str) -> Failure {
    let (exit, hint) = match error {
        Error::Away(_) => (Exit::Registry, "is the registry running, and reachable from here?"),
        Error::Denied(_) => (
            Exit::Registry,
            "see to schema.registry.url (Apicurio's ends in /apis/ccompat/v7) and the credentials",
        ),
        Error::Refused(refused) => (Exit::Findings, refused.hint),
    };
    Failure::new(exit, format!("{during}: {error}"), "", hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_in_the_language_of_its_name() {
        for (name, language) in
            [("a.avsc", SchemaType::Avro), ("a.json", SchemaType::Json), ("a.proto", SchemaType::Protobuf)]
        {
            assert_eq!(by_name(Path::new(name)), language);
        }
    }

    #[test]
    fn a_reference_is_a_name_a_subject_and_a_version() {
        let read = reference("https://acme/a.json?x=1=orders:value:12").unwrap();
        assert_eq!((read.name.as_str(), read.subject.as_str()), ("https://acme/a.json?x=1", "orders:value"));
        assert_eq!(read.version, 12);
        for wrong in ["a=b", "a:1", "=b:1", "a=:1", "a=b:x"] {
            assert!(reference(wrong).is_err(), "{wrong}");
        }
    }
}
