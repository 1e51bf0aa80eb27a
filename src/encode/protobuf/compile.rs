//! The message that is meant, in a registered schema's file, and its place there.

use crate::registry::{Referenced, compiled};
use prost_reflect::{FileDescriptor, MessageDescriptor};

/// The message that is meant, and where it is in its file: the list of numbers that stands after the schema's id.
pub(super) fn message(
    text: &str,
    references: &[Referenced],
    name: &str,
) -> Result<(MessageDescriptor, Vec<u8>), String> {
    let file = compiled(text, references)?;
    let message = chosen(&file, name)?;
    let indexes = indexes(&message);
    Ok((message, indexes))
}

/// By its full name, or its name within the package; or the only one there is.
fn chosen(file: &FileDescriptor, name: &str) -> Result<MessageDescriptor, String> {
    let package = file.package_name();
    let within = if package.is_empty() { name.to_owned() } else { format!("{package}.{name}") };
    let pool = file.parent_pool();
    let named = [name, &within].into_iter().find_map(|name| pool.get_message_by_name(name));
    if let Some(message) = named.filter(|message| message.parent_file() == *file && !message.is_map_entry()) {
        return Ok(message);
    }
    let mut all = file.messages();
    match (all.next(), all.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err("it has no message".to_owned()),
        (Some(_), Some(_)) => Err(format!(
            "it has several messages, and none is called {name:?}, which walpost.value.schema.name makes of the event's type"
        )),
    }
}

/// How many numbers, and the numbers, from the file to the message; zigzag, and a mere zero for the first message.
fn indexes(message: &MessageDescriptor) -> Vec<u8> {
    // A descriptor's path alternates between what kind of thing is meant and which one of it.
    let numbers: Vec<i32> = message.path().iter().skip(1).step_by(2).copied().collect();
    let mut out = Vec::new();
    if numbers == [0] {
        out.push(0);
        return out;
    }
    crate::encode::avro::binary::long(numbers.len() as i64, &mut out);
    for number in numbers {
        crate::encode::avro::binary::long(i64::from(number), &mut out);
    }
    out
}
