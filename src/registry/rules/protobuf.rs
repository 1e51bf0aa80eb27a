//! Protobuf's rules: fields are what they are by their numbers. What the bytes of a field say must be what the reader takes
//! them for (Confluent's `FieldSchemaDiff`: some scalars are written alike, and are read as each other), a member of a
//! oneof must stay one, and what is required must be there (`MessageSchemaDiff`). Apicurio's registry holds a schema to
//! more than that: names, exact types, labels, reserved numbers, constants, and calls, none of which change what bytes
//! can be read. So does Confluent's with packages and with messages that have another name.

use super::{Difference, Sides};
use prost_reflect::{
    EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor, ServiceDescriptor,
};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;

/// What keeps the reader from reading what the writer may write, and what else strict registries refuse.
pub(super) fn differences(
    writer: &FileDescriptor,
    reader: &FileDescriptor,
    sides: Sides<'_>,
) -> Vec<Difference> {
    let mut walk = Walk { sides, found: Vec::new(), seen: HashSet::new() };
    if writer.package_name() != reader.package_name() {
        let [before, after] = [writer, reader].map(|file| match file.package_name() {
            "" => "none",
            name => name,
        });
        walk.stricter(format!(
            "the package is {before} in {}, and {after} in {}",
            sides.writer, sides.reader
        ));
    }
    walk.messages(&writer.messages().collect::<Vec<_>>(), &reader.messages().collect::<Vec<_>>());
    walk.enums(&writer.enums().collect::<Vec<_>>(), &reader.enums().collect::<Vec<_>>());
    walk.services(writer, reader);
    walk.found
}

struct Walk<'a> {
    sides: Sides<'a>,
    found: Vec<Difference>,
    /// Messages that have been compared, by their full names.
    seen: HashSet<(String, String)>,
}

