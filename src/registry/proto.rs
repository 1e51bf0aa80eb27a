//! The texts of a Protobuf schema, compiled: its file, and what it imports.

use super::Referenced;
use prost_reflect::FileDescriptor;
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

/// The schema's file, in a pool with what it imports; or why there is none.
pub fn compiled(text: &str, references: &[Referenced]) -> Result<FileDescriptor, String> {
    let files = Files { own: text.to_owned(), references: references.to_vec() };
    let mut compiler = Compiler::with_file_resolver(files);
    compiler.include_imports(true);
    compiler.open_file(OWN).map_err(|error| format!("it does not compile: {error}"))?;
    compiler.descriptor_pool().get_file_by_name(OWN).ok_or_else(|| "it has no file".to_owned())
}
