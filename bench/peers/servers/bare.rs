//! The ceiling: a bare hyper server on one thread that answers from `Bytes` it has, with the very heads that Hallpass sends.
//!
//! It is this program again, told by a file which answers to give: they were fetched from Hallpass once. It judges nothing and
//! logs nothing.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderName, RANGE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpSocket;

use super::{Peer, Runs, directory, free, start, wait_for};
use crate::support::content;

/// One answer of Hallpass's, to be given again.
#[derive(Clone, Serialize, Deserialize)]
pub struct Given {
    pub path: String,
    /// The Range field of the request; empty where there is none.
    pub range: String,
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: GivenBody,
}

#[derive(Clone, Serialize, Deserialize)]
pub enum GivenBody {
    Text(String),
    /// Part of the content that grows from a seed.
    Part {
        seed: u64,
        length: u64,
        from: u64,
        to: u64,
    },
}

/// `links` are Hallpass's.
pub fn peer(under: &Path, links: &BTreeMap<String, String>, forged: &[String], answers: &[Given]) -> Peer {
    let (dir, at) = (directory(under, "bare"), free());
    let file = dir.join("answers.json");
    fs::write(&file, serde_json::to_vec(answers).unwrap()).unwrap();
    let program = std::env::current_exe().unwrap().display().to_string();
    let arguments = ["--bare", &at.to_string(), "--answers", &file.display().to_string()].map(str::to_owned);
    let running = start(&program, &arguments, &dir);
    wait_for(at, "the bare server", &dir);
    Peer {
        name: "bare hyper",
        version: "bare hyper 1".to_owned(),
        at,
        links: links.clone(),
        forged: forged.to_vec(),
        has_store: false,
        runs: Runs::Processes(vec![running]),
    }
}

type Answers = HashMap<String, Vec<(Option<HeaderValue>, Response<Full<Bytes>>)>>;

/// What the other process does, until it is ended.
pub fn serve(at: SocketAddr, file: &Path) {
    let answers = Arc::new(prepared(&serde_json::from_slice::<Vec<Given>>(&fs::read(file).unwrap()).unwrap()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(at).unwrap();
        let listener = socket.listen(4096).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let answers = Arc::clone(&answers);
            let answer = service_fn(move |request| std::future::ready(Ok::<_, Infallible>(one(&answers, &request))));
            tokio::spawn(Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
}

fn one(answers: &Answers, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let range = request.headers().get(RANGE);
    let of_path = answers.get(request.uri().path()).into_iter().flatten();
    let found = of_path.filter(|(of, _)| of.as_ref() == range).map(|(_, answer)| answer.clone()).next();
    found.unwrap_or_else(|| {
        let mut answer = Response::new(Full::default());
        *answer.status_mut() = StatusCode::NOT_FOUND;
        answer
    })
}

fn prepared(all: &[Given]) -> Answers {
    let mut contents = HashMap::new();
    let mut answers = Answers::new();
    for given in all {
        let body = match &given.body {
            GivenBody::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
            GivenBody::Part { seed, length, from, to } => {
                let whole = contents.entry(*seed).or_insert_with(|| content(*seed, *length));
                whole.slice(*from as usize..*to as usize)
            }
        };
        let mut answer = Response::new(Full::new(body));
        *answer.status_mut() = StatusCode::from_u16(given.status).unwrap();
        for (name, value) in &given.fields {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            answer.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        let range = (!given.range.is_empty()).then(|| HeaderValue::from_str(&given.range).unwrap());
        answers.entry(given.path.clone()).or_default().push((range, answer));
    }
    answers
}
