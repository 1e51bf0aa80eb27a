//! Structs member by member, as JsonConverter, `Struct.toString` and SimpleHeaderConverter write them.

use super::converter::{Converter, HeaderConverter, Unsuited};
use super::{DecimalFormat, java, json, simple};
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
}

/// Writes one struct after another, each within the one that is open.
pub(super) struct Writer<'o> {
    pub(super) out: &'o mut Vec<u8>,
    form: Form,
    is_first: bool,
}

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
        let mut writer = Writer { out, form, is_first: true };
        writer.begin();
        writer
    }

    /// Ends the struct that is open.
    pub(super) fn close(&mut self) {
        self.out.push(b'}');
        self.is_first = false;
    }

    /// A member that is a struct; [`Writer::close`] ends it.
    pub(super) fn within(&mut self, name: &str) {
        self.name(name);
        self.begin();
    }

    /// A member that is not there.
    pub(super) fn null(&mut self, name: &str) {
        if self.form != Form::Java {
            self.name(name);
            self.out.extend_from_slice(b"null");
        }
    }

    /// A number.
    pub(super) fn number(&mut self, name: &str, number: i64) {
        self.name(name);
        java::integer(number, self.out);
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.bare(text);
    }

    /// A value of a column. `default` is that of its schema.
    pub(super) fn value(&mut self, name: &str, kind: &Kind, value: &Value<'_>, default: Option<&Value<'_>>) {
        match self.form {
            Form::Json { decimals, replace } => {
                let value = match (value, default) {
                    (Value::Null, Some(default)) if replace => default,
                    _ => value,
                };
                self.name(name);
                json::write(kind, value, decimals, self.out);
            }
            Form::Java if *value == Value::Null => {}
            Form::Java => {
                self.name(name);
                java::write(kind, value, self.out);
            }
            Form::Simple => {
                self.name(name);
                simple::embedded(
                    kind,
                    if *value == Value::Null { default.unwrap_or(value) } else { value },
                    self.out,
                );
            }
        }
    }

    /// The name of a member whose value the caller writes to `out`.
    pub(super) fn name(&mut self, name: &str) {
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
        }
    }

    /// A text without a name.
    pub(super) fn bare(&mut self, text: &str) {
        match self.form {
            Form::Java => self.out.extend_from_slice(text.as_bytes()),
            Form::Json { .. } | Form::Simple => json::string(text, self.out),
        }
    }

    /// A struct without a name, in a list.
    pub(super) fn begin(&mut self) {
        self.out.extend_from_slice(if self.form == Form::Java { b"Struct{" } else { b"{" });
        self.is_first = true;
    }
}
