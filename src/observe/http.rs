//! The HTTP page: metrics, probes and version.
//!
//! Enters: GET requests. Leaves: what [`Metrics`] and [`Health`] know at that moment. Paths of Debezium Server
//! (`/q/health…`) answer in its form, so that probes written for it go on working. Nothing here changes anything.

use super::health::{Health, Readiness};
use super::metrics::Metrics;
use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use std::net::SocketAddr;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The page cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct ListenError {
    /// Where it was to be.
    pub address: SocketAddr,
    /// The system's words.
    pub source: std::io::Error,
}

/// Listens on `listen` (port 0: any free one) and answers for as long as the runtime lives. Gives the address it got
/// and logs it as the field `http_listen`.
pub async fn serve(listen: SocketAddr, metrics: Metrics, health: Health) -> Result<SocketAddr, ListenError> {
    let taken = |source| ListenError { address: listen, source };
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(taken)?;
    let address = listener.local_addr().map_err(taken)?;
    tracing::info!(http_listen = %address, "serving metrics and probes");
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router(metrics, health)).await {
            tracing::error!(%error, "the HTTP page ended");
        }
    });
    Ok(address)
}

fn router(metrics: Metrics, health: Health) -> Router {
    let probes = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/healthz", get(readyz))
        .route("/q/health", get(smallrye_all))
        .route("/q/health/live", get(smallrye_live))
        .route("/q/health/ready", get(smallrye_ready))
        .route("/q/health/started", get(smallrye_live))
        .with_state(health);
    let pages = Router::new().route("/metrics", get(page)).with_state(metrics);
    Router::new().merge(probes).merge(pages).route("/version", get(version))
}

async fn livez(State(health): State<Health>) -> Response {
    let live = health.live();
    answer(live, &json!({ "live": live }))
}

async fn readyz(State(health): State<Health>) -> Response {
    let readiness = health.ready();
    answer(readiness.ready, &json!(readiness))
}

async fn smallrye_all(State(health): State<Health>) -> Response {
    smallrye(&[live_check(&health), ready_check(&health.ready())])
}

async fn smallrye_live(State(health): State<Health>) -> Response {
    smallrye(&[live_check(&health)])
}

async fn smallrye_ready(State(health): State<Health>) -> Response {
    smallrye(&[ready_check(&health.ready())])
}

async fn page(State(metrics): State<Metrics>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let page = metrics.page();
    if accept.contains("application/openmetrics-text") {
        ([(CONTENT_TYPE, OPENMETRICS)], page).into_response()
    } else {
        ([(CONTENT_TYPE, PROMETHEUS)], as_prometheus_text(&page)).into_response()
    }
}

async fn version() -> Response {
    answer(true, &json!({ "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") }))
}

fn live_check(health: &Health) -> (bool, Value) {
    let live = health.live();
    (live, json!({ "name": "walpost-live", "status": up_or_down(live) }))
}

fn ready_check(readiness: &Readiness) -> (bool, Value) {
    let status = up_or_down(readiness.ready);
    (readiness.ready, json!({ "name": "walpost-ready", "status": status, "data": readiness }))
}

fn smallrye(checks: &[(bool, Value)]) -> Response {
    let up = checks.iter().all(|(up, _)| *up);
    let checks: Vec<&Value> = checks.iter().map(|(_, check)| check).collect();
    answer(up, &json!({ "status": up_or_down(up), "checks": checks }))
}

fn up_or_down(up: bool) -> &'static str {
    if up { "UP" } else { "DOWN" }
}

fn answer(well: bool, body: &Value) -> Response {
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (status, headers, format!("{body}\n")).into_response()
}

