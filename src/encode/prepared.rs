//! What is the same for every row of a plan: schemas in JSON, and the member names of an envelope.

use super::schema::Schema;
use super::{Config, DecimalFormat, cloudevents, json};
use crate::route::{Field, Plan};

/// The constant bytes of one plan's records. Heads are `{"schema":…,"payload":`, and empty without schemas.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The plan's.
    pub(super) generation: u64,
    /// The plan's.
    pub(super) oid: u32,
    /// Head of the header `id`.
    pub(super) id: Vec<u8>,
    /// Heads of the other headers.
    pub(super) headers: Vec<Vec<u8>>,
    /// Head of the key.
    pub(super) key: Vec<u8>,
    /// Head of the value, when that is the payload alone.
    pub(super) payload: Vec<u8>,
    /// The payload's schema.
    pub(super) payload_schema: Vec<u8>,
    /// When the value is an envelope.
    pub(super) envelope: Envelope,
    /// Head of the header that tells a row's former key.
    pub(super) old_key: Vec<u8>,
    /// When it is a CloudEvent.
    pub(super) cloud: Option<cloudevents::Prepared>,
}

/// The constant bytes of an envelope.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    /// `{"schema":{"type":"struct","fields":[…`, up to the last field; empty without schemas.
    pub(super) fields: Vec<u8>,
    /// Where in `fields` the payload's own ends.
    pub(super) payload_end: usize,
    /// The schema's name up to the route, as it stands in a JSON string.
    pub(super) stem: Vec<u8>,
    /// Each member's name with what parts it from the one before, in JSON: `{"payload":`, `,"type":`.
    pub(super) members: Vec<Vec<u8>>,
}

impl Prepared {
    /// What the schema of an envelope begins with, when there are schemas.
    pub(super) const ENVELOPE: &[u8] = br#"{"schema":{"type":"struct","fields":["#;

    /// Prepares a plan for these converters.
    pub(super) fn new(plan: &Plan, config: &Config) -> Prepared {
        let headers = config.header.heads();
        Prepared {
            generation: plan.generation,
            oid: plan.oid,
            id: head(&plan.id, headers),
            headers: plan.headers.iter().map(|(_, field)| head(field, headers)).collect(),
            key: head(&plan.key, config.key.heads()),
            payload: head(&plan.payload, config.value.heads()),
            payload_schema: payload_schema(plan),
            envelope: plan
                .envelope
                .as_ref()
                .map_or_else(Envelope::default, |placed| Envelope::new(plan, placed, config.value.heads())),
            old_key: old_key_head(plan, headers),
            cloud: cloudevents::Prepared::new(plan, config),
        }
    }
}

impl Envelope {
    fn new(plan: &Plan, placed: &[(String, Field)], heads: Option<DecimalFormat>) -> Envelope {
        let members = || members(plan, placed);
        let mut stem = Vec::new();
        json::escape(&plan.schema_stem, &mut stem);
        let (mut fields, mut payload_end) = (Vec::new(), 0);
        if let Some(decimals) = heads {
            for (index, (name, field)) in members().enumerate() {
                fields.extend_from_slice(if index == 0 { Prepared::ENVELOPE } else { b"," });
                schema(field, Some(name)).write(decimals, &mut fields);
                if index == 0 {
                    payload_end = fields.len();
                }
            }
        }
        let members = members().enumerate().map(|(index, (name, _))| {
            let mut member = vec![if index == 0 { b'{' } else { b',' }];
            json::string(name, &mut member);
            member.push(b':');
            member
        });
        Envelope { fields, payload_end, stem, members: members.collect() }
    }
}

/// The members of an envelope: the payload, then what is placed there, by the names they have.
pub(super) fn members<'p>(
    plan: &'p Plan,
    placed: &'p [(String, Field)],
) -> impl Iterator<Item = (&'p str, &'p Field)> {
    let payload = std::iter::once(("payload", &plan.payload));
    payload.chain(placed.iter().map(|(alias, field)| (alias.as_str(), field)))
}

fn head(field: &Field, heads: Option<DecimalFormat>) -> Vec<u8> {
    let Some(decimals) = heads else { return Vec::new() };
    let mut head = br#"{"schema":"#.to_vec();
    schema(field, None).write(decimals, &mut head);
    head.extend_from_slice(br#","payload":"#);
    head
}

fn payload_schema(plan: &Plan) -> Vec<u8> {
    let mut written = Vec::new();
    schema(&plan.payload, Some("payload")).write(DecimalFormat::Base64, &mut written);
    written
}

/// The struct of the columns that are the key, named as Debezium names the key of the table's own changes.
fn old_key_head(plan: &Plan, heads: Option<DecimalFormat>) -> Vec<u8> {
    let Some(decimals) = heads else { return Vec::new() };
    let mut head = Prepared::ENVELOPE.to_vec();
    for (index, field) in plan.old_key.iter().enumerate() {
        if index > 0 {
            head.push(b',');
        }
        schema(field, Some(&field.name)).write(decimals, &mut head);
    }
    head.extend_from_slice(br#"],"optional":false,"name":""#);
    json::escape(&plan.schema_stem, &mut head);
    head.extend_from_slice(br#".Key"},"payload":"#);
    head
}

pub(super) fn schema<'f>(field: &'f Field, name: Option<&'f str>) -> Schema<'f> {
    Schema { kind: &field.kind, optional: field.optional, default: field.default.as_ref(), field: name }
}
