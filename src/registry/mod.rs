//! The schema registry, by Confluent's REST interface: how to ask it, and how its answers stand before a record's bytes.
//!
//! Enters: a subject and a schema, or an id. Leaves: [`Registered`], or why not: the registry is away, it does not let us
//! in, or it refuses this schema. Promised: nothing but what Confluent's registry, Karapace and Apicurio's `ccompat` have
//! in common is used. Not done here: what is encoded, and what becomes of an event whose schema is refused.

mod client;
mod known;
mod proto;
mod rules;
mod subject;
mod tls;
pub mod wire;

pub use client::Client;
pub use known::Known;
pub use proto::compiled;
pub use subject::Strategy;

use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// How to reach a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `schema.registry.url`: asked in this order, until one answers.
    pub endpoints: Vec<Endpoint>,
    /// `schema.registry.ssl.*`.
    pub tls: Tls,
    /// `request.header.*`: name and value of further headers.
    pub headers: Vec<(String, Secret)>,
    /// `http.connect.timeout.ms`.
    pub connect_timeout: Duration,
    /// `http.read.timeout.ms`.
    pub read_timeout: Duration,
}

/// One of the URLs, and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Scheme, host, port and path, without a slash at the end and without user and password.
    pub url: String,
    /// The header `Authorization`, if there is to be one.
    pub authorization: Option<Secret>,
}

/// Certificates as PEM: files, or the text itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whom to trust; the roots of the system when there is none.
    pub roots: Option<Pem>,
    /// Our own certificate and its issuers.
    pub chain: Option<Pem>,
    /// Its key, without a password.
    pub key: Option<Pem>,
}

/// Where a PEM text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pem {
    /// In a file.
    File(PathBuf),
    /// Here.
    Text(Secret),
}

/// The languages a schema can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchemaType {
    /// Avro: what a registry takes a schema for of which nothing is said.
    Avro,
    /// JSON Schema.
    Json,
    /// Protocol buffers.
    Protobuf,
}

impl SchemaType {
    /// As the registry's interface spells it.
    pub const fn name(self) -> &'static str {
        match self {
            SchemaType::Avro => "AVRO",
            SchemaType::Json => "JSON",
            SchemaType::Protobuf => "PROTOBUF",
        }
    }

    fn named(name: &str) -> Option<SchemaType> {
        [SchemaType::Avro, SchemaType::Json, SchemaType::Protobuf].into_iter().find(|it| it.name() == name)
    }
}

/// A schema as it is sent to a registry.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'d> {
    /// Its text.
    pub schema: &'d str,
    /// Its language.
    pub schema_type: SchemaType,
    /// What it refers to.
    pub references: &'d [Reference],
}

impl Draft<'_> {
    /// One that refers to nothing.
    pub fn alone(schema: &str, schema_type: SchemaType) -> Draft<'_> {
        Draft { schema, schema_type, references: &[] }
    }
}

/// Where a schema is that another one refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// How it is referred to: a record's full name, a `$ref`, the path of an import.
    #[serde(default)]
    pub name: String,
    /// Its subject.
    pub subject: String,
    /// Which version of it.
    pub version: i64,
}

/// What can be asked. Equal questions have equal answers, but for [`What::Latest`], whose answer may change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The subject.
    pub subject: String,
    /// What of it.
    pub what: What,
}

/// What is asked of a subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// The id of this schema, which becomes the subject's newest if it is not there and is compatible.
    Register {
        /// The schema's text.
        schema: String,
        /// Its language.
        schema_type: SchemaType,
        /// `normalize.schemas`.
        normalize: bool,
    },
    /// The id of this schema, which must be there.
    Find {
        /// The schema's text.
        schema: String,
        /// Its language.
        schema_type: SchemaType,
        /// `normalize.schemas`.
        normalize: bool,
    },
    /// The newest schema.
    Latest,
    /// The schema of this id, whatever the subject.
    Id(i32),
    /// The schema of this id, which must be one of the subject's.
    Own(i32),
}

/// A schema that the registry has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its id, which stands before a record's bytes.
    pub id: i32,
    /// Its GUID, where the registry has such things: what stands in a record's header.
    pub guid: Option<[u8; 16]>,
    /// Its language.
    pub schema_type: SchemaType,
    /// Its text; empty where only the id was asked for.
    pub schema: String,
    /// The schemas it refers to, those that others need first.
    pub references: Vec<Referenced>,
}

/// A schema that another one refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referenced {
    /// How it is referred to: a record's full name, a `$ref`, the path of an import.
    pub name: String,
    /// Its text.
    pub schema: String,
}

/// The registry has answered, and the answer is no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong: subject and rule; never a payload.
    pub what: String,
    /// What to do.
    pub hint: &'static str,
}

/// Why there is no answer that could be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nobody answers, or whoever does cannot at the moment: to be asked again.
    #[error("the schema registry does not answer: {0}")]
    Away(String),
    /// It does not let us in, or is no schema registry.
    #[error("the schema registry cannot be used: {0}")]
    Denied(String),
    /// It refuses this schema or subject.
    #[error("{}", .0.what)]
    Refused(Refused),
}

/// What a question got: the registry's yes or no. That it is away is an [`Error`].
pub type Answer = Result<Registered, Refused>;
