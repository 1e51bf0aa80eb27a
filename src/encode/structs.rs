//! Structs member by member, as JsonConverter, `Struct.toString` and SimpleHeaderConverter write them.

use super::avro::binary;
use super::converter::{Converter, HeaderConverter, Unsuited};
use super::inferred::message::{Place, Scalar, Unfit};
use super::protobuf::set_length;
use super::{DecimalFormat, Inferring, java, json, simple};
use crate::decode::value::{Kind, Value};

/// How structs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// JSON, every member there.
    Json {
        /// `decimal.format`.
        decimals: DecimalFormat,
        /// `replace.null.with.default`.
        replace: bool,
    },
    /// `Struct{a=1,b=x}`: members that are null are left out.
    Java,
    /// JSON, as SimpleHeaderConverter has it.
    Simple,
    /// Protobuf, each member by its number.
    Protobuf(Inferring),
    /// Avro, each member in its place.
    Avro,
}

/// Writes one struct after another, each within the one that is open.
pub(super) struct Writer<'o> {
    pub(super) out: &'o mut Vec<u8>,
    form: Form,
    is_first: bool,
    /// Of each struct that is open, how many members it has had and where its length is to be.
    open: [(u32, usize); DEEPEST],
    depth: usize,
    /// The next member's schema is optional.
    pub(super) optional: bool,
    /// It has a default.
    defaulted: bool,
    /// Some value had no place.
    unfit: bool,
}

/// Structs within structs.
const DEEPEST: usize = 4;

impl Form {
    /// That of a key or value converter.
    pub(super) fn of(converter: &Converter) -> Result<Form, Unsuited> {
        Ok(match converter.of_structs()? {
            Converter::Json { decimal, replace_null_with_default, .. } => {
                Form::Json { decimals: *decimal, replace: *replace_null_with_default }
            }
            _ => Form::Java,
        })
    }

    /// That of a header converter.
    pub(super) fn of_header(converter: &HeaderConverter) -> Result<Form, Unsuited> {
        match converter {
            HeaderConverter::Simple => Ok(Form::Simple),
            HeaderConverter::As(converter) => Form::of(converter),
        }
    }
}

impl<'o> Writer<'o> {
    /// Begins a struct at the end of `out`.
    pub(super) fn open(form: Form, out: &'o mut Vec<u8>) -> Writer<'o> {
        let open = [(0, out.len()); DEEPEST];
        let (is_first, depth, optional, defaulted, unfit) = (true, 0, false, false, false);
        let mut writer = Writer { out, form, is_first, open, depth, optional, defaulted, unfit };
        writer.begin();
        writer
    }

    /// Ends the struct that is open.
    pub(super) fn close(&mut self) {
        match self.form {
            Form::Protobuf(_) if self.depth == 0 => {}
            Form::Protobuf(_) => {
                set_length(self.open[self.depth].1, self.out);
                self.depth -= 1;
            }
            Form::Avro => {}
            _ => self.out.push(b'}'),
        }
        self.is_first = false;
    }

    /// The next member may be null by its schema, which only Protobuf and Avro mind.
    pub(super) fn optional(&mut self) -> &mut Writer<'o> {
        self.optional = true;
        self
    }

