//! A registered schema, made ready: messages and enums in lists, fields in the order of their numbers.

use super::compile;
use super::scalar::Scalar;
use crate::encode::framed::straight::Names;
use crate::registry::Referenced;
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use std::collections::HashMap;

/// A schema, made ready.
#[derive(Debug)]
pub(in crate::encode) struct Plan {
    pub(super) messages: Vec<Message>,
    pub(super) enums: Vec<Enum>,
    /// The full name of the message that payloads are; it is the first of the messages.
    pub(in crate::encode) name: String,
    /// Where it is in its file, as it stands after the schema's id.
    pub(in crate::encode) indexes: Vec<u8>,
}

/// A message.
#[derive(Debug)]
pub(super) struct Message {
    /// In the order of their numbers.
    pub(super) fields: Vec<Field>,
    /// Their names, where they can be found in a text as they are.
    pub(super) names: Option<Names>,
    /// Places of those that must be there.
    pub(super) required: Vec<usize>,
    /// Places by name: the one in JSON, and the schema's own.
    places: HashMap<Box<[u8]>, u16>,
    /// What its JSON is, when it is no object of its fields.
    pub(super) form: Form,
}

/// How a message is written in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// An object of its fields.
    Fields,
    Timestamp,
    Duration,
    /// The value of its one field.
    Wrapper,
    /// Any object.
    Struct,
    /// Anything.
    Value,
    /// Any array.
    ListValue,
    FieldMask,
    /// Of a type that is named in it.
    Any,
}

/// A message's field.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: Box<str>,
    /// What stands before a value: number and wire type.
    pub(super) key: Box<[u8]>,
    pub(super) kind: Of,
    pub(super) shape: Shape,
    /// Which of the message's oneofs it belongs to.
    pub(super) oneof: Option<u16>,
}

/// How many values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Zero, empty and false are not written: nobody could tell them from nothing.
    Implicit,
    /// There or not.
    Optional,
    /// There.
    Required,
    Repeated,
    /// Repeated, with one key and the length of all.
    Packed,
    /// A map with keys of this type.
    Map(Scalar),
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Scalar(Scalar),
    Enum(u32),
    /// `google.protobuf.NullValue`, which is null in JSON.
    Null,
    Message(u32),
}

/// An enum: names, and the numbers they stand for.
#[derive(Debug)]
pub(super) struct Enum {
    pub(super) values: Vec<(Box<[u8]>, i32)>,
}

impl Message {
    /// Where the field of this name is.
    pub(super) fn find(&self, name: &[u8]) -> Option<u16> {
        self.places.get(name).copied()
    }

    /// Whether this is what a member of the field at this place is called.
    pub(super) fn is_called(&self, place: u16, name: &[u8]) -> bool {
        self.fields.get(usize::from(place)).is_some_and(|field| field.name.as_bytes() == name)
    }
}

impl Of {
    /// How values of it are told apart on the wire.
    pub(super) fn wire_type(self) -> u32 {
        match self {
            Of::Message(_) => 2,
            Of::Enum(_) | Of::Null => 0,
            Of::Scalar(scalar) => scalar.wire_type(),
        }
    }
}

impl Field {
    /// Null is a value of it, and not the lack of one.
    pub(super) fn takes_null(&self, messages: &[Message]) -> bool {
        match self.kind {
            Of::Null => true,
            Of::Message(message) => messages[message as usize].form == Form::Value,
            Of::Scalar(_) | Of::Enum(_) => false,
        }
    }
}

impl Plan {
    /// Reads a schema's text, and those it imports; `name` says which message is meant, when the file has several. The error
    /// says what is not understood.
    pub(in crate::encode) fn new(text: &str, references: &[Referenced], name: &str) -> Result<Plan, String> {
        let (root, indexes) = compile::message(text, references, name)?;
        let mut to = Builder::default();
        to.message(&root)?;
        // Messages that were met on the way are still to be described, and what they meet.
        let mut next = 0;
        while let Some(descriptor) = to.met.get(next).cloned() {
            let message = to.described(&descriptor)?;
            to.messages.push(message);
            next += 1;
        }
        let (messages, enums) = (to.messages, to.enums);
        Ok(Plan { messages, enums, name: root.full_name().to_owned(), indexes })
    }
}

#[derive(Default)]
struct Builder {
    /// Messages by number, as they were met; those of `messages` are described.
    met: Vec<MessageDescriptor>,
    numbers: HashMap<String, u32>,
    messages: Vec<Message>,
    enums: Vec<Enum>,
    known: HashMap<String, u32>,
}

impl Builder {
    fn message(&mut self, descriptor: &MessageDescriptor) -> Result<u32, String> {
        if let Some(number) = self.numbers.get(descriptor.full_name()) {
            return Ok(*number);
        }
        let number = self.met.len() as u32;
        self.numbers.insert(descriptor.full_name().to_owned(), number);
        self.met.push(descriptor.clone());
        Ok(number)
    }

