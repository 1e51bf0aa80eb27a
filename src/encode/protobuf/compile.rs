//! The texts of a registered schema, compiled: its file, what it imports, and the message that is meant.

use crate::registry::Referenced;
use prost_reflect::{DescriptorPool, FileDescriptor, MessageDescriptor};
use protox::Compiler;
use protox::file::{File, FileResolver, GoogleFileResolver};

/// The schema's own file. An import has another name: it is the path of a file.
const OWN: &str = "(registered)";

/// Confluent's own files, which its registry lets schemas import without a reference.
const CONFLUENT: [(&str, &str); 2] = [
    (
        "confluent/type/decimal.proto",
        "syntax = \"proto3\"; package confluent.type; \
         message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }",
    ),
    (
        "confluent/meta.proto",
        "syntax = \"proto3\"; package confluent; import \"google/protobuf/descriptor.proto\"; \
         message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; } \
         extend google.protobuf.FileOptions { Meta file_meta = 1088; } \
         extend google.protobuf.MessageOptions { Meta message_meta = 1088; } \
         extend google.protobuf.FieldOptions { Meta field_meta = 1088; } \
         extend google.protobuf.EnumOptions { Meta enum_meta = 1088; } \
         extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }",
    ),
];

/// Where files come from: the registry, and what everybody has.
struct Files {
    own: String,
    references: Vec<Referenced>,
}

impl FileResolver for Files {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name == OWN {
            return File::from_source(name, &self.own);
        }
        if let Some(referenced) = self.references.iter().find(|referenced| referenced.name == name) {
            return File::from_source(name, &referenced.schema);
        }
        match CONFLUENT.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => File::from_source(name, text),
            None => GoogleFileResolver::new().open_file(name),
        }
    }
}

/// The message that is meant, and where it is in its file: the list of numbers that stands after the schema's id.
pub(super) fn message(
    text: &str,
    references: &[Referenced],
    name: &str,
) -> Result<(MessageDescriptor, Vec<u8>), String> {
    let pool = pool(text, references)?;
    let file = pool.get_file_by_name(OWN).ok_or("it has no file")?;
    let message = chosen(&file, name)?;
    let indexes = indexes(&message);
    Ok((message, indexes))
}

fn pool(text: &str, references: &[Referenced]) -> Result<DescriptorPool, String> {
    let files = Files { own: text.to_owned(), references: references.to_vec() };
    let mut compiler = Compiler::with_file_resolver(files);
    compiler.include_imports(true);
    compiler.open_file(OWN).map_err(|error| format!("it does not compile: {error}"))?;
    Ok(compiler.descriptor_pool())
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
