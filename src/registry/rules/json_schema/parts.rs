//! A schema taken apart: where its `$ref`s lead, what all its parts are, and which cases its unions make.

use crate::registry::Registered;
use fancy_regex::Regex;
use serde_json::{Map, Value};
use std::ptr;

/// The schema that nothing fits, and the one that everything fits.
pub(super) static NOTHING: Value = Value::Bool(false);
pub(super) static ANYTHING: Value = Value::Bool(true);

/// More cases than these are not looked at, nor unions within unions deeper than these.
const MOST_CASES: usize = 200;
const DEEPEST: usize = 12;

/// A schema's text and those that it refers to.
pub(in crate::registry::rules) struct Documents(Vec<Document>);

pub(super) struct Document {
    name: String,
    root: Value,
    /// Keywords beside a `$ref` count, as they do since draft 2019-09.
    has_siblings: bool,
}

impl Documents {
    pub(in crate::registry::rules) fn parse(registered: &Registered) -> Option<Documents> {
        let references = registered.references.iter();
        let mut documents = vec![Document::parse("", &registered.schema)?];
        // One that cannot be read is one that nothing is known of.
        documents.extend(references.filter_map(|it| Document::parse(&it.name, &it.schema)));
        Some(Documents(documents))
    }

    pub(super) fn root(&self) -> Part<'_> {
        Part { value: &self.0[0].root, document: &self.0[0], documents: self, is_chosen: false }
    }
}

impl Document {
    fn parse(name: &str, text: &str) -> Option<Document> {
        let root: Value = serde_json::from_str(text).ok()?;
        let draft = root.get("$schema").and_then(Value::as_str).unwrap_or_default();
        let has_siblings = draft.contains("2019-09") || draft.contains("2020-12");
        (root.is_object() || root.is_boolean()).then(|| Document {
            name: name.to_owned(),
            root,
            has_siblings,
        })
    }
}

/// A schema, and the text it is in.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) value: &'a Value,
    document: &'a Document,
    documents: &'a Documents,
    /// Its unions have been looked at: which branch it is says another part.
    is_chosen: bool,
}

impl<'a> Part<'a> {
    pub(super) fn with(self, value: &'a Value) -> Part<'a> {
        Part { value, is_chosen: false, ..self }
    }

    pub(super) fn get(self, keyword: &str) -> Option<&'a Value> {
        self.value.get(keyword)
    }