impl Walk<'_> {
    fn broken(&mut self, what: String) {
        self.found.push(Difference::broken(what));
    }

    fn stricter(&mut self, what: String) {
        self.found.push(Difference::stricter(what));
    }

    /// Messages of one place, by name.
    fn messages(&mut self, written: &[MessageDescriptor], read: &[MessageDescriptor]) {
        let Sides { writer, reader } = self.sides;
        for message in written.iter().filter(|message| !message.is_map_entry()) {
            match read.iter().find(|it| it.name() == message.name() && !it.is_map_entry()) {
                Some(read) => self.message(message, read),
                None => {
                    let elsewhere =
                        read.first().and_then(|it| it.parent_pool().get_message_by_name(message.full_name()));
                    let name = local(message);
                    match elsewhere {
                        Some(moved) => {
                            self.message(message, &moved);
                            self.stricter(format!("message {name} is in another file in {reader}"));
                        }
                        None => self.broken(format!("message {name} is in {writer}, and not in {reader}")),
                    }
                }
            }
        }
    }

    fn message(&mut self, written: &MessageDescriptor, read: &MessageDescriptor) {
        if !self.seen.insert((written.full_name().to_owned(), read.full_name().to_owned())) {
            return;
        }
        for field in written.fields() {
            match read.get_field(field.number()) {
                Some(read) => self.field(&field, &read),
                None => self.gone(&field, read),
            }
        }
        self.added(written, read);
        self.choices(written, read);
        self.reserved(written, read);
        let children = |message: &MessageDescriptor| message.child_messages().collect::<Vec<_>>();
        self.messages(&children(written), &children(read));
        let enums = |message: &MessageDescriptor| message.child_enums().collect::<Vec<_>>();
        self.enums(&enums(written), &enums(read));
    }

    /// A field of this number on both sides.
    fn field(&mut self, written: &FieldDescriptor, read: &FieldDescriptor) {
        let Sides { writer, reader } = self.sides;
        let at = place(written);
        if written.name() != read.name() {
            let what = format!("{at} is called {} in {reader}", read.name());
            self.stricter(what);
        }
        let [before, after] = [written, read].map(described);
        let mut is_broken = !is_read_as(written, read) || !is_label_read(written, read);
        let (written, read) = match written.is_map() && read.is_map() {
            true => (value(written), value(read)),
            false => (written.clone(), read.clone()),
        };
        if let (Kind::Message(written), Kind::Message(read)) = (written.kind(), read.kind()) {
            let before = self.found.len();
            self.message(&written, &read);
            if local(&written) != local(&read) {
                // One line says it: what differs in messages of two names is no help.
                is_broken |= self.found.drain(before..).any(|it| it.is_broken);
            }
        }
        if before != after || is_broken {
            let what = format!("{at} is {before} in {writer}, and {after} in {reader}");
            self.found.push(Difference { what, is_broken });
        }
    }

    /// A field whose number the reader's message does not have.
    fn gone(&mut self, written: &FieldDescriptor, message: &MessageDescriptor) {
        let Sides { writer, reader } = self.sides;
        let at = place(written);
        if let Some(choice) = choice(written) {
            let survives = choice.fields().any(|field| message.get_field(field.number()).is_some());
            let has_one = message.oneofs().any(|it| !it.is_synthetic() && it.name() == choice.name());
            if survives || has_one {
                let what = format!("{at} is in oneof {} in {writer}, and not in {reader}", choice.name());
                return self.broken(what);
            }
        }
        if let Some(moved) = message.get_field_by_name(written.name()) {
            let what = format!("{at} has number {} in {reader}", moved.number());
            return self.stricter(what);
        }
        let is_reserved = message.reserved_names().any(|name| name == written.name())
            && message.reserved_ranges().any(|range| range.contains(&written.number()));
        let nor = if is_reserved { "" } else { ", nor reserved there" };
        self.stricter(format!("{at} is in {writer}, and not in {reader}{nor}"));
    }

    /// Fields whose number the writer's message does not have.
    fn added(&mut self, written: &MessageDescriptor, read: &MessageDescriptor) {
        let Sides { writer, reader } = self.sides;
        for field in read.fields().filter(|field| written.get_field(field.number()).is_none()) {
            let at = place(&field);
            if field.is_required() {
                self.broken(format!("{at} is required in {reader}, and not in {writer}"));
            }
            let is_reserved = written.reserved_names().any(|name| name == field.name())
                || written.reserved_ranges().any(|range| range.contains(&field.number()));
            if is_reserved {
                self.stricter(format!("{at} is in {reader}, and reserved in {writer}"));
            }
        }
    }

    /// Fields that could be there together, and are members of one oneof now.
    fn choices(&mut self, written: &MessageDescriptor, read: &MessageDescriptor) {
        let Sides { writer, reader } = self.sides;
        for oneof in read.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            let before: Vec<FieldDescriptor> =
                oneof.fields().filter_map(|field| written.get_field(field.number())).collect();
            let groups: BTreeSet<String> = before
                .iter()
                .map(|field| match choice(field) {
                    Some(choice) => choice.name().to_owned(),
                    None => field.number().to_string(),
                })
                .collect();
            if groups.len() > 1 {
                let names: Vec<&str> = before.iter().map(FieldDescriptor::name).collect();
                let (names, message) = (names.join(", "), local(written));
                self.broken(format!(
                    "of {names} in {message} there may be several in {writer}, and only one in {reader} (oneof {})",
                    oneof.name()
                ));
            }
        }
    }

    fn reserved(&mut self, written: &MessageDescriptor, read: &MessageDescriptor) {
        let Sides { writer, reader } = self.sides;
        let after: Vec<Range<u32>> = read.reserved_ranges().collect();
        let ranges = written.reserved_ranges().filter(|range| !is_within(range, &after));
        let ranges = ranges.map(|range| match range.len() {
            1 => range.start.to_string(),
            _ => format!("{} to {}", range.start, range.end - 1),
        });
        let names = written.reserved_names().filter(|name| read.reserved_names().all(|it| it != *name));
        for what in ranges.chain(names.map(|name| format!("{name:?}"))) {
            let message = local(written);
            self.stricter(format!("{message} reserves {what} in {writer}, and not in {reader}"));
        }
    }

    /// Enums of one place, by name. Constants that are not known are read as numbers.
    fn enums(&mut self, written: &[EnumDescriptor], read: &[EnumDescriptor]) {
        let Sides { writer, reader } = self.sides;
        for (before, after) in
            written.iter().filter_map(|it| Some((it, read.iter().find(|read| read.name() == it.name())?)))
        {
            for constant in before.values() {
                let (name, number) = (constant.name(), constant.number());
                let what = match after.get_value(number) {
                    Some(read) if read.name() == name || after.get_value_by_name(name).is_some() => continue,
                    Some(read) => format!("called {} in {reader}", read.name()),
                    None => format!("in {writer}, and not in {reader}"),
                };
                self.stricter(format!("constant {name} ({number}) of enum {} is {what}", before.name()));
            }
        }
    }

    fn services(&mut self, written: &FileDescriptor, read: &FileDescriptor) {
        let Sides { writer, reader } = self.sides;
        let calls = |service: &ServiceDescriptor| -> BTreeMap<String, String> {
            let stream = |is: bool| if is { "stream " } else { "" };
            let methods = service.methods().map(|call| {
                let (input, output) = (call.input(), call.output());
                let takes = format!("{}{}", stream(call.is_client_streaming()), local(&input));
                let gives = format!("{}{}", stream(call.is_server_streaming()), local(&output));
                (call.name().to_owned(), format!("({takes}) returns ({gives})"))
            });
            methods.collect()
        };
        for service in written.services() {
            let after = read.services().find(|it| it.name() == service.name());
            let after = after.map(|it| calls(&it)).unwrap_or_default();
            for (name, call) in calls(&service) {
                let at = format!("rpc {}.{name}", service.name());
                match after.get(&name) {
                    Some(known) if *known == call => (),
                    Some(known) => {
                        self.stricter(format!("{at} is {call} in {writer}, and {known} in {reader}"));
                    }
                    None => self.stricter(format!("{at} is in {writer}, and not in {reader}")),
                }
            }
        }
    }
}