    fn described(&mut self, descriptor: &MessageDescriptor) -> Result<Message, String> {
        let mut descriptors: Vec<FieldDescriptor> = descriptor.fields().collect();
        descriptors.sort_by_key(FieldDescriptor::number);
        if descriptors.len() > usize::from(u16::MAX - 1) {
            return Err(format!("{} has too many fields", descriptor.full_name()));
        }
        let (mut fields, mut places) = (Vec::new(), HashMap::new());
        let oneofs: Vec<String> = descriptor.oneofs().map(|oneof| oneof.full_name().to_owned()).collect();
        for field in &descriptors {
            let place = fields.len() as u16;
            // One field alone is beside no other.
            let of = field.containing_oneof().filter(|of| of.fields().len() > 1);
            let oneof = of.and_then(|of| oneofs.iter().position(|name| name == of.full_name()));
            for name in [field.name(), field.json_name()] {
                places.insert(name.as_bytes().into(), place);
            }
            fields.push(self.field(field, oneof.map(|oneof| oneof as u16))?);
        }
        let own = fields.iter().map(|field| &*field.name);
        let names = Names::new(own, descriptors.iter().map(FieldDescriptor::name).zip(0..));
        let required = |field: &Field| field.shape == Shape::Required;
        let required = (0..fields.len()).filter(|place| required(&fields[*place])).collect();
        Ok(Message { fields, names, required, places, form: form(descriptor.full_name()) })
    }

    fn field(&mut self, field: &FieldDescriptor, oneof: Option<u16>) -> Result<Field, String> {
        let name: Box<str> = field.json_name().into();
        if field.is_group() {
            return Err(format!("{} is a group", field.full_name()));
        }
        let (kind, shape) = match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let key = scalar(&entry.map_entry_key_field().kind());
                let key = key.ok_or_else(|| format!("{} has keys of no scalar type", field.full_name()))?;
                (self.kind(&entry.map_entry_value_field().kind())?, Shape::Map(key))
            }
            kind => {
                let shape = match () {
                    () if field.is_list() && field.is_packed() => Shape::Packed,
                    () if field.is_list() => Shape::Repeated,
                    () if field.is_required() => Shape::Required,
                    () if field.supports_presence() => Shape::Optional,
                    () => Shape::Implicit,
                };
                (self.kind(&kind)?, shape)
            }
        };
        let wire_type = match shape {
            Shape::Map(_) | Shape::Packed => 2,
            _ => kind.wire_type(),
        };
        let mut key = Vec::new();
        super::scalar::varint(u64::from(field.number() << 3 | wire_type), &mut key);
        Ok(Field { name, key: key.into(), kind, shape, oneof })
    }

    fn kind(&mut self, kind: &Kind) -> Result<Of, String> {
        match kind {
            Kind::Message(message) => Ok(Of::Message(self.message(message)?)),
            Kind::Enum(of) if of.full_name() == "google.protobuf.NullValue" => Ok(Of::Null),
            Kind::Enum(of) => Ok(Of::Enum(self.enum_(of))),
            other => scalar(other).map(Of::Scalar).ok_or_else(|| format!("{other:?} is not understood")),
        }
    }

    fn enum_(&mut self, descriptor: &EnumDescriptor) -> u32 {
        let next = self.enums.len() as u32;
        let number = *self.known.entry(descriptor.full_name().to_owned()).or_insert(next);
        if number == next {
            let values = descriptor.values().map(|value| (value.name().as_bytes().into(), value.number()));
            self.enums.push(Enum { values: values.collect() });
        }
        number
    }
}

fn form(full_name: &str) -> Form {
    match full_name.strip_prefix("google.protobuf.").unwrap_or_default() {
        "Timestamp" => Form::Timestamp,
        "Duration" => Form::Duration,
        "Struct" => Form::Struct,
        "Value" => Form::Value,
        "ListValue" => Form::ListValue,
        "FieldMask" => Form::FieldMask,
        "Any" => Form::Any,
        "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
        | "BoolValue" | "StringValue" | "BytesValue" => Form::Wrapper,
        _ => Form::Fields,
    }
}

fn scalar(kind: &Kind) -> Option<Scalar> {
    Some(match kind {
        Kind::Double => Scalar::Double,
        Kind::Float => Scalar::Float,
        Kind::Int32 => Scalar::Int32,
        Kind::Int64 => Scalar::Int64,
        Kind::Uint32 => Scalar::Uint32,
        Kind::Uint64 => Scalar::Uint64,
        Kind::Sint32 => Scalar::Sint32,
        Kind::Sint64 => Scalar::Sint64,
        Kind::Fixed32 => Scalar::Fixed32,
        Kind::Fixed64 => Scalar::Fixed64,
        Kind::Sfixed32 => Scalar::Sfixed32,
        Kind::Sfixed64 => Scalar::Sfixed64,
        Kind::Bool => Scalar::Bool,
        Kind::String => Scalar::String,
        Kind::Bytes => Scalar::Bytes,
        Kind::Message(_) | Kind::Enum(_) => return None,
    })
}