    pub(super) fn schema(self, keyword: &str) -> Option<Part<'a>> {
        let value = self.get(keyword)?;
        (value.is_object() || value.is_boolean()).then(|| self.with(value))
    }

    pub(super) fn list(self, keyword: &str) -> Option<impl Iterator<Item = Part<'a>> + use<'a>> {
        Some(self.get(keyword)?.as_array()?.iter().map(move |value| self.with(value)))
    }

    pub(super) fn map(self, keyword: &str) -> impl Iterator<Item = (&'a str, Part<'a>)> + use<'a> {
        let map = self.get(keyword).and_then(Value::as_object).into_iter().flat_map(Map::iter);
        map.map(move |(name, value)| (name.as_str(), self.with(value)))
    }

    pub(super) fn names(self, keyword: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.get(keyword).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    pub(super) fn number(self, keyword: &str) -> Option<f64> {
        self.get(keyword)?.as_f64()
    }

    pub(super) fn is_nothing(self) -> bool {
        self.value == &NOTHING
    }

    /// What it is known by.
    pub(super) fn key(self) -> (usize, bool) {
        (ptr::from_ref(self.value).addr(), self.is_chosen)
    }

    /// The schemas that a value must fit, all of them, to fit this one: itself, what it refers to, and those of its `allOf`.
    /// In the place of a `$ref` that leads nowhere stands `unknown`.
    pub(super) fn parts(self, unknown: &'static Value) -> Vec<Part<'a>> {
        let (mut parts, mut seen) = (Vec::new(), Vec::new());
        self.collect(unknown, &mut seen, &mut parts);
        parts
    }

    fn collect(self, unknown: &'static Value, seen: &mut Vec<(usize, bool)>, parts: &mut Vec<Part<'a>>) {
        if seen.contains(&self.key()) {
            return;
        }
        seen.push(self.key());
        if self.is_chosen {
            return parts.push(self);
        }
        if let Some(reference) = self.get("$ref").and_then(Value::as_str) {
            match self.referred(reference) {
                Some(part) => part.collect(unknown, seen, parts),
                None => parts.push(self.with(unknown)),
            }
            if !self.document.has_siblings {
                return;
            }
        }
        if ["$dynamicRef", "$recursiveRef"].iter().any(|keyword| self.get(keyword).is_some()) {
            parts.push(self.with(unknown));
        }
        parts.push(self);
        for part in self.list("allOf").into_iter().flatten() {
            part.collect(unknown, seen, parts);
        }
    }

    fn referred(self, reference: &str) -> Option<Part<'a>> {
        let (name, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let document = match name {
            "" => self.document,
            name => self.documents.0.iter().find(|document| {
                document.name == name || document.root.get("$id").and_then(Value::as_str) == Some(name)
            })?,
        };
        let pointer = percent_decoded(pointer);
        let value = match pointer.as_str() {
            "" => &document.root,
            anchor if !anchor.starts_with('/') => anchored(&document.root, anchor)?,
            pointer => document.root.pointer(pointer)?,
        };
        Some(Part { value, document, documents: self.documents, is_chosen: false })
    }

    /// What the value of a member of this name must fit, by this schema alone. By a pattern that is not understood, `unknown`.
    pub(super) fn member(self, name: &str, unknown: &'static Value) -> Vec<Part<'a>> {
        let mut schemas: Vec<Part<'a>> =
            self.map("properties").filter(|(named, _)| *named == name).map(|(_, schema)| schema).collect();
        for (pattern, schema) in self.map("patternProperties") {
            match Regex::new(pattern).ok().and_then(|pattern| pattern.is_match(name).ok()) {
                Some(true) => schemas.push(schema),
                Some(false) => (),
                None => schemas.push(self.with(unknown)),
            }
        }
        if schemas.is_empty() { self.others().into_iter().collect() } else { schemas }
    }

    /// What members fit that it does not name; none where nothing is said of them.
    pub(super) fn others(self) -> Option<Part<'a>> {
        self.schema("additionalProperties").or_else(|| self.schema("unevaluatedProperties"))
    }

    /// What an array's first items fit, one by one, and what the others do.
    pub(super) fn items(self) -> (Vec<Part<'a>>, Option<Part<'a>>) {
        let unevaluated = || self.schema("unevaluatedItems");
        let tuple = |keyword| self.list(keyword).into_iter().flatten().collect::<Vec<_>>();
        if self.get("prefixItems").is_some() {
            return (tuple("prefixItems"), self.schema("items").or_else(unevaluated));
        }
        if self.get("items").is_some_and(Value::is_array) {
            return (tuple("items"), self.schema("additionalItems").or_else(unevaluated));
        }
        (Vec::new(), self.schema("items").or_else(unevaluated))
    }

    /// There may be more to it than its own keywords.
    pub(super) fn is_composed(self) -> bool {
        ["allOf", "anyOf", "oneOf", "if", "$ref", "dependentSchemas"].iter().any(|it| self.get(it).is_some())
    }
}

fn anchored<'a>(value: &'a Value, anchor: &str) -> Option<&'a Value> {
    let is_it = |map: &Map<String, Value>| {
        map.get("$anchor").is_some_and(|it| it == anchor)
            || map.get("$id").and_then(Value::as_str).and_then(|id| id.strip_prefix('#')) == Some(anchor)
    };
    match value {
        Value::Object(map) if is_it(map) => Some(value),
        Value::Object(map) => map.values().find_map(|value| anchored(value, anchor)),
        Value::Array(list) => list.iter().find_map(|value| anchored(value, anchor)),
        _ => None,
    }
}

fn percent_decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        match piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&piece.as_bytes()[2..]);
            }
            None => {
                bytes.push(b'%');
                bytes.extend_from_slice(piece.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What fits all of the parts fits one of these cases: lists of parts whose unions need not be looked at any more. None
/// when there are too many to be looked at.
pub(super) fn cases<'a>(parts: &[Part<'a>], depth: usize) -> Option<Vec<Vec<Part<'a>>>> {
    if depth == DEEPEST {
        return None;
    }
    let mut cases = vec![Vec::new()];
    for part in parts {
        cases.iter_mut().for_each(|case| case.push(Part { is_chosen: true, ..*part }));
        for union in ["anyOf", "oneOf"] {
            let Some(branches) = part.list(union).filter(|_| !part.is_chosen) else { continue };
            let mut branched = Vec::new();
            for branch in branches {
                let of_branch = self::cases(&branch.parts(&NOTHING), depth + 1)?;
                let product =
                    cases.iter().flat_map(|case| of_branch.iter().map(|more| [&**case, more].concat()));
                branched.extend(product);
                if branched.len() > MOST_CASES {
                    return None;
                }
            }
            cases = branched;
        }
    }
    Some(cases)
}
