//! The registry's interface, request by request. Blocking; each URL is tried once, in their order, until one answers.

use super::rules::{Broken, Version};
use super::{
    Answer, Config, Draft, Error, Question, Reference, Referenced, Refused, Registered, SchemaType, What,
    rules, tls,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;
use ureq::http::{Method, Request};
use ureq::{Agent, Body};

/// A way to a registry.
pub struct Client {
    config: Config,
    agent: Agent,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.config).finish()
    }
}

/// What the registry says of a schema; by request, one part or another is missing.
#[derive(Deserialize)]
struct Told {
    id: Option<i32>,
    guid: Option<String>,
    schema: Option<String>,
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

/// What was sent back.
struct Reply {
    status: u16,
    url: String,
    body: Value,
}

impl Client {
    /// Media type of requests and answers.
    const MEDIA: &str = "application/vnd.schemaregistry.v1+json";
    /// A schema of more bytes than this is nobody's.
    const LARGEST: u64 = 64 << 20;
    /// References within references, at most.
    const DEEPEST: usize = 32;

    /// Reads the certificates; connects to nothing.
    pub fn new(config: Config) -> Result<Client, Error> {
        let is_tls = config.endpoints.iter().any(|endpoint| endpoint.url.starts_with("https:"));
        let mut agent = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("walpost/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(config.connect_timeout))
            .timeout_resolve(Some(config.connect_timeout))
            .timeout_recv_response(Some(config.read_timeout))
            .timeout_recv_body(Some(config.read_timeout))
            .max_idle_age(Duration::from_secs(10));
        if is_tls {
            agent = agent.tls_config(tls::config(&config.tls)?);
        }
        Ok(Client { agent: agent.build().new_agent(), config })
    }

    /// Answers a question.
    pub fn ask(&self, question: &Question) -> Result<Answer, Error> {
        let subject = &question.subject;
        let answer = match &question.what {
            What::Register { schema, schema_type, normalize } => {
                self.register(subject, &Draft::alone(schema, *schema_type), *normalize)
            }
            What::Find { schema, schema_type, normalize } => {
                self.find(subject, &Draft::alone(schema, *schema_type), *normalize)
            }
            What::Latest => self.latest(subject),
            What::Id(id) => self.by_id(*id),
            What::Own(id) => self.own(subject, *id),
        };
        match answer {
            Ok(registered) => Ok(Ok(registered)),
            Err(Error::Refused(refused)) => Ok(Err(refused)),
            Err(error) => Err(error),
        }
    }

    /// The schema's id. One that the subject does not have is checked against its newest version and then becomes that.
    pub fn register(&self, subject: &str, draft: &Draft<'_>, normalize: bool) -> Result<Registered, Error> {
        match self.find(subject, draft, normalize) {
            Err(Error::Refused(_)) => {}
            known => return known,
        }
        let wrong = self.check(subject, draft)?;
        if !wrong.is_empty() {
            return Err(self.incompatible(subject, &wrong));
        }
        let path = format!("/subjects/{}/versions{}", escaped(subject), query(normalize));
        let reply = self.request(&Method::POST, &path, Some(&body(draft)))?;
        match reply.status {
            200 => self.registered(reply, Some(draft.schema), draft.schema_type),
            // What the check could not see: an older version, or somebody else's in between.
            409 => Err(self.incompatible(subject, &[reply.message()])),
            _ => Err(reply.refused(subject)),
        }
    }

    /// The id of a schema that the subject has.
    pub fn find(&self, subject: &str, draft: &Draft<'_>, normalize: bool) -> Result<Registered, Error> {
        let path = format!("/subjects/{}{}", escaped(subject), query(normalize));
        let reply = self.request(&Method::POST, &path, Some(&body(draft)))?;
        match reply.status {
            200 => self.registered(reply, Some(draft.schema), draft.schema_type),
            _ => Err(reply.refused(subject)),
        }
    }

    /// The subject's newest schema.
    pub fn latest(&self, subject: &str) -> Result<Registered, Error> {
        let path = format!("/subjects/{}/versions/latest", escaped(subject));
        let reply = self.request(&Method::GET, &path, None)?;
        match reply.status {
            200 => self.registered(reply, None, SchemaType::Avro),
            _ => Err(reply.refused(subject)),
        }
    }

    /// The schema of this id.
    pub fn by_id(&self, id: i32) -> Result<Registered, Error> {
        let mut reply = self.request(&Method::GET, &format!("/schemas/ids/{id}"), None)?;
        if reply.status != 200 {
            return Err(reply.refused(&format!("(id {id})")));
        }
        if let Some(told) = reply.body.as_object_mut() {
            told.insert("id".to_owned(), json!(id));
        }
        self.registered(reply, None, SchemaType::Avro)
    }

    /// The schema of this id, if it is one of the subject's.
    fn own(&self, subject: &str, id: i32) -> Result<Registered, Error> {
        let path = format!("/schemas/ids/{id}/versions");
        let reply = self.request(&Method::GET, &path, None)?;
        if reply.status != 200 {
            return Err(reply.refused(&format!("(id {id})")));
        }
        let mut versions = reply.body.as_array().into_iter().flatten();
        if !versions.any(|version| version["subject"] == subject) {
            return Err(Error::Refused(Refused {
                what: format!("schema {id} is not one of subject {subject}"),
                hint: "register the schema under that subject, or see to value.subject.name.strategy",
            }));
        }
        self.by_id(id)
    }

    /// What makes the schema incompatible with the subject's newest one, at the subject's own level; nothing when it is
    /// compatible, or the first.
    pub fn check(&self, subject: &str, draft: &Draft<'_>) -> Result<Vec<String>, Error> {
        self.check_against("/latest", subject, draft)
    }

    /// The same of all versions that the level asks for, which is only more where it is transitive.
    pub fn check_all(&self, level: &str, subject: &str, draft: &Draft<'_>) -> Result<Vec<String>, Error> {
        let versions = if level.ends_with("_TRANSITIVE") { "" } else { "/latest" };
        self.check_against(versions, subject, draft)
    }

    fn check_against(&self, versions: &str, subject: &str, draft: &Draft<'_>) -> Result<Vec<String>, Error> {
        let path = format!("/compatibility/subjects/{}/versions{versions}?verbose=true", escaped(subject));
        let reply = self.request(&Method::POST, &path, Some(&body(draft)))?;
        match reply.status {
            200 if reply.body["is_compatible"] == false => {
                // Words are all that is asked for: the answer stands without them.
                let Broken { mut lines, stricter } = self.broken(subject, draft).unwrap_or_default();
                let messages = reply.body["messages"].as_array().into_iter().flatten();
                lines.extend(messages.filter_map(|message| message.as_str().map(str::to_owned)));
                if lines.is_empty() {
                    lines = stricter;
                }
                if lines.is_empty() {
                    lines.push("the registry does not say why".to_owned());
                }
                Ok(lines)
            }
            200 | 404 => Ok(Vec::new()),
            _ => Err(reply.refused(subject)),
        }
    }

    /// The rules that a schema breaks, in our own words.
    fn broken(&self, subject: &str, draft: &Draft<'_>) -> Result<Broken, Error> {
        let mut references = Vec::new();
        self.references(draft.references, 0, &mut references)?;
        let (schema, schema_type) = (draft.schema.to_owned(), draft.schema_type);
        let new = Registered { id: 0, guid: None, schema_type, schema, references };
        Ok(rules::broken(&self.level(subject)?, &new, &self.versions(subject)?))
    }

    /// The subject's schemas, from the oldest to the newest.
    fn versions(&self, subject: &str) -> Result<Vec<Version>, Error> {
        let path = format!("/subjects/{}/versions", escaped(subject));
        let reply = self.request(&Method::GET, &path, None)?;
        let (200, Some(numbers)) = (reply.status, reply.body.as_array()) else {
            return Err(reply.refused(subject));
        };
        let mut numbers: Vec<i64> = numbers.iter().filter_map(Value::as_i64).collect();
        numbers.sort_unstable();
        let version = |number: i64| {
            let reply = self.request(&Method::GET, &format!("{path}/{number}"), None)?;
            match reply.status {
                200 => Ok((number, self.registered(reply, None, SchemaType::Avro)?)),
                _ => Err(reply.refused(subject)),
            }
        };
        numbers.into_iter().map(version).collect()
    }

    /// The subject's level of compatibility (`BACKWARD`, …), or the one of all.
    pub fn level(&self, subject: &str) -> Result<String, Error> {
        let path = format!("/config/{}?defaultToGlobal=true", escaped(subject));
        let reply = self.request(&Method::GET, &path, None)?;
        if reply.status == 404 {
            return self.level_of_all();
        }
        match (reply.status, reply.body["compatibilityLevel"].as_str()) {
            (200, Some(level)) => Ok(level.to_owned()),
            _ => Err(reply.refused(subject)),
        }
    }

    /// The level of subjects that have none of their own.
    pub fn level_of_all(&self) -> Result<String, Error> {
        let reply = self.request(&Method::GET, "/config", None)?;
        match (reply.status, reply.body["compatibilityLevel"].as_str()) {
            (200, Some(level)) => Ok(level.to_owned()),
            _ => Err(reply.refused("(all)")),
        }
    }

    /// Sets the subject's level of compatibility.
    pub fn set_level(&self, subject: &str, level: &str) -> Result<(), Error> {
        let path = format!("/config/{}", escaped(subject));
        let reply = self.request(&Method::PUT, &path, Some(&json!({ "compatibility": level })))?;
        if reply.status == 200 { Ok(()) } else { Err(reply.refused(subject)) }
    }

    /// All subjects.
    pub fn subjects(&self) -> Result<Vec<String>, Error> {
        let reply = self.request(&Method::GET, "/subjects", None)?;
        match (reply.status, serde_json::from_value(reply.body.clone())) {
            (200, Ok(subjects)) => Ok(subjects),
            _ => Err(reply.refused("(all)")),
        }
    }

    fn incompatible(&self, subject: &str, why: &[String]) -> Error {
        let level = self.level(subject).unwrap_or_else(|_| "its level".to_owned());
        Error::Refused(Refused {
            what: format!(
                "the schema is not compatible with subject {subject} by {level}: {}",
                why.join("; ")
            ),
            hint: "make the change compatible (by BACKWARD: give new fields a default, and leave types as they are), or \
                   publish the new shape under another type",
        })
    }

    fn registered(
        &self,
        reply: Reply,
        schema: Option<&str>,
        schema_type: SchemaType,
    ) -> Result<Registered, Error> {
        let url = reply.url;
        let told: Told = serde_json::from_value(reply.body)
            .map_err(|error| Error::Denied(format!("{url} answers what no registry does: {error}")))?;
        let Some(id) = told.id else {
            return Err(Error::Denied(format!("{url} answers without an id")));
        };
        let schema_type = match &told.schema_type {
            Some(name) => SchemaType::named(name).ok_or_else(|| unknown_language(name))?,
            None => schema_type,
        };
        let mut references = Vec::new();
        self.references(&told.references, 0, &mut references)?;
        let schema = schema.map(str::to_owned).or(told.schema).unwrap_or_default();
        Ok(Registered { id, guid: told.guid.as_deref().and_then(guid), schema_type, schema, references })
    }

    /// What is referred to, each after those it refers to itself.
    fn references(&self, list: &[Reference], depth: usize, texts: &mut Vec<Referenced>) -> Result<(), Error> {
        if depth == Client::DEEPEST {
            return Err(Error::Denied("a schema's references have no end".to_owned()));
        }
        for Reference { name, subject, version } in list {
            let path = format!("/subjects/{}/versions/{version}", escaped(subject));
            let reply = self.request(&Method::GET, &path, None)?;
            if reply.status != 200 {
                return Err(reply.refused(subject));
            }
            let url = reply.url;
            let told: Told = serde_json::from_value(reply.body)
                .map_err(|error| Error::Denied(format!("{url} answers what no registry does: {error}")))?;
            self.references(&told.references, depth + 1, texts)?;
            let of = |schema| Referenced { name: name.clone(), schema };
            if let Some(referenced) = told.schema.map(of).filter(|referenced| !texts.contains(referenced)) {
                texts.push(referenced);
            }
        }
        Ok(())
    }

    /// The first answer that any of the URLs gives.
    fn request(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Reply, Error> {
        let mut away = Vec::new();
        for endpoint in &self.config.endpoints {
            let url = format!("{}{path}", endpoint.url);
            let mut request = Request::builder().method(method).uri(&url).header("Accept", Client::MEDIA);
            if let Some(authorization) = &endpoint.authorization {
                request = request.header("Authorization", authorization.reveal());
            }
            for (name, value) in &self.config.headers {
                request = request.header(name, value.reveal());
            }
            let sent = match body {
                Some(body) => request
                    .header("Content-Type", Client::MEDIA)
                    .body(body.to_string())
                    .map_err(ureq::Error::from)
                    .and_then(|request| self.agent.run(request)),
                None => {
                    request.body(()).map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
                }
            };
            match sent.and_then(|response| read(response, &endpoint.url)) {
                Err(error) if is_ours(&error) => {
                    return Err(Error::Denied(format!("{}: {error}", endpoint.url)));
                }
                Err(error) => away.push(format!("{}: {error}", endpoint.url)),
                Ok(reply) => match reply.status {
                    408 | 429 | 500.. => {
                        away.push(format!("{}: status {}, {}", endpoint.url, reply.status, reply.message()));
                    }
                    401 | 403 => {
                        return Err(Error::Denied(format!(
                            "{} answers with status {}, {}",
                            endpoint.url,
                            reply.status,
                            reply.message()
                        )));
                    }
                    _ => return Ok(reply),
                },
            }
        }
        Err(Error::Away(away.join("; ")))
    }
}

fn read(mut response: ureq::http::Response<Body>, url: &str) -> Result<Reply, ureq::Error> {
    let status = response.status().as_u16();
    let text = response.body_mut().with_config().limit(Client::LARGEST).read_to_string()?;
    let body = serde_json::from_str(&text).unwrap_or_default();
    Ok(Reply { status, url: url.to_owned(), body })
}

/// Waiting does not help.
fn is_ours(error: &ureq::Error) -> bool {
    use ureq::Error;
    match error {
        Error::BadUri(_) | Error::Http(_) | Error::Pem(_) | Error::Tls(_) => true,
        Error::Rustls(_) => true,
        Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some(),
        _ => false,
    }
}

impl Reply {
    /// What it says, for people.
    fn message(&self) -> String {
        match self.body["message"].as_str() {
            Some(message) => message.to_owned(),
            None => "without a message".to_owned(),
        }
    }

    /// The answer is no.
    fn refused(&self, subject: &str) -> Error {
        let Reply { status, url, .. } = self;
        let message = self.message();
        // Whoever is no registry has statuses too, but not the registry's own numbers.
        if self.body["error_code"].as_i64().is_none() {
            return Error::Denied(format!("{url} answers with status {status}, and not as a registry does"));
        }
        let (what, hint) = match status {
            404 => (
                format!("the registry does not know it (subject {subject}): {message}"),
                "register the schema first, or let auto.register.schemas=true do it",
            ),
            422 => (
                format!("the registry does not take the schema (subject {subject}): {message}"),
                "read what the registry says; a name that Avro does not allow can be mended by scrub.invalid.names=true or \
                 transforms.<name>.field.name.adjustment.mode=avro",
            ),
            _ => (
                format!("the registry refuses (subject {subject}, status {status}): {message}"),
                "read what the registry says",
            ),
        };
        Error::Refused(Refused { what, hint })
    }
}

fn unknown_language(name: &str) -> Error {
    Error::Refused(Refused {
        what: format!("the registered schema is written in {name}"),
        hint: "walpost reads AVRO, JSON and PROTOBUF",
    })
}

fn body(draft: &Draft<'_>) -> Value {
    let mut body = json!({ "schema": draft.schema });
    if draft.schema_type != SchemaType::Avro {
        body["schemaType"] = json!(draft.schema_type.name());
    }
    if !draft.references.is_empty() {
        body["references"] = json!(draft.references);
    }
    body
}

fn query(normalize: bool) -> &'static str {
    if normalize { "?normalize=true" } else { "" }
}

/// A subject as a part of a path.
fn escaped(subject: &str) -> String {
    let mut escaped = String::with_capacity(subject.len());
    for byte in subject.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

/// The bytes of a UUID's text.
fn guid(text: &str) -> Option<[u8; 16]> {
    uuid::Uuid::parse_str(text).ok().map(uuid::Uuid::into_bytes)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
