//! A schema that can be used, and what payloads are written by.

use super::filler::{Filler, Known, Orders};
use super::{Mismatch, UnknownFields};
use crate::encode::encoder::Refusal;
use crate::encode::{avro, json_schema, protobuf};
use crate::registry::{Registered, SchemaType};
use crate::rejection::Reason;

/// A schema that can be used.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) id: i32,
    pub(super) guid: Option<[u8; 16]>,
    /// Protobuf: which message of its file, as it stands after the id.
    pub(super) indexes: Vec<u8>,
    /// When payloads are written by it.
    pub(super) plan: Option<Plan>,
}

/// A registered schema, made ready.
#[derive(Debug)]
pub(super) enum Plan {
    Avro(avro::Plan, Known),
    Json(json_schema::Plan, Orders),
    Protobuf(protobuf::Plan, Known),
}

impl Ready {
    /// One of which no more is needed than what stands before the bytes.
    pub(super) fn of(id: i32, guid: Option<[u8; 16]>, indexes: Vec<u8>) -> Ready {
        Ready { id, guid, indexes, plan: None }
    }

    /// Makes a registered schema ready for payloads; `name` is the record's that is meant.
    pub(super) fn new(
        registered: Registered,
        language: SchemaType,
        name: &str,
        reason: Reason,
    ) -> Result<Ready, Refusal> {
        let Registered { id, guid, schema_type, schema, references } = registered;
        let unusable = |why: String| Refusal {
            reason,
            detail: format!("schema {id} cannot be used: {why}"),
            hint: "register a schema that is complete, in the converter's language",
        };
        if schema_type != language {
            let (its, ours) = (schema_type.name(), language.name());
            return Err(unusable(format!("it is {its}, and the converter writes {ours}")));
        }
        let mut indexes = Vec::new();
        let plan = match language {
            SchemaType::Avro => {
                Plan::Avro(avro::Plan::new(&schema, &references).map_err(unusable)?, Known::default())
            }
            SchemaType::Json => {
                Plan::Json(json_schema::Plan::new(&schema, &references).map_err(unusable)?, Orders::new())
            }
            SchemaType::Protobuf => {
                let plan = protobuf::Plan::new(&schema, &references, name).map_err(unusable)?;
                indexes.extend_from_slice(&plan.indexes);
                Plan::Protobuf(plan, Known::default())
            }
        };
        Ok(Ready { id, guid, indexes, plan: Some(plan) })
    }
}

impl Plan {
    /// Appends the payload.
    pub(super) fn write(
        &mut self,
        filler: &mut Filler,
        unknown: UnknownFields,
        text: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<Mismatch>> {
        match self {
            Plan::Avro(plan, known) => avro::write(plan, filler, known, unknown, text, out),
            Plan::Json(plan, orders) => {
                plan.check(filler, orders, text)?;
                out.extend_from_slice(text.as_bytes());
                Ok(())
            }
            Plan::Protobuf(plan, known) => protobuf::write(plan, filler, known, unknown, text, out),
        }
    }

    /// The record's full name, where the schema has one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Plan::Avro(plan, _) => plan.name.as_deref(),
            Plan::Json(..) => None,
            Plan::Protobuf(plan, _) => Some(&plan.name),
        }
    }
}
