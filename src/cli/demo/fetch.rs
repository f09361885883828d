//! A plain HTTP/1.1 client, so that the demo sees what a fetcher sees.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use ::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::cli::Failure;
use crate::doctor::META_AGENT;

/// A whole answer.
pub(super) struct Got {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// How long it took from the request to the head of the answer.
    pub(super) answered: Duration,
}

impl Got {
    /// A header field as text; empty where it is missing.
    pub(super) fn field(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<serde_json::Value, Failure> {
        serde_json::from_slice(&self.body).map_err(Failure::because)
    }
}

/// Fetches `path` from the public listener with these further header fields.
pub(super) async fn fetch(
    public: SocketAddr,
    method: Method,
    path: &str,
    fields: &[(&str, &str)],
) -> Result<Got, Failure> {
    let mut request = Request::builder().method(method).uri(path).header(HOST, public.to_string());
    if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(USER_AGENT.as_str())) {
        request = request.header(USER_AGENT, META_AGENT);
    }
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    send(public, request.body(Full::default()).map_err(Failure::because)?).await
}

/// Calls the control API with `key`.
pub(super) async fn call(
    control: SocketAddr,
    key: &str,
    method: Method,
    path: &str,
    json: &serde_json::Value,
) -> Result<Got, Failure> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, control.to_string())
        .header(AUTHORIZATION, format!("Bearer {key}"))
        .header(CONTENT_TYPE, "application/json");
    let body = if json.is_null() { Full::default() } else { Full::from(json.to_string()) };
    send(control, request.body(body).map_err(Failure::because)?).await
}

async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Result<Got, Failure> {
    let socket = TcpStream::connect(address).await.map_err(Failure::because)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.map_err(Failure::because)?;
    tokio::spawn(connection);
    let asked = Instant::now();
    let response = sender.send_request(request).await.map_err(Failure::because)?;
    let answered = asked.elapsed();
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(Failure::because)?.to_bytes();
    Ok(Got { status: head.status, headers: head.headers, body, answered })
}
