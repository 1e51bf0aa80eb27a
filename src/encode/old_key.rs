//! The header `__debezium.oldkey`: the key that a row had before an UPDATE of it, which published the row anew.

use super::converter::{Converter, HeaderConverter};
use super::encoder::{Refusal, convert, with_value};
use super::prepared::Prepared;
use super::{java, json, simple};
use crate::decode::Tuple;
use crate::rejection::Reason;
use crate::route::Plan;

const REASON: Reason = Reason::HeaderNotEncodable;

/// Appends the struct of the key's columns as `old` has them.
pub(super) fn write(
    converter: &HeaderConverter,
    plan: &Plan,
    old: &Tuple<'_>,
    prepared: &Prepared,
    out: &mut Vec<u8>,
) -> Result<bool, Refusal> {
    match converter {
        HeaderConverter::Simple => simple_struct(plan, old, out)?,
        HeaderConverter::As(converter) => {
            let structs = converter.of_structs();
            match structs.map_err(|unsuited| unsuited.refusal(REASON, "a row's former key is a STRUCT"))? {
                json @ Converter::Json { .. } => json_struct(json, plan, old, &prepared.old_key, out)?,
                _ => java_struct(plan, old, out)?,
            }
        }
    }
    Ok(true)
}

fn simple_struct(plan: &Plan, old: &Tuple<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    for (index, field) in plan.old_key.iter().enumerate() {
        out.push(if index == 0 { b'{' } else { b',' });
        simple::member(&field.name, out);
        with_value(REASON, field, old, |value| {
            simple::embedded(&field.kind, value, out);
            Ok(())
        })?;
    }
    out.push(b'}');
    Ok(())
}

fn json_struct(
    converter: &Converter,
    plan: &Plan,
    old: &Tuple<'_>,
    head: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    out.extend_from_slice(head);
    for (index, field) in plan.old_key.iter().enumerate() {
        out.push(if index == 0 { b'{' } else { b',' });
        json::string(&field.name, out);
        out.push(b':');
        convert(REASON, field, old, converter, b"", out)?;
    }
    out.push(b'}');
    if !head.is_empty() {
        out.push(b'}');
    }
    Ok(())
}

fn java_struct(plan: &Plan, old: &Tuple<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut separator: &[u8] = b"Struct{";
    for field in &plan.old_key {
        with_value(REASON, field, old, |value| {
            if !value.is_null() {
                out.extend_from_slice(std::mem::replace(&mut separator, b","));
                out.extend_from_slice(field.name.as_bytes());
                out.push(b'=');
                java::write(&field.kind, value, out);
            }
            Ok(())
        })?;
    }
    out.push(b'}');
    Ok(())
}
