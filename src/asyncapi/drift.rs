//! A document that was written before, beside the one that would be written now.

use serde_json::{Map, Value};
use std::fmt::Write as _;

/// What people write into a document, and walpost leaves as it finds it. So are extensions (`x-…`) but its own.
const WORDS: &[&str] = &[
    "title",
    "summary",
    "description",
    "tags",
    "externalDocs",
    "contact",
    "license",
    "termsOfService",
    "examples",
    "deprecated",
];

/// Extensions that are walpost's.
pub const OWN: &str = "x-walpost";

/// Members whose own members have names that are nobody's words.
const NAMED: &[&str] = &[
    "servers",
    "channels",
    "operations",
    "components",
    "messages",
    "schemas",
    "securitySchemes",
    "properties",
    "patternProperties",
    "definitions",
    "bindings",
    "topicConfiguration",
];

/// Something that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// A JSON pointer into the document.
    pub path: String,
    /// What the file has; `None`: it has nothing there.
    pub was: Option<Value>,
    /// What would be written now; `None`: nothing.
    pub is: Option<Value>,
}

impl Difference {
    /// `added`, `removed` or `changed`.
    pub fn kind(&self) -> &'static str {
        match (&self.was, &self.is) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        }
    }

    /// For people.
    pub fn words(&self) -> String {
        let shown = |value: &Option<Value>| value.as_ref().map(shown).unwrap_or_default();
        let (was, is) = (shown(&self.was), shown(&self.is));
        match self.kind() {
            "added" => format!("added    {}: the file does not have it; it is {is}", self.path),
            "removed" => format!("removed  {}: the file has {was}; it is not there", self.path),
            _ => format!("changed  {}: it was {was} and is {is}", self.path),
        }
    }
}

/// All differences, each as far up as the whole of it is new or gone.
pub fn differences(was: &Value, is: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(&mut String::new(), was, is, &mut found);
    found
}

/// Takes over what people have written into `file`.
pub fn keep_words(file: &Value, document: &mut Value) {
    keep(file, document, false);
}

fn keep(file: &Value, document: &mut Value, named: bool) {
    let (Value::Object(file), Value::Object(document)) = (file, document) else { return };
    for (name, value) in file {
        let is_extension = name.starts_with("x-") && !name.starts_with(OWN);
        if !named && (WORDS.contains(&name.as_str()) || is_extension) {
            document.insert(name.clone(), value.clone());
        } else if let Some(known) = document.get_mut(name) {
            // A schema in another language than JSON Schema is the registry's alone.
            if name != "schema" {
                keep(value, known, !named && NAMED.contains(&name.as_str()));
            }
        }
    }
}

fn compare(path: &mut String, was: &Value, is: &Value, found: &mut Vec<Difference>) {
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => members(path, was, is, found),
        (Value::Array(was), Value::Array(is)) => match (by_name(was), by_name(is)) {
            (Some(was), Some(is)) => members(path, &was, &is, found),
            _ => items(path, was, is, found),
        },
        _ if was != is => {
            found.push(Difference { path: path.clone(), was: Some(was.clone()), is: Some(is.clone()) });
        }
        _ => {}
    }
}

fn members(
    path: &mut String,
    was: &Map<String, Value>,
    is: &Map<String, Value>,
    found: &mut Vec<Difference>,
) {
    let names = was.keys().chain(is.keys().filter(|name| !was.contains_key(*name)));
    for name in names {
        let length = path.len();
        let _ = write!(path, "/{}", name.replace('~', "~0").replace('/', "~1"));
        match (was.get(name), is.get(name)) {
            (Some(was), Some(is)) => compare(path, was, is, found),
            (was, is) => {
                found.push(Difference { path: path.clone(), was: was.cloned(), is: is.cloned() });
            }
        }
        path.truncate(length);
    }
}

/// Lists of texts are sets; others are compared as a whole, or item by item where they are as long.
fn items(path: &mut String, was: &[Value], is: &[Value], found: &mut Vec<Difference>) {
    if was.iter().chain(is).all(Value::is_string) {
        let mut changed = |value: &Value, was: Option<Value>, is: Option<Value>| {
            found.push(Difference {
                path: format!("{path}/{}", value.as_str().unwrap_or_default()),
                was,
                is,
            });
        };
        was.iter().filter(|it| !is.contains(it)).for_each(|it| changed(it, Some(it.clone()), None));
        is.iter().filter(|it| !was.contains(it)).for_each(|it| changed(it, None, Some(it.clone())));
    } else if was.len() == is.len() {
        for (index, (was, is)) in was.iter().zip(is).enumerate() {
            let length = path.len();
            let _ = write!(path, "/{index}");
            compare(path, was, is, found);
            path.truncate(length);
        }
    } else {
        let (was, is) = (Some(Value::from(was.to_vec())), Some(Value::from(is.to_vec())));
        found.push(Difference { path: path.clone(), was, is });
    }
}

