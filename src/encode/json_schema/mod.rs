//! A JSON payload held against a registered JSON Schema.
//!
//! Enters: a text and a [`Plan`]. Leaves: nothing, for the text is published as it is; or a [`Mismatch`] with the path of
//! what does not fit: names that the schema has and numbers of items, never a value.

mod compile;
mod plain;

use super::framed::filler::{Filler, Orders};
use super::framed::{Mismatch, Step};
use crate::registry::Referenced;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use jsonschema::{Draft, Retrieve, Uri, ValidationError, Validator};
use plain::Plain;
use serde_json::Value;
use std::collections::HashMap;
use std::error::Error;

/// A schema, made ready.
#[derive(Debug)]
pub(super) struct Plan {
    validator: Validator,
    /// What most payloads are seen to fit by; the others are the validator's.
    plain: Option<Plain>,
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
        Ok(Plan { validator, plain: draft(&schema).and_then(|draft| Plain::new(&schema, draft)) })
    }

    /// Whether the text is JSON that the schema takes. `orders` are of this plan.
    pub(super) fn check(
        &self,
        filler: &mut Filler,
        orders: &mut Orders,
        text: &str,
    ) -> Result<(), Box<Mismatch>> {
        if self.plain.as_ref().is_some_and(|plain| plain.fits(filler, orders, text)) {
            return Ok(());
        }
        let Ok(value) = serde_json::from_str(text) else { return Err(Mismatch::new("is not JSON")) };
        self.validator.validate(&value).map_err(|error| mismatch(&error))
    }
}

/// What a schema says it is written in, as far as it is known here.
fn draft(schema: &Value) -> Option<Draft> {
    match schema.get("$schema").map(|draft| draft.as_str().unwrap_or_default().trim_end_matches('#')) {
        None | Some("http://json-schema.org/draft-07/schema") => Some(Draft::Draft7),
        Some("https://json-schema.org/draft/2019-09/schema") => Some(Draft::Draft201909),
        Some("https://json-schema.org/draft/2020-12/schema") => Some(Draft::Draft202012),
        Some(_) => None,
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

    fn check(plan: &Plan, text: &str) -> Result<(), Box<Mismatch>> {
        plan.check(&mut Filler::new(), &mut Orders::new(), text)
    }

    fn wrong(plan: &Plan, text: &str) -> String {
        check(plan, text).unwrap_err().detail()
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
        assert!(check(&plan, fits).is_ok());
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
        assert!(check(&plan, r#"{"line":{"price":1.5}}"#).is_ok());
        assert_eq!(wrong(&plan, r#"{"line":{"price":"hush"}}"#), "$.line.price is text, not number");
        let error = Plan::new(schema, &all[..1]).unwrap_err();
        assert!(error.contains("line.json"), "{error}");
        assert!(Plan::new("{", &[]).unwrap_err().contains("not JSON"));
        assert!(Plan::new(r#"{"type":"record"}"#, &[]).is_err());
    }

    /// What is seen to fit here fits for the validator; and what payloads are made of is seen.
    #[test]
    fn what_surely_fits_is_what_the_validator_takes() {
        let schemas = [
            r##"{"type":"object","properties":{"a":{"$ref":"#"},"b":{"type":"string"},"c":true}}"##,
            r#"{"properties":{"a":{"type":["integer","null"],"minimum":1,"exclusiveMaximum":9}},"additionalProperties":false}"#,
            r#"{"additionalProperties":{"oneOf":[{"type":"null"},{"type":"string","maxLength":3,"minLength":1}]}}"#,
            r#"{"items":{"enum":["u","\u00fc",1,null,true,[1]]},"minItems":1,"maxItems":3}"#,
            r#"{"type":"array","items":{"type":"number","multipleOf":2}}"#,
            r#"{"items":{"type":["string","number"],"format":"date","pattern":"^2"}}"#,
            r##"{"definitions":{"n":{"const":3}},"items":{"anyOf":[{"$ref":"#/definitions/n"},{"type":"array"}]}}"##,
            r#"{"allOf":[{"required":["a"]},{"required":["b"]}],"properties":{"a":false,"b":{"exclusiveMinimum":2}}}"#,
            r##"{"allOf":[{"$ref":"#"}]}"##,
            r##"{"definitions":{"n":{"allOf":[{"$ref":"#/definitions/n"},{"$ref":"#/definitions/n"}]}},"items":{"$ref":"#/definitions/n"}}"##,
            r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","items":{"const":"u"},"title":"t"}"#,
        ];
        let texts = r#"1|1.0|1.5|-0|1e2|3|18446744073709551615|1e400|[1e400]|null|true|[]|{}|"\u00fc"|["u","ü",1]|[1,null,true]|[1.0]
            |[[1]]|[2,4]|[2,3]|["2024-02-29","2"]|["2024-02-29"]|[3,[]]|[3,{}]|{"a":{"a":{}}}|{"a":{"a":1},"b":"x"}|{"b":3}
            |{"a":null}|{"a":8}|{"a":9}|{"a":0}|{"a":1,"b":2}|{"a":"x","b":null}|{"a":"xyzä"}|{"a":""}|{"a":1,"a":"x"}|[null]
            |{"a":{"a":{"a":2},"c":1},"b":2}|{"a":"\ud800"}| [ 1 ] |[1] x|\f[1]|nul|01|[1,]||["u"]|["2024-02-30"]|[3,3,3,3]"#;
        let mut seen = Vec::new();
        for schema in schemas {
            let parsed = parse(schema).unwrap();
            let plain = Plain::new(&parsed, draft(&parsed).unwrap()).unwrap();
            let theirs = jsonschema::options().with_draft(draft(&parsed).unwrap()).build(&parsed).ok();
            let (mut filler, mut orders, mut count) = (Filler::new(), Orders::new(), 0);
            for text in texts.replace("\\f", "\u{c}").split('|') {
                let value: Result<Value, _> = serde_json::from_str(text);
                let takes = |value: &Value| theirs.as_ref().is_some_and(|theirs| theirs.is_valid(value));
                if plain.fits(&mut filler, &mut orders, text) {
                    count += 1;
                    assert!(value.is_ok_and(|value| takes(&value)), "{schema} {text}");
                }
            }
            seen.push(count);
        }
        // The one that is its own part is for the validator to decide.
        let unsure: Vec<usize> = (0..seen.len()).filter(|number| seen[*number] == 0).collect();
        assert_eq!(unsure, [8], "{seen:?}");
    }

    #[test]
    fn what_is_nested_too_deep_is_refused_and_not_followed() {
        let plan = plan(r##"{"items":{"$ref":"#"}}"##);
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(check(&plan, &nested(126)).is_ok());
        assert_eq!(wrong(&plan, &nested(128)), "$ is not JSON");
    }

    #[test]
    fn a_schema_that_does_not_say_is_draft_7() {
        // In later drafts what stands beside `$ref` counts, too.
        let schema = r##"{"properties":{"a":{"$ref":"#/definitions/any","type":"integer"}},"definitions":{"any":{}}}"##;
        assert!(check(&plan(schema), r#"{"a":"text"}"#).is_ok());
        let newer = format!(r#"{{"$schema":"https://json-schema.org/draft/2020-12/schema",{}"#, &schema[1..]);
        assert!(check(&plan(&newer), r#"{"a":"text"}"#).is_err());
    }
}