    /// The next member may be null by its schema, which has a default for it.
    pub(super) fn defaulted(&mut self) -> &mut Writer<'o> {
        self.defaulted = true;
        self.optional()
    }

    /// Whether a member that is null has its schema's default, if there is one.
    pub(super) fn asks_defaults(&self) -> bool {
        !matches!(self.form, Form::Java | Form::Json { replace: false, .. })
    }

    /// Whether some value had no place in its schema.
    pub(super) fn is_unfit(&self) -> bool {
        self.unfit
    }

    /// A member that is a struct; [`Writer::close`] ends it.
    pub(super) fn within(&mut self, name: &str) {
        match self.place() {
            Some(place) => self.enter(place),
            None => {
                self.name(name);
                self.begin();
            }
        }
    }

    /// A member that is not there.
    pub(super) fn null(&mut self, name: &str) {
        if self.form == Form::Avro {
            let default = std::mem::take(&mut self.defaulted);
            self.optional = false;
            binary::Place { optional: true, default }.branch(true, self.out);
        } else if self.place().is_none() && self.form != Form::Java {
            self.name(name);
            self.out.extend_from_slice(b"null");
        }
    }

    /// A number.
    pub(super) fn number(&mut self, name: &str, number: i64) {
        match self.place() {
            Some(place) => place.scalar(&Scalar::whole(number), self.out),
            None if self.form == Form::Avro => binary::long(number, self.out),
            None => {
                self.name(name);
                java::integer(number, self.out);
            }
        }
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        match (self.place(), self.form) {
            (Some(place), _) => place.scalar(&Scalar::Bytes(text.as_bytes()), self.out),
            (None, Form::Avro) => binary::bytes(text.as_bytes(), self.out),
            (None, Form::Java) => {
                self.name(name);
                self.out.extend_from_slice(text.as_bytes());
            }
            (None, _) => {
                self.name(name);
                json::string(text, self.out);
            }
        }
    }

    /// A text that `write` appends, and that is not empty; what it needs of quotes it is given.
    pub(super) fn composed(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>, &[u8])) {
        match (self.place(), self.form) {
            (Some(place), _) => place.composed(self.out, |out| write(out, b"\"")),
            (None, Form::Avro) => {
                let start = self.out.len();
                write(self.out, b"\"");
                // Its length comes before it.
                let end = self.out.len();
                binary::long((end - start) as i64, self.out);
                let length = self.out.len() - end;
                self.out[start..].rotate_right(length);
            }
            (None, Form::Java) => {
                self.name(name);
                write(self.out, b"\"");
            }
            (None, _) => {
                self.name(name);
                self.out.push(b'"');
                write(self.out, b"\\\"");
                self.out.push(b'"');
            }
        }
    }

    /// A list of structs that may be null by their schema, the members of each by `write`.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        items: impl Iterator<Item = T>,
        mut write: impl FnMut(&mut Writer<'o>, T),
    ) {
        let place = self.place();
        if self.form == Form::Avro {
            let items: Vec<T> = items.collect();
            if !items.is_empty() {
                binary::long(items.len() as i64, self.out);
            }
            for item in items {
                self.optional().place();
                write(self, item);
            }
            return binary::long(0, self.out);
        }
        if place.is_none() {
            self.name(name);
            self.out.push(b'[');
        }
        let separator: &[u8] = if self.form == Form::Java { b", " } else { b"," };
        for (index, item) in items.enumerate() {
            match place {
                Some(place) => self.enter(place),
                None => {
                    self.out.extend_from_slice(if index > 0 { separator } else { b"" });
                    self.begin();
                }
            }
            write(self, item);
            self.close();
        }
        if place.is_none() {
            self.out.push(b']');
        }
    }

    /// A value of a column. `default` is that of its schema.
    pub(super) fn value(&mut self, name: &str, kind: &Kind, value: &Value<'_>, default: Option<&Value<'_>>) {
        // Avro's values tell themselves whether they are null.
        let place = if self.form == Form::Avro { None } else { self.place() };
        match self.form {
            Form::Json { decimals, replace } => {
                let value = match (value, default) {
                    (Value::Null, Some(default)) if replace => default,
                    _ => value,
                };
                self.name(name);
                json::write(kind, value, decimals, self.out);
            }
            Form::Java if value.is_null() => {}
            Form::Java => {
                self.name(name);
                java::write(kind, value, self.out);
            }
            Form::Simple => {
                self.name(name);
                simple::embedded(
                    kind,
                    if value.is_null() { default.unwrap_or(value) } else { value },
                    self.out,
                );
            }
            Form::Protobuf(_) => {
                let value = if value.is_null() { default.unwrap_or(value) } else { value };
                let written = place.map(|place| place.value(kind, value, self.out));
                self.unfit |= matches!(written, Some(Err(Unfit)));
            }
            Form::Avro => {
                let optional = std::mem::take(&mut self.optional);
                let place = binary::Place { optional, default: default.is_some() };
                let value = if value.is_null() { default.unwrap_or(value) } else { value };
                self.unfit |= binary::value(kind, value, place, self.out).is_err();
            }
        }
    }

    /// The name of a member whose value follows.
    fn name(&mut self, name: &str) {
        if self.form == Form::Avro {
            return;
        }
        if !std::mem::replace(&mut self.is_first, false) {
            self.out.push(b',');
        }
        match self.form {
            Form::Json { .. } => {
                json::string(name, self.out);
                self.out.push(b':');
            }
            Form::Java => {
                self.out.extend_from_slice(name.as_bytes());
                self.out.push(b'=');
            }
            Form::Simple => simple::member(name, self.out),
            Form::Protobuf(_) | Form::Avro => {}
        }
    }

    /// The number of the next member, in Protobuf. In Avro, appends that it is not null, where it may be.
    fn place(&mut self) -> Option<Place> {
        let optional = std::mem::take(&mut self.optional);
        let default = std::mem::take(&mut self.defaulted);
        if self.form == Form::Avro {
            binary::Place { optional, default }.branch(false, self.out);
        }
        let Form::Protobuf(how) = self.form else { return None };
        let number = &mut self.open[self.depth].0;
        *number += 1;
        Some(Place { number: *number, optional, how })
    }

    fn enter(&mut self, place: Place) {
        self.depth += 1;
        self.open[self.depth] = (0, place.begin(self.out));
    }

    /// A struct without a name.
    fn begin(&mut self) {
        let begin: &[u8] = match self.form {
            Form::Java => b"Struct{",
            Form::Protobuf(_) | Form::Avro => b"",
            _ => b"{",
        };
        self.out.extend_from_slice(begin);
        self.is_first = true;
    }
}
