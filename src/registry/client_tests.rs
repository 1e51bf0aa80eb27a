//! The client against a registry that answers as it is told.

use super::*;
use crate::registry::{Endpoint, Tls};
use crate::secret::Secret;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// A registry that answers as it is told: by the beginning of the request's line, in the order of the list.
struct Scripted {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

fn scripted(answers: &'static [(&'static str, u16, &'static str)]) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = Vec::new();
            let text = loop {
                let mut bytes = [0; 4096];
                let Ok(count) = stream.read(&mut bytes) else { break String::new() };
                request.extend_from_slice(&bytes[..count]);
                let text = String::from_utf8_lossy(&request).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
                });
                if count == 0 || body.len() >= length.unwrap_or(0) {
                    break text;
                }
            };
            let answer = answers.iter().find(|(line, ..)| text.starts_with(line));
            let (status, body) =
                answer.map_or((404, r#"{"error_code":40401,"message":"none"}"#), |it| (it.1, it.2));
            heard.lock().unwrap().push(text);
            let _ = write!(
                stream,
                "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    Scripted { url, seen }
}

fn client(urls: &[&str]) -> Client {
    let endpoint =
        |url: &&str| Endpoint { url: (*url).to_owned(), authorization: Some(Secret::new("Basic dTpw")) };
    let wait = Duration::from_secs(5);
    Client::new(Config {
        endpoints: urls.iter().map(endpoint).collect(),
        tls: Tls::default(),
        headers: vec![("X-Tenant".to_owned(), Secret::new("acme"))],
        connect_timeout: wait,
        read_timeout: wait,
    })
    .unwrap()
}

/// A port at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn a_schema_that_is_there_is_found_and_not_registered() {
    let registry =
        scripted(&[("POST /subjects/a%2Fb-value ", 200, r#"{"subject":"a/b-value","version":1,"id":7}"#)]);
    let known = client(&[&registry.url])
        .register("a/b-value", &Draft::alone("\"string\"", SchemaType::Avro), false)
        .unwrap();
    assert_eq!((known.id, known.schema.as_str(), known.guid), (7, "\"string\"", None));
    let seen = registry.seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    let request = seen[0].to_ascii_lowercase();
    assert!(request.contains("authorization: basic dtpw") && request.contains("x-tenant: acme"), "{request}");
    assert!(seen[0].ends_with(r#"{"schema":"\"string\""}"#), "{}", seen[0]);
}

#[test]
fn a_new_schema_is_checked_and_then_registered() {
    let registry = scripted(&[
        ("POST /compatibility/subjects/s/versions/latest?verbose=true ", 200, r#"{"is_compatible":true}"#),
        (
            "POST /subjects/s/versions?normalize=true ",
            200,
            r#"{"id":9,"guid":"43a4c531-dd9b-495a-a5fd-ad2cfc6601d0"}"#,
        ),
    ]);
    let known = client(&[&registry.url]).register("s", &Draft::alone("{}", SchemaType::Json), true).unwrap();
    assert_eq!(known.id, 9);
    assert_eq!(known.guid.unwrap()[..4], [0x43, 0xa4, 0xc5, 0x31]);
    assert_eq!(registry.seen.lock().unwrap().len(), 3);
}

#[test]
fn why_not_is_said_by_the_rules_then_by_the_registry_then_by_stricter_rules() {
    const SILENT: &str = r#"{"is_compatible":false}"#;
    const TELLING: &str = r#"{"is_compatible":false,"messages":["NO"]}"#;
    const OLD: &str = r#"{"id":1,"version":3,"schemaType":"JSON","schema":"{\"type\":\"string\"}"}"#;
    const LEVEL: (&str, u16, &str) = ("GET /config/s", 200, r#"{"compatibilityLevel":"BACKWARD"}"#);
    const NUMBERS: (&str, u16, &str) = ("GET /subjects/s/versions ", 200, "[3]");
    const VERSION: (&str, u16, &str) = ("GET /subjects/s/versions/3 ", 200, OLD);
    static SAYS_NOTHING: [(&str, u16, &str); 4] = [("POST /compat", 200, SILENT), LEVEL, NUMBERS, VERSION];
    static SAYS_NO: [(&str, u16, &str); 4] = [("POST /compat", 200, TELLING), LEVEL, NUMBERS, VERSION];
    static HAS_NO_VERSIONS: [(&str, u16, &str); 1] = [("POST /compat", 200, SILENT)];
    let broken = "what version 3 wrote could not be read by the schema: $ is string in version 3, and null in the schema";
    let stricter = "not every registry lets the schema read what version 3 wrote: $ is string in version 3, and null or \
                    string in the schema";
    let silence = "the registry does not say why";
    let (null, wider, same) = (r#"{"type":"null"}"#, r#"{"type":["string","null"]}"#, r#"{"type":"string"}"#);
    let cases: [(&'static [_], &str, &[&str]); 7] = [
        (&SAYS_NOTHING, null, &[broken]),
        (&SAYS_NO, null, &[broken, "NO"]),
        (&SAYS_NOTHING, wider, &[stricter]),
        (&SAYS_NO, wider, &["NO"]),
        (&SAYS_NOTHING, same, &[silence]),
        (&SAYS_NO, same, &["NO"]),
        (&HAS_NO_VERSIONS, null, &[silence]),
    ];
    for (answers, schema, expected) in cases {
        let registry = scripted(answers);
        let told = client(&[&registry.url]).check("s", &Draft::alone(schema, SchemaType::Json)).unwrap();
        assert_eq!(told, expected, "{schema}");
    }
}

#[test]
fn what_is_not_compatible_is_refused_with_the_rule() {
    let registry = scripted(&[
        (
            "POST /compatibility/",
            200,
            r#"{"is_compatible":false,"messages":["READER_FIELD_MISSING_DEFAULT_VALUE: b"]}"#,
        ),
        ("GET /config/s?defaultToGlobal=true ", 200, r#"{"compatibilityLevel":"FULL"}"#),
        ("GET /subjects/s/versions ", 200, "[]"),
    ]);
    let question = Question {
        subject: "s".into(),
        what: What::Register { schema: "{}".into(), schema_type: SchemaType::Avro, normalize: false },
    };
    let refused = client(&[&registry.url]).ask(&question).unwrap().unwrap_err();
    assert_eq!(
        refused.what,
        "the schema is not compatible with subject s by FULL: READER_FIELD_MISSING_DEFAULT_VALUE: b"
    );
    let seen = registry.seen.lock().unwrap();
    assert!(
        !seen.iter().any(|request| request.starts_with("POST /subjects/s/versions")),
        "it was registered"
    );
}

#[test]
fn the_next_url_is_asked_when_one_does_not_answer_or_cannot() {
    let ill = scripted(&[("GET /subjects ", 503, r#"{"error_code":50301,"message":"starting"}"#)]);
    let well = scripted(&[("GET /subjects ", 200, r#"["a","b"]"#)]);
    let subjects = client(&[&nobody(), &ill.url, &well.url]).subjects().unwrap();
    assert_eq!(subjects, ["a", "b"]);
    let away = client(&[&nobody(), &ill.url]).subjects().unwrap_err();
    assert!(matches!(&away, Error::Away(text) if text.contains("status 503, starting")), "{away}");
}

#[test]
fn who_does_not_let_us_in_or_is_no_registry_is_not_asked_again() {
    let shut = scripted(&[("GET /subjects ", 401, r#"{"error_code":401,"message":"who?"}"#)]);
    let denied = client(&[&shut.url, &nobody()]).subjects().unwrap_err();
    assert!(matches!(&denied, Error::Denied(text) if text.contains("status 401, who?")), "{denied}");
    let other = scripted(&[("GET /schemas/ids/1 ", 404, "<html>")]);
    let denied = client(&[&other.url]).by_id(1).unwrap_err();
    assert!(matches!(&denied, Error::Denied(text) if text.contains("not as a registry does")), "{denied}");
    assert!(matches!(client(&["ftp://x"]).subjects(), Err(Error::Denied(_))));
}

#[test]
fn schemas_that_others_refer_to_come_first() {
    let registry = scripted(&[
        (
            "GET /subjects/order/versions/latest ",
            200,
            r#"{"id":3,"schema":"O","references":[{"name":"acme.Line","subject":"line","version":2}]}"#,
        ),
        (
            "GET /subjects/line/versions/2 ",
            200,
            r#"{"id":2,"schema":"L","references":[{"name":"acme.Money","subject":"money","version":1}]}"#,
        ),
        ("GET /subjects/money/versions/1 ", 200, r#"{"id":1,"schema":"M"}"#),
    ]);
    let known = client(&[&registry.url]).latest("order").unwrap();
    let reference =
        |name: &str, schema: &str| Referenced { name: name.to_owned(), schema: schema.to_owned() };
    let references = vec![reference("acme.Money", "M"), reference("acme.Line", "L")];
    assert_eq!((known.schema.as_str(), known.references), ("O", references));
}

#[test]
fn an_id_belongs_to_the_subject_or_is_refused() {
    let registry = scripted(&[
        ("GET /schemas/ids/4/versions ", 200, r#"[{"subject":"a","version":1}]"#),
        ("GET /schemas/ids/4 ", 200, r#"{"schema":"\"long\""}"#),
    ]);
    let client = client(&[&registry.url]);
    let own = |subject: &str| client.ask(&Question { subject: subject.into(), what: What::Own(4) }).unwrap();
    assert_eq!(own("a").unwrap().schema, "\"long\"");
    assert_eq!(own("b").unwrap_err().what, "schema 4 is not one of subject b");
}
