//! CloudEvents, by the configuration alone: attributes as headers, or as members of the object around the data.

use super::columns::Column;
use super::wire::{Form, Wire, text};
use crate::decode::value::Kind;
use crate::encode::cloudevents::{self, CloudEvents, Mode};
use crate::encode::{Converter, DecimalFormat};
use crate::route::Place;
use serde_json::{Map, Value, json};

/// The media type of events in JSON.
pub const ENVELOPED: &str = "application/cloudevents+json";

/// An attribute: its schema, and whether every event has it.
struct Attribute {
    name: String,
    schema: Value,
    always: bool,
}

impl Attribute {
    /// One that every event has.
    fn fixed(name: &str, schema: Value) -> Attribute {
        Attribute { name: name.to_owned(), schema, always: true }
    }

    /// Adds it to what an object has, and to what it always has.
    fn add(self, members: &mut Map<String, Value>, always: &mut Vec<String>) {
        if self.always {
            always.push(self.name.clone());
        }
        members.insert(self.name, self.schema);
    }
}

impl Wire<'_> {
    fn cloud(&self) -> Option<&CloudEvents> {
        self.config.encode.cloud.as_ref()
    }

    /// Values are JSON objects around the data.
    pub fn is_enveloped(&self) -> bool {
        self.cloud().is_some_and(|cloud| match cloud.mode {
            Mode::Binary => false,
            Mode::Structured => true,
            Mode::Debezium => cloud.record.is_none(),
        })
    }

    /// How values are written.
    pub fn value_form(&self) -> Form {
        if self.is_enveloped() { Form::Json(DecimalFormat::Base64) } else { self.data_form() }
    }

    /// Media type and schema of values of which nothing more is known than their column.
    pub fn value(&self) -> (&'static str, Value) {
        if self.is_enveloped() { (ENVELOPED, self.around(None)) } else { self.data() }
    }

    /// The media type that the configuration says data has.
    pub fn content_type(&self) -> Option<&str> {
        let binary = self.cloud().filter(|cloud| cloud.mode == Mode::Binary);
        binary.and_then(|cloud| cloud.content_type.as_deref())
    }

    /// The event's type among its attributes, without what stands before it.
    pub fn attribute_type<'v>(
        &self,
        headers: &'v Map<String, Value>,
        value: Option<&'v Value>,
    ) -> Option<&'v str> {
        let cloud = self.cloud()?;
        let found = if self.is_enveloped() { value?.get("type") } else { headers.get("ce_type") };
        let text = found?.as_str()?;
        Some(text.strip_prefix(&cloud.type_prefix).unwrap_or(text))
    }

    /// Adds the headers of events: of a value, for a tombstone is no message.
    pub(super) fn add_attributes(&self, headers: &mut Map<String, Value>, always: &mut Vec<String>) {
        let Some(cloud) = self.cloud() else { return };
        let mut add = |attribute: Attribute| attribute.add(headers, always);
        match cloud.mode {
            Mode::Debezium => {}
            Mode::Structured => {
                add(Attribute::fixed("content-type", json!({ "const": CloudEvents::STRUCTURED })));
            }
            Mode::Binary => {
                add(Attribute::fixed("content-type", constant(self.media().as_deref())));
                for attribute in self.attributes(cloud) {
                    add(Attribute { name: format!("ce_{}", attribute.name), ..attribute });
                }
            }
        }
    }

    /// The object around the data, of which `seen` is what a sample shows.
    pub fn around(&self, seen: Option<Value>) -> Value {
        let Some(cloud) = self.cloud() else { return json!({}) };
        let (mut members, mut always) = (Map::new(), Vec::new());
        let mut add = |attribute: Attribute| attribute.add(&mut members, &mut always);
        self.attributes(cloud).into_iter().for_each(&mut add);
        let has_data = self.has_data(cloud);
        let media = self.media();
        add(Attribute {
            name: "datacontenttype".to_owned(),
            schema: constant(media.as_deref()),
            always: has_data,
        });
        let encoded = || {
            let mut schema = json!({ "type": "string", "contentEncoding": "base64" });
            if let Some(media) = &media {
                schema["contentMediaType"] = json!(media);
            }
            schema
        };
        let (name, schema) = match (self.form_of_data(), cloud.mode) {
            (Some(cloudevents::Form::Bytes), Mode::Debezium) => ("data", encoded()),
            (Some(cloudevents::Form::Bytes), _) => ("data_base64", encoded()),
            (Some(cloudevents::Form::Text), _) => ("data", json!({ "type": "string" })),
            (Some(cloudevents::Form::Json { .. }), _) => ("data", seen.unwrap_or_else(|| self.json())),
            (None, _) => ("data", seen.unwrap_or_else(|| json!({}))),
        };
        add(Attribute { name: name.to_owned(), schema, always: has_data });
        json!({ "type": "object", "required": always, "properties": members })
    }

    /// Data that is JSON: as the converter has it, or any that is in bytes or texts which are said to be JSON.
    fn json(&self) -> Value {
        match self.data_form() {
            Form::Json(_) | Form::JsonBesideSchema(_) => self.data().1,
            _ => json!({}),
        }
    }

    /// Whether each event has data: a NULL may be none.
    fn has_data(&self, cloud: &CloudEvents) -> bool {
        let route = &self.config.route;
        let may_be_null = self.columns.get(&route.payload).is_none_or(|column| column.optional);
        let is_struct = self.placed(Place::Envelope).next().is_some();
        // JsonConverter writes NULL as JSON does.
        let is_json = matches!(self.data_form(), Form::Json(_) | Form::JsonBesideSchema(_));
        !may_be_null || is_struct || is_json || cloud.mode == Mode::Debezium
    }

    /// All but those of the data; in the order in which they are written.
    fn attributes(&self, cloud: &CloudEvents) -> Vec<Attribute> {
        let source = match cloud.source.contains(CloudEvents::TABLE) {
            true => json!({ "type": "string", "format": "uri-reference" }),
            false => json!({ "const": cloud.source }),
        };
        let mut all = vec![
            Attribute::fixed("specversion", json!({ "const": "1.0" })),
            Attribute::fixed("source", source),
        ];
        let route = &self.config.route;
        for (name, column) in route.attributes.iter().flatten() {
            all.push(self.attribute(name, column, true));
        }
        for placed in self.placed(Place::Attribute) {
            all.push(self.attribute(&placed.alias, &placed.column, !route.ignore_missing));
        }
        if cloud.mode == Mode::Debezium {
            all.push(Attribute::fixed("time", json!({ "type": "string", "format": "date-time" })));
        } else if route.trace.is_some() {
            all.extend(["traceparent", "tracestate"].map(|name| Attribute {
                name: name.to_owned(),
                schema: json!({ "type": "string" }),
                always: false,
            }));
        }
        if let Some(uri) = &cloud.data_schema {
            // Where the application frames, what it frames has an id.
            let is_known = !uri.contains(CloudEvents::ID) || matches!(self.data_form(), Form::Framed(_));
            let schema = json!({ "type": "string", "format": "uri" });
            let always = is_known && (cloud.mode == Mode::Binary || self.has_data(cloud));
            all.push(Attribute { name: "dataschema".to_owned(), schema, always });
        }
        all
    }

    /// One of a column. NULL and an empty text are none, but of `id` and `type`, without which there is no event.
    fn attribute(&self, name: &str, column: &str, is_there: bool) -> Attribute {
        let column = self.columns.get(column);
        let kind = column.and_then(|column| column.kind.as_ref());
        let is_moment = kind.is_some_and(Kind::is_moment);
        let is_number = kind.is_some_and(|kind| matches!(kind.connect_type(), "INT16" | "INT32" | "INT64"));
        let schema = match (name, kind) {
            ("sequence", Some(_)) if is_number => json!({ "type": "string", "pattern": "^[0-9]{19}$" }),
            ("type", _) => json!({ "type": "string" }),
            _ if is_moment => json!({ "type": "string", "format": "date-time" }),
            (_, kind) => text(kind),
        };
        let may_be_empty = |kind: &Kind| {
            kind.is_string() && !is_moment && !matches!(kind, Kind::Uuid | Kind::Enum(_) | Kind::Json)
        };
        let is_text = |column: &Column| column.kind.as_ref().is_none_or(may_be_empty);
        let is_filled = column.is_some_and(|column| !column.optional && !is_text(column));
        let always = matches!(name, "id" | "type") || (is_there && is_filled);
        Attribute { name: name.to_owned(), schema, always }
    }

    /// The data's media type, where it is one.
    fn media(&self) -> Option<String> {
        let cloud = self.cloud()?;
        cloud.content_type.clone().or_else(|| Some(self.made(cloud)?.0.to_owned()))
    }

    fn form_of_data(&self) -> Option<cloudevents::Form> {
        self.cloud().and_then(|cloud| self.made(cloud)).map(|(_, form)| form)
    }

    /// What the encoder makes of payloads; `None` where that depends on the table.
    fn made<'c>(&self, cloud: &'c CloudEvents) -> Option<(&'c str, cloudevents::Form)> {
        let encode = &self.config.encode;
        let kind = self.columns.get(&self.config.route.payload).and_then(|column| column.kind.as_ref());
        let depends = !matches!(encode.value, Converter::Json { .. } | Converter::Framed(_));
        let kind = match kind {
            None if depends => return None,
            kind => kind.unwrap_or(&Kind::String),
        };
        let is_alone = self.placed(Place::Envelope).next().is_none();
        Some(cloud.data(&encode.value, (kind, is_alone), encode.expand.is_some()))
    }
}

fn constant(text: Option<&str>) -> Value {
    text.map_or_else(|| json!({ "type": "string" }), |text| json!({ "const": text }))
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