/// A field as a line calls it.
fn place(field: &FieldDescriptor) -> String {
    format!("{}.{} (number {})", local(field.parent_message()), field.name(), field.number())
}

/// A message's name within its package.
fn local(message: &MessageDescriptor) -> String {
    let (name, package) = (message.full_name(), message.package_name());
    let within = name.strip_prefix(package).and_then(|name| name.strip_prefix('.'));
    within.unwrap_or(name).to_owned()
}

/// The oneof that a field is a member of, if it has been written as one.
fn choice(field: &FieldDescriptor) -> Option<prost_reflect::OneofDescriptor> {
    field.containing_oneof().filter(|oneof| !oneof.is_synthetic())
}

/// The field that holds a map's values; of what is no map, itself.
fn value(field: &FieldDescriptor) -> FieldDescriptor {
    match field.kind() {
        Kind::Message(entry) if entry.is_map_entry() => entry.map_entry_value_field(),
        _ => field.clone(),
    }
}

/// Whether a range is within others.
fn is_within(range: &Range<u32>, others: &[Range<u32>]) -> bool {
    let mut next = range.start;
    while next < range.end {
        match others.iter().find(|other| other.contains(&next)) {
            Some(other) => next = other.end,
            None => return false,
        }
    }
    true
}

/// Its label and its type, as one would write them.
fn described(field: &FieldDescriptor) -> String {
    let name = |field: &FieldDescriptor| match field.kind() {
        Kind::Message(message) => local(&message),
        Kind::Enum(of) => of.name().to_owned(),
        scalar => format!("{scalar:?}"),
    };
    if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
        let [key, value] = [entry.map_entry_key_field(), entry.map_entry_value_field()].map(|it| name(&it));
        return format!("map<{key}, {value}>");
    }
    let label = match () {
        () if field.is_list() => "repeated ",
        () if field.is_required() => "required ",
        () if is_optional(field) => "optional ",
        () => "",
    };
    let group = if field.is_group() { "group " } else { "" };
    format!("{label}{group}{}", name(field))
}

/// It says `optional`: in proto3 one can, in proto2 one must.
fn is_optional(field: &FieldDescriptor) -> bool {
    let is_proto2 = matches!(field.parent_file().syntax(), prost_reflect::Syntax::Proto2);
    let is_bare = field.containing_oneof().is_none() && !field.is_list() && !field.is_required();
    field.field_descriptor_proto().proto3_optional() || (is_proto2 && is_bare)
}

/// Whether the reader takes one value's bytes for what they are.
fn is_read_as(written: &FieldDescriptor, read: &FieldDescriptor) -> bool {
    if let (true, Kind::Message(written), true, Kind::Message(read)) =
        (written.is_map(), written.kind(), read.is_map(), read.kind())
    {
        return is_read_as(&written.map_entry_key_field(), &read.map_entry_key_field())
            && is_read_as(&written.map_entry_value_field(), &read.map_entry_value_field());
    }
    match (written.kind(), read.kind()) {
        (Kind::Message(_), Kind::Message(_)) => written.is_group() == read.is_group(),
        (Kind::Message(_), Kind::Bytes) => !written.is_group(),
        (Kind::Message(_), _) | (_, Kind::Message(_)) => false,
        (written, read) => alike(&written) == alike(&read),
    }
}

/// Scalars with the same number here are read as each other.
fn alike(kind: &Kind) -> u8 {
    match kind {
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Bool | Kind::Enum(_) => 0,
        Kind::Sint32 | Kind::Sint64 => 1,
        Kind::String | Kind::Bytes => 2,
        Kind::Fixed32 | Kind::Sfixed32 => 3,
        Kind::Fixed64 | Kind::Sfixed64 => 4,
        Kind::Float => 5,
        Kind::Double => 6,
        Kind::Message(_) => 7,
    }
}

/// Whether there are as many values as the reader takes. Numbers that are packed are bytes to one who looks for a number.
fn is_label_read(written: &FieldDescriptor, read: &FieldDescriptor) -> bool {
    let is_packed_alone = written.is_list() && written.is_packed() && !read.is_list();
    let may_be_absent = read.is_required() && !written.is_required();
    !is_packed_alone && !may_be_absent
}

#[cfg(test)]
#[path = "protobuf_tests.rs"]
mod tests;
