//! A JSON payload held against a registered JSON Schema.
//!
//! Enters: a text and a [`Plan`]. Leaves: nothing, for the text is published as it is; or a [`Mismatch`] with the path of
//! what does not fit: names that the schema has and numbers of items, never a value.

use super::framed::{Mismatch, Step};
use crate::registry::Referenced;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use jsonschema::{Draft, Retrieve, Uri, ValidationError, Validator};
use serde_json::Value;
use std::collections::HashMap;
use std::error::Error;

/// A schema, made ready.
#[derive(Debug)]
pub(super) struct Plan {
    validator: Validator,
}

impl Plan {
    /// Reads a schema's text, and those it refers to. The error says what is not understood.
    pub(super) fn new(text: &str, references: &[Referenced]) -> Result<Plan, String> {
        let schema = parse(text)?;
        let mut known = HashMap::new();
        for Referenced { name, schema } in references {
            let schema = parse(schema).map_err(|error| format!("{name}: {error}"))?;
            known.insert(name.clone(), schema);
        }
        let mut options = jsonschema::options();
        // What Confluent's registry takes a schema for that does not say.
        if schema.get("$schema").is_none() {
            options = options.with_draft(Draft::Draft7);
        }
        let built = options.with_retriever(Known(known)).build(&schema);
        let validator = built.map_err(|error| format!("it is no JSON Schema that is understood: {error}"))?;
        Ok(Plan { validator })
    }

    /// Whether the text is JSON that the schema takes.
    pub(super) fn check(&self, text: &str) -> Result<(), Box<Mismatch>> {
        let Ok(value) = serde_json::from_str(text) else { return Err(Mismatch::new("is not JSON")) };
        self.validator.validate(&value).map_err(|error| mismatch(&error))
    }
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))
}

/// The schemas that are referred to, by the names under which the registry has them. Nothing is fetched from elsewhere.
struct Known(HashMap<String, Value>);

impl Retrieve for Known {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        let uri = uri.as_str();
        // A name without a scheme has been resolved against whatever its schema is called.
        let is_meant = |name: &str| {
            uri == name || uri.strip_suffix(name).is_some_and(|before| before.ends_with(['/', ':']))
        };
        let found = self.0.iter().find(|(name, _)| is_meant(name));
        found.map(|(_, schema)| schema.clone()).ok_or_else(|| "the schema has no such reference".into())
    }
}

fn mismatch(error: &ValidationError<'_>) -> Box<Mismatch> {
    use ValidationErrorKind as Kind;
    let mut innermost = None;
    let what = match error.kind() {
        Kind::Required { property } => {
            innermost = property.as_str().map(str::to_owned);
            "is missing, and the schema requires it".to_owned()
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            innermost = unexpected.first().map(|name| name.chars().take(64).collect());
            "is not in the schema".to_owned()
        }
        Kind::Type { kind } => format!("is {}, not {}", named(error.instance()), expected(kind)),
        Kind::Enum { .. } => "is none of the enum's values".to_owned(),
        Kind::Constant { .. } => "is not the one value that the schema has for it".to_owned(),
        Kind::Format { format } => format!("is no {format}"),
        Kind::Pattern { .. } => "does not match the pattern".to_owned(),
        Kind::OneOfMultipleValid { .. } => "fits more than one schema of oneOf".to_owned(),
        Kind::OneOfNotValid { .. } | Kind::AnyOf { .. } => {
            format!("fits no schema of {}", error.kind().keyword())
        }
        Kind::FalseSchema => "is not in the schema".to_owned(),
        kind => format!("does not fit the schema's {}", kind.keyword()),
    };
    let mut mismatch = Mismatch::new(what);
    if let Some(name) = innermost {
        mismatch = mismatch.within(Step::Field(name));
    }
    path(error).into_iter().rev().fold(mismatch, |mismatch, step| mismatch.within(step))
}

/// The way to what does not fit. A name is told if it is one of the schema's: any other is data.
fn path(error: &ValidationError<'_>) -> Vec<Step> {
    let mut told = are_told(error).into_iter();
    let steps = error.instance_path().segments().map(|segment| match segment {
        LocationSegment::Index(number) => Step::Item(number),
        LocationSegment::Property(name) => match told.next() {
            Some(true) => Step::Field(name.into_owned()),
            _ => Step::Value,
        },
    });
    steps.collect()
}

