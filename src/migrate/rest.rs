//! The REST interface of a Connect worker: two questions, by plain HTTP.
//!
//! Leaves: a connector's configuration as it was given, and whether it runs. Not done here: TLS; who has a proxy before the
//! worker asks it with curl and hands over the file.

use crate::error::{Exit, Failure};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long a worker may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// No configuration is longer.
const MOST_BYTES: u64 = 16 << 20;

/// `http://HOST[:PORT][/PREFIX]/connectors/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
    /// With the leading slash.
    path: String,
}

/// What the worker says of a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// `RUNNING`, `PAUSED`, `STOPPED`, `FAILED`, `UNASSIGNED`.
    pub state: String,
    /// The same of each of its tasks.
    pub tasks: Vec<String>,
}

impl Address {
    /// Whether a text is meant as one.
    pub fn is_meant_by(text: &str) -> bool {
        ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme))
    }

    /// Reads one; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Address, Failure> {
        let wrong =
            |what: &str, hint: &str| Err(Failure::new(Exit::Usage, format!("{text}: {what}"), "", hint));
        let Some(rest) = text.strip_prefix("http://") else {
            return wrong(
                "only plain http is spoken here",
                "save what it answers and name the file: curl -s https://…/connectors/NAME > connector.json",
            );
        };
        let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.trim_end_matches('/').trim_end_matches("/config");
        if server.contains('@') || server.is_empty() || path.contains(['?', ' ']) {
            return wrong("this is not an address of a connector", EXAMPLE);
        }
        if path.split('/').rev().nth(1).is_none_or(|part| part != "connectors") {
            return wrong("the address names no connector", EXAMPLE);
        }
        let (host, port) = match server.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => match port.parse() {
                Ok(port) => (host, port),
                Err(_) => return wrong("the port is no number", EXAMPLE),
            },
            _ => (server, 80),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Address { host, port, path: format!("/{path}") })
    }

    /// The connector, as `GET /connectors/NAME` shows it. Blocks.
    pub fn connector(&self) -> Result<Vec<u8>, Failure> {
        match self.get("")? {
            (200, body) => Ok(body),
            (404, _) => Err(Failure::new(
                Exit::NotFound,
                format!("the worker has no connector at {}", self.path),
                "",
                "a connector that was deleted is moved by its JSON file",
            )),
            (status, body) => Err(self.unexpected(status, &body)),
        }
    }

    /// How it does. Blocks.
    pub fn status(&self) -> Result<Status, Failure> {
        let (status, body) = self.get("/status")?;
        let told = (status == 200)
            .then(|| serde_json::from_slice(&body).ok().and_then(|told| read(&told)))
            .flatten();
        told.ok_or_else(|| self.unexpected(status, &body))
    }

    fn get(&self, below: &str) -> Result<(u16, Vec<u8>), Failure> {
        let Address { host, port, path } = self;
        self.ask(&format!(
            "GET {path}{below} HTTP/1.0\r\nHost: {host}:{port}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
        ))
        .map_err(|error| {
            Failure::new(
                Exit::NotFound,
                format!("the Connect worker at {host}:{port} does not answer: {error}"),
                "",
                "check the address; a worker that is gone for good is no hindrance: name the connector's JSON file instead",
            )
        })
    }

    fn ask(&self, request: &str) -> std::io::Result<(u16, Vec<u8>)> {
        let mut last = std::io::Error::other("the name stands for no address");
        let connected = (self.host.as_str(), self.port).to_socket_addrs()?.find_map(|address| {
            TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| last = error).ok()
        });
        let Some(mut stream) = connected else { return Err(last) };
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(MOST_BYTES).read_to_end(&mut answer)?;
        split(&answer).ok_or_else(|| std::io::Error::other("that is not HTTP"))
    }

    fn unexpected(&self, status: u16, body: &[u8]) -> Failure {
        let message = serde_json::from_slice::<Value>(body).ok();
        let message = message.and_then(|body| body.get("message")?.as_str().map(str::to_owned));
        Failure::new(
            Exit::Failure,
            format!("the Connect worker answers {status} to {}", self.path),
            message.unwrap_or_default(),
            "is this a Connect worker's REST interface? curl shows what it says",
        )
    }
}

const EXAMPLE: &str = "write http://HOST:8083/connectors/NAME";

impl Status {
    /// Nothing of it runs, and nothing will by itself.
    pub fn is_stopped(&self) -> bool {
        self.state == "STOPPED" && self.tasks.is_empty()
    }