/// OpenMetrics as text format 0.0.4: there a counter's HELP and TYPE bear the name of its samples, an info is a gauge,
/// and neither UNIT nor EOF is known.
fn as_prometheus_text(openmetrics: &str) -> String {
    let mut out = String::with_capacity(openmetrics.len());
    // HELP comes before the TYPE that decides its name.
    let mut help: Option<(&str, &str)> = None;
    for line in openmetrics.lines() {
        if let Some((name, text)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            help = Some((name, text));
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                _ => ("", kind),
            };
            if let Some((name, text)) = help.take() {
                out.push_str(&format!("# HELP {name}{suffix} {text}\n"));
            }
            out.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::health::State;
    use super::super::metrics::Component;
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    struct Page {
        address: SocketAddr,
        health: Health,
    }

    async fn served() -> Page {
        let metrics = Metrics::new("app");
        let health = Health::new(metrics.clone());
        let address = serve("127.0.0.1:0".parse().unwrap(), metrics, health.clone()).await.unwrap();
        Page { address, health }
    }

    impl Page {
        async fn get(&self, path: &str, accept: &str) -> (u16, String, String) {
            let mut socket = tokio::net::TcpStream::connect(self.address).await.unwrap();
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await.unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            (status, head.to_ascii_lowercase(), body.to_owned())
        }

        async fn json(&self, path: &str) -> (u16, Value) {
            let (status, _, body) = self.get(path, "*/*").await;
            (status, serde_json::from_str(&body).unwrap())
        }
    }

    #[tokio::test]
    async fn ready_is_503_until_events_flow_and_says_why() {
        let page = served().await;
        let (status, body) = page.json("/readyz").await;
        assert_eq!((status, &body["state"]), (503, &json!("starting")));
        page.health.set(State::Retrying { component: Component::Kafka, why: "connection refused".into() });
        let (status, body) = page.json("/readyz").await;
        assert_eq!(
            (status, &body["component"], &body["reason"]),
            (503, &json!("kafka"), &json!("connection refused"))
        );
        page.health.set(State::Streaming);
        for path in ["/readyz", "/healthz"] {
            let (status, body) = page.json(path).await;
            assert_eq!((status, &body["role"]), (200, &json!("leader")), "{path}");
        }
    }

    #[tokio::test]
    async fn a_standby_is_ready_as_standby() {
        let page = served().await;
        page.health.set(State::Standby);
        let (status, body) = page.json("/readyz").await;
        assert_eq!((status, &body["role"]), (200, &json!("standby")));
    }

    #[tokio::test]
    async fn live_says_nothing_of_servers() {
        let page = served().await;
        page.health.set(State::Retrying { component: Component::Postgres, why: "gone".into() });
        assert_eq!(page.json("/livez").await, (200, json!({ "live": true })));
    }

    #[tokio::test]
    async fn probes_of_debezium_server_go_on_working() {
        let page = served().await;
        let (status, body) = page.json("/q/health/ready").await;
        assert_eq!((status, &body["status"]), (503, &json!("DOWN")));
        page.health.set(State::Streaming);
        let (status, body) = page.json("/q/health").await;
        assert_eq!((status, &body["status"]), (200, &json!("UP")));
        let checks = body["checks"].as_array().unwrap();
        assert!(checks.len() == 2 && checks.iter().all(|check| check["status"] == "UP"), "{body}");
        assert_eq!(page.json("/q/health/live").await.0, 200);
    }

    #[tokio::test]
    async fn metrics_come_in_the_format_that_is_asked_for() {
        let page = served().await;
        let (_, head, body) = page.get("/metrics", "application/openmetrics-text;version=1.0.0").await;
        assert!(head.contains(OPENMETRICS) && body.ends_with("# EOF\n"), "{head}\n{body}");
        let (_, head, body) = page.get("/metrics", "text/plain").await;
        assert!(head.contains(PROMETHEUS), "{head}");
        assert!(body.contains("# HELP walpost_events_total Row changes"), "{body}");
        assert!(body.contains("# TYPE walpost_events_total counter\nwalpost_events_total{"), "{body}");
        assert!(body.contains("# TYPE walpost_build_info gauge\nwalpost_build_info{"), "{body}");
        assert!(!body.contains("# UNIT") && !body.contains("# EOF"), "{body}");
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_named() {
        let page = served().await;
        let metrics = Metrics::new("app");
        let error = serve(page.address, metrics.clone(), Health::new(metrics)).await.unwrap_err();
        assert!(error.to_string().contains(&page.address.to_string()), "{error}");
    }

    #[tokio::test]
    async fn version_is_told_and_unknown_paths_are_404() {
        let page = served().await;
        let (status, body) = page.json("/version").await;
        assert_eq!((status, &body["version"]), (200, &json!(env!("CARGO_PKG_VERSION"))));
        assert_eq!(page.get("/secrets", "*/*").await.0, 404);
    }
}