/// Of the names on the way, which are the schema's.
fn are_told(error: &ValidationError<'_>) -> Vec<bool> {
    let mut told = Vec::new();
    let mut segments = error.evaluation_path().segments();
    while let Some(segment) = segments.next() {
        let LocationSegment::Property(keyword) = segment else { continue };
        match &*keyword {
            "properties" => {
                told.push(true);
                segments.next();
            }
            "patternProperties" => {
                told.push(false);
                segments.next();
            }
            "additionalProperties" | "unevaluatedProperties" => told.push(false),
            // A name of the schema's own follows, and leads no deeper into the payload.
            "dependentSchemas" | "dependencies" | "$defs" | "definitions" => {
                segments.next();
            }
            _ => {}
        }
    }
    told
}

fn named(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn expected(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.as_str().to_owned(),
        TypeKind::Multiple(some) => some.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(" or "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(schema: &str) -> Plan {
        Plan::new(schema, &[]).unwrap()
    }

    fn wrong(plan: &Plan, text: &str) -> String {
        plan.check(text).unwrap_err().detail()
    }

    const ORDER: &str = r##"{"type":"object","required":["id"],"additionalProperties":false,"properties":{
        "id":{"type":"integer"},"state":{"enum":["placed"]},"at":{"type":"string","format":"date-time"},
        "note":{"oneOf":[{"type":"null"},{"type":"string","maxLength":3}]},
        "lines":{"type":"array","items":{"$ref":"#/definitions/line"}},
        "tags":{"type":"object","additionalProperties":{"type":"integer"}}},
        "definitions":{"line":{"type":"object","properties":{"count":{"type":"integer"}}}}}"##;

    #[test]
    fn what_fits_passes_and_what_does_not_is_told_by_its_path() {
        let plan = plan(ORDER);
        let fits =
            r#" {"id":1,"lines":[{"count":2}],"tags":{"a":1},"note":null,"at":"2024-02-29T12:00:00Z"}"#;
        assert!(plan.check(fits).is_ok());
        for (text, expected) in [
            (r#"{}"#, "$.id is missing, and the schema requires it"),
            (r#"{"id":1,"more":2}"#, "$.more is not in the schema"),
            (r#"{"id":"hush"}"#, "$.id is text, not integer"),
            (r#"{"id":1,"state":"hush"}"#, "$.state is none of the enum's values"),
            (r#"{"id":1,"at":"hush"}"#, "$.at is no date-time"),
            (r#"{"id":1,"note":"hush"}"#, "$.note fits no schema of oneOf"),
            (r#"{"id":1,"lines":[{"count":2},{"count":"hush"}]}"#, "$.lines[1].count is text, not integer"),
            ("{\"id\":", "$ is not JSON"),
        ] {
            assert_eq!(wrong(&plan, text), expected);
        }
    }

    #[test]
    fn names_that_are_data_are_not_told() {
        let plan = plan(ORDER);
        assert_eq!(wrong(&plan, r#"{"id":1,"tags":{"hush":"x"}}"#), "$.tags{} is text, not integer");
        let patterns = r#"{"patternProperties":{"^a":{"properties":{"n":{"type":"integer"}}}}}"#;
        let plan = self::plan(patterns);
        assert_eq!(wrong(&plan, r#"{"ahush":{"n":"x"}}"#), "${}.n is text, not integer");
    }

    #[test]
    fn references_are_those_of_the_registry_and_of_nobody_else() {
        let schema = r#"{"properties":{"line":{"$ref":"line.json"}}}"#;
        let line = r#"{"properties":{"price":{"$ref":"https://acme.example/money.json"}}}"#;
        let reference = |name: &str, schema: &str| Referenced { name: name.into(), schema: schema.into() };
        let all = [
            reference("https://acme.example/money.json", r#"{"type":"number"}"#),
            reference("line.json", line),
        ];
        let plan = Plan::new(schema, &all).unwrap();
        assert!(plan.check(r#"{"line":{"price":1.5}}"#).is_ok());
        assert_eq!(wrong(&plan, r#"{"line":{"price":"hush"}}"#), "$.line.price is text, not number");
        let error = Plan::new(schema, &all[..1]).unwrap_err();
        assert!(error.contains("line.json"), "{error}");
        assert!(Plan::new("{", &[]).unwrap_err().contains("not JSON"));
        assert!(Plan::new(r#"{"type":"record"}"#, &[]).is_err());
    }

    #[test]
    fn a_schema_that_does_not_say_is_draft_7() {
        // In later drafts what stands beside `$ref` counts, too.
        let schema = r##"{"properties":{"a":{"$ref":"#/definitions/any","type":"integer"}},"definitions":{"any":{}}}"##;
        assert!(plan(schema).check(r#"{"a":"text"}"#).is_ok());
        let newer = format!(r#"{{"$schema":"https://json-schema.org/draft/2020-12/schema",{}"#, &schema[1..]);
        assert!(plan(&newer).check(r#"{"a":"text"}"#).is_err());
    }
}