/// Things with a name, such as the fields of an Avro record.
fn by_name(items: &[Value]) -> Option<Map<String, Value>> {
    let mut named = Map::new();
    for item in items {
        named.insert(item["name"].as_str()?.to_owned(), item.clone());
    }
    (!items.is_empty() && named.len() == items.len()).then_some(named)
}

/// A value on a line.
fn shown(value: &Value) -> String {
    const MOST: usize = 120;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(was: Value, is: Value) -> Vec<String> {
        differences(&was, &is).iter().map(Difference::words).collect()
    }

    #[test]
    fn what_is_new_gone_or_other_is_told_by_its_path() {
        let was = json!({"channels": {"a.b": {"partitions": 3, "gone": 1}}});
        let is = json!({"channels": {"a.b": {"partitions": 6}, "c/d": {"address": "c/d"}}});
        assert_eq!(
            told(was, is),
            [
                "changed  /channels/a.b/partitions: it was 3 and is 6",
                "removed  /channels/a.b/gone: the file has 1; it is not there",
                "added    /channels/c~1d: the file does not have it; it is {\"address\":\"c/d\"}",
            ]
        );
    }

    #[test]
    fn order_is_no_difference_where_it_means_nothing() {
        assert_eq!(told(json!({"a": 1, "b": ["x", "y"]}), json!({"b": ["y", "x"], "a": 1})), [""; 0]);
        assert_eq!(
            told(json!({"required": ["id", "a"]}), json!({"required": ["b", "id"]})),
            [
                "removed  /required/a: the file has \"a\"; it is not there",
                "added    /required/b: the file does not have it; it is \"b\"",
            ]
        );
        // But the order of bytes is one: fields are written one after the other.
        let (one, two) = (json!({"name": "a", "type": "int"}), json!({"name": "b", "type": "int"}));
        let wide = json!({"name": "a", "type": "long"});
        assert_eq!(
            told(json!([one, two]), json!([wide, two])),
            ["changed  /a/type: it was \"int\" and is \"long\""]
        );
        assert_eq!(told(json!([1, 2]), json!([1, 3])), ["changed  /1: it was 2 and is 3"]);
        assert_eq!(told(json!([1]), json!([1, 2])), ["changed  : it was [1] and is [1,2]"]);
    }

    #[test]
    fn long_values_are_cut() {
        let words = &told(json!({}), json!({"a": "é".repeat(500)}))[0];
        assert!(words.ends_with(" …") && words.chars().count() < 200, "{words}");
    }

    #[test]
    fn words_that_people_wrote_stay_and_names_are_no_words() {
        let file = json!({
            "info": {"title": "Shop", "contact": {"name": "we"}},
            "x-team": "orders", "x-walpost": {"sample": 3},
            "channels": {"o": {"description": "All orders", "messages": {"description": {"summary": "A message"}}}},
            "p": {"properties": {"title": {"type": "string", "description": "Its title"}}},
            "payload": {"schema": {"description": "of yesterday"}},
        });
        let mut document = json!({
            "info": {"title": "Events", "version": "1"},
            "channels": {"o": {"messages": {"description": {"name": "x"}}}, "n": {}},
            "p": {"properties": {"title": {"type": "integer"}, "id": {}}},
            "payload": {"schema": {"a": 1}},
        });
        keep_words(&file, &mut document);
        assert_eq!(
            document,
            json!({
                "info": {"title": "Shop", "version": "1", "contact": {"name": "we"}},
                "x-team": "orders",
                "channels": {"o": {"description": "All orders", "messages": {"description": {"name": "x", "summary": "A message"}}}, "n": {}},
                "p": {"properties": {"title": {"type": "integer", "description": "Its title"}, "id": {}}},
                "payload": {"schema": {"a": 1}},
            })
        );
        // Once more changes nothing, its order included.
        let (mut again, once) = (document.clone(), document.to_string());
        keep_words(&document, &mut again);
        assert_eq!(again.to_string(), once);
    }
}
