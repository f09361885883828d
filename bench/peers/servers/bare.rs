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
use hyper::server::conn::http2;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Peer, Runs, directory, free, start, wait_for};
use crate::secure::Papers;
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
pub fn peer(
    under: &Path,
    links: &BTreeMap<String, String>,
    forged: &[String],
    answers: &[Given],
    papers: &Papers,
) -> Peer {
    let (dir, at, secure) = (directory(under, "bare"), free(), free());
    let file = dir.join("answers.json");
    fs::write(&file, serde_json::to_vec(answers).unwrap()).unwrap();
    let program = std::env::current_exe().unwrap().display().to_string();
    let files = [&file, &papers.chain, &papers.key].map(|file| file.display().to_string());
    let [answers, chain, key] = files.each_ref().map(String::as_str);
    let (plain, tls) = (at.to_string(), secure.to_string());
    let arguments = ["--bare", &plain, "--secure", &tls, "--answers", answers, "--chain", chain, "--key", key];
    let arguments = arguments.map(str::to_owned);
    let running = start(&program, &arguments, &dir);
    wait_for(at, "the bare server", &dir);
    Peer {
        name: "bare hyper",
        version: "bare hyper 1".to_owned(),
        at,
        secure: Some(secure),
        links: links.clone(),
        forged: forged.to_vec(),
        has_store: false,
        runs: Runs::Processes(vec![running]),
    }
}

type Answers = HashMap<String, Vec<(Option<HeaderValue>, Response<Full<Bytes>>)>>;

/// What the other process does, until it is ended.
pub fn serve(at: SocketAddr, secure: SocketAddr, file: &Path, chain: &Path, key: &Path) {
    let answers = Arc::new(prepared(&serde_json::from_slice::<Vec<Given>>(&fs::read(file).unwrap()).unwrap()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tls = TlsAcceptor::from(Arc::new(tls(chain, key)));
    runtime.block_on(async {
        let with_tls = listen(secure, |stream| {
            let (answers, tls) = (Arc::clone(&answers), tls.clone());
            tokio::spawn(async move {
                let Ok(stream) = tls.accept(stream).await else { return };
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let (stream, answer) = (TokioIo::new(stream), answering(answers));
                if is_http2 {
                    let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(stream, answer).await;
                } else {
                    let _ = Builder::new().serve_connection(stream, answer).await;
                }
            });
        });
        let plain = listen(at, |stream| {
            tokio::spawn(Builder::new().serve_connection(TokioIo::new(stream), answering(Arc::clone(&answers))));
        });
        tokio::join!(plain, with_tls)
    });
}

async fn listen(at: SocketAddr, serve: impl Fn(TcpStream)) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(at).unwrap();
    let listener = socket.listen(4096).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        serve(stream);
    }
}

fn answering(
    answers: Arc<Answers>,
) -> impl Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible, Future = Answering> {
    service_fn(move |request| std::future::ready(Ok::<_, Infallible>(one(&answers, &request))))
}

type Answering = std::future::Ready<Result<Response<Full<Bytes>>, Infallible>>;

/// As Hallpass has it: its order of suites, one ticket for each handshake, no early data.
fn tls(chain: &Path, key: &Path) -> ServerConfig {
    let provider = CryptoProvider {
        cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256, cipher_suite::TLS13_AES_256_GCM_SHA384],
        ..aws_lc_rs::default_provider()
    };
    let chain = CertificateDer::pem_file_iter(chain).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec!["h2".into(), "http/1.1".into()];
    config.ignore_client_order = true;
    config.ticketer = aws_lc_rs::Ticketer::new().unwrap();
    config.send_tls13_tickets = 1;
    config
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