    /// Why it must not be moved now.
    pub fn refusal(&self, address: &Address) -> Failure {
        let tasks = match self.tasks.as_slice() {
            [] => "no tasks".to_owned(),
            tasks => format!("tasks {}", tasks.join(", ")),
        };
        let Address { host, port, path } = address;
        Failure::new(
            Exit::Failure,
            "the old connector is not stopped",
            format!("the worker says {}, {tasks}. Nothing was done", self.state),
            format!(
                "stop it: curl -X PUT http://{host}:{port}{path}/stop, and wait until its status is STOPPED without tasks. A \
                 paused connector keeps its slot; Connect before 3.5 has no stop: delete the connector, its offset stays, \
                 and name its JSON file"
            ),
        )
    }
}

fn read(told: &Value) -> Option<Status> {
    let state = |of: &Value| of.get("state").and_then(Value::as_str).map(str::to_owned);
    let tasks = told.get("tasks")?.as_array()?.iter().map(state).collect::<Option<_>>()?;
    Some(Status { state: state(told.get("connector")?)?, tasks })
}

/// Status and body of a whole answer.
fn split(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer[end + 4..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufRead;
    use std::net::TcpListener;

    #[test]
    fn an_address_names_host_port_and_connector() {
        for (text, host, port, path) in [
            ("http://connect:8083/connectors/shop", "connect", 8083, "/connectors/shop"),
            ("http://connect/connectors/shop/", "connect", 80, "/connectors/shop"),
            ("http://[::1]:8083/connectors/shop/config", "::1", 8083, "/connectors/shop"),
            ("http://proxy:1/kafka/connectors/a%20b", "proxy", 1, "/kafka/connectors/a%20b"),
        ] {
            let expected = Address { host: host.into(), port, path: path.into() };
            assert_eq!(Address::parse(text), Ok(expected), "{text}");
        }
        for (text, hint) in [
            ("https://connect/connectors/shop", "curl"),
            ("http://connect:8083", "/connectors/NAME"),
            ("http://connect:8083/connectors", "/connectors/NAME"),
            ("http://u:p@connect/connectors/x", "/connectors/NAME"),
            ("http://connect:x/connectors/x", "/connectors/NAME"),
        ] {
            let failure = Address::parse(text).unwrap_err();
            assert!(failure.exit == Exit::Usage && failure.hint.contains(hint), "{text}: {failure}");
        }
    }

    /// Answers one request with this.
    fn server(answer: &'static str) -> Address {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = std::io::BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            stream.write_all(answer.as_bytes()).unwrap();
        });
        Address::parse(&format!("http://127.0.0.1:{port}/connectors/shop")).unwrap()
    }

    #[test]
    fn only_a_connector_that_is_stopped_and_has_no_tasks_may_be_moved() {
        for (told, stopped) in [
            (r#"{"name":"shop","connector":{"state":"STOPPED","worker_id":"w"},"tasks":[]}"#, true),
            (r#"{"connector":{"state":"STOPPED"},"tasks":[{"id":0,"state":"RUNNING"}]}"#, false),
            (r#"{"connector":{"state":"PAUSED"},"tasks":[{"id":0,"state":"PAUSED"}]}"#, false),
            (r#"{"connector":{"state":"RUNNING"},"tasks":[]}"#, false),
        ] {
            let status = read(&serde_json::from_str(told).unwrap()).unwrap();
            assert_eq!(status.is_stopped(), stopped, "{told}");
        }
        let address = server(
            "HTTP/1.1 200 OK\r\n\r\n{\"connector\":{\"state\":\"PAUSED\"},\"tasks\":[{\"state\":\"PAUSED\"}]}",
        );
        let status = address.status().unwrap();
        let refusal = status.refusal(&address);
        assert!(refusal.detail.contains("PAUSED, tasks PAUSED"), "{refusal}");
        assert!(refusal.hint.contains("/connectors/shop/stop"), "{refusal}");
    }

    #[test]
    fn what_the_worker_answers_is_handed_on_or_told() {
        assert_eq!(server("HTTP/1.1 200 OK\r\nX: y\r\n\r\n{}").connector(), Ok(b"{}".to_vec()));
        assert_eq!(server("HTTP/1.1 404 Not Found\r\n\r\n{}").connector().unwrap_err().exit, Exit::NotFound);
        let failure = server("HTTP/1.1 500 No\r\n\r\n{\"message\":\"it is ill\"}").status().unwrap_err();
        assert!(failure.what.contains("500") && failure.detail == "it is ill", "{failure}");
        assert!(server("SSH-2.0\r\n\r\n").connector().unwrap_err().what.contains("not HTTP"));
    }
}
