//! Route, account, never fail.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use ::http::{HeaderValue, Request, Response, StatusCode, Uri};
use bytes::Bytes;
use futures_util::FutureExt;
use http_body::Body;
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use super::account::{Account, AccountedBody, SERVED};
use super::gate::{authority, check_framing, check_head, check_host, check_method, told_of};
use crate::asset::{
    AssetBody, AssetRequest, Assets, MISDIRECTED, NOT_FOUND, OVERLOADED, PresignedTarget, Story, Target, in_s3_words,
};
use crate::catalog::Catalog;
use crate::fetcher::{ClientAddr, PeerAddr, client_address};
use crate::http::{Problem, ProblemKind, Retrieval};
use crate::link::{Hosts, LinkPath, Whose};
use crate::server::NetworkRates;
use crate::telemetry::{AccessLog, Metrics};
use crate::value::{Clock, Live, StoreName};

/// The public front.
#[derive(Clone)]
pub struct Edge(Arc<EdgeParts>);

/// What the public front is made of.
pub struct EdgeParts {
    /// Answers asset requests.
    pub assets: Assets,
    /// The host names that are ours.
    pub hosts: Live<Hosts>,
    /// How many header fields a request may have.
    pub head_lines: usize,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Live<Vec<IpNet>>,
    /// How many requests each client network may send.
    pub rates: NetworkRates,
    /// Where each request is written down.
    pub access_log: AccessLog,
    /// Where fetches of our links are kept.
    pub catalog: Catalog,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The clock.
    pub clock: Clock,
}

/// An answer, and in one word how the request ended.
type Answer = (Response<AssetBody>, &'static str);

impl Edge {
    /// A front of these parts.
    pub fn new(parts: EdgeParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Answers one request from `peer`, whose connection is cut by `cut`.
    pub async fn handle<B: Body>(
        &self,
        request: Request<B>,
        peer: SocketAddr,
        cut: &CancellationToken,
    ) -> Response<AccountedBody> {
        let client = self.client_of(&request, peer);
        let mut account = Account::open(&self.0, &request, client);
        let (response, outcome) = match guarded(self.answer(&request, client, cut, &mut account.story)).await {
            Ok(answer) => answer,
            Err(problem) => {
                account.asked = Some(request.uri().clone());
                told(told_of(self.worded(problem, &request), &request))
            }
        };
        let (head, body) = response.into_parts();
        let body = account.enter(head.status, outcome, body);
        Response::from_parts(head, body)
    }

    /// How many requests each client network may send; they are to be looked after.
    pub fn rates(&self) -> &NetworkRates {
        &self.0.rates
    }

    fn client_of<B>(&self, request: &Request<B>, peer: SocketAddr) -> ClientAddr {
        let forwarded = request.headers().get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes);
        client_address(PeerAddr::new(peer), forwarded, &self.0.trusted_proxies.get())
    }

    fn check_rate(&self, client: ClientAddr) -> Result<(), Problem> {
        if self.0.rates.admit(client.ip()) {
            return Ok(());
        }
        self.0.metrics.overload_refusal(RATE);
        Err(OVERLOADED.because("Your network sends too many requests. Try again in a second.").with_retry_after(REFILL))
    }

    async fn answer<B: Body>(
        &self,
        request: &Request<B>,
        client: ClientAddr,
        cut: &CancellationToken,
        story: &mut Story,
    ) -> Result<Answer, Problem> {
        self.check_rate(client)?;
        let headers = request.headers();
        check_head(headers, self.0.head_lines)?;
        let authority = authority(request)?;
        let of_store = check_host(authority, &self.0.hosts.get())?;
        let route = self.route(request.uri(), authority, of_store.as_ref())?;
        let method = check_method(request.method())?;
        check_framing(request)?;
        let target = match route {
            Route::Robots => return Ok((robots(method), "robots")),
            Route::Asset(target) => target,
        };
        let request = AssetRequest { target, method, headers, client, cut };
        match self.0.assets.answer(&request, story).await {
            Ok(response) if response.status() == StatusCode::NOT_MODIFIED => Ok((response, "not-modified")),
            Ok(response) => Ok((response, SERVED)),
            Err(error) => Err(match target {
                Target::Link(_) => error.problem(),
                Target::Presigned(_) => error.s3_problem(),
            }),
        }
    }

    /// Where a request goes. `store` is the one whose own host was named.
    fn route<'a>(&self, uri: &'a Uri, authority: &'a str, store: Option<&'a StoreName>) -> Result<Route<'a>, Problem> {
        let path = uri.path();
        match store {
            None if LinkPath::is_meant_by(path) => Ok(Route::Asset(Target::Link(path))),
            _ if let Some(query) = self.presigned_query(uri, store.is_some()) => {
                Ok(Route::Asset(Target::Presigned(PresignedTarget { authority, path, query, store })))
            }
            _ if path == ROBOTS_PATH => Ok(Route::Robots),
            None => Err(NOT_FOUND.because("Only links are served here.")),
            Some(_) => Err(MISDIRECTED.because("Only presigned URLs are served on this host.")),
        }
    }

    /// The query, if it makes the URL a presigned one, right or wrong. No query makes a link of ours anything else.
    fn presigned_query<'a>(&self, uri: &'a Uri, is_of_store: bool) -> Option<&'a str> {
        let may_be = is_of_store || !LinkPath::is_meant_by(uri.path());
        uri.query().filter(|query| may_be && self.0.assets.are_presigned_by(query))
    }

    /// A problem as whoever sent the request parses it.
    fn worded<B>(&self, problem: Problem, request: &Request<B>) -> Problem {
        let hosts = self.0.hosts.get();
        let is_of_store = || authority(request).is_ok_and(|host| matches!(hosts.whose(host), Whose::Store(_)));
        match self.presigned_query(request.uri(), request.uri().query().is_some() && is_of_store()) {
            Some(_) => in_s3_words(problem),
            None => problem,
        }
    }
}

/// Where a request goes.
enum Route<'a> {
    Robots,
    Asset(Target<'a>),
}

/// A panic before there is an answer is answered, and its connection goes on. One in a body ends the connection, which `server` sees to.
async fn guarded(answering: impl Future<Output = Result<Answer, Problem>>) -> Result<Answer, Problem> {
    AssertUnwindSafe(answering).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!("a request panicked; it alone was ended");
        Err(FAILED.because("Something failed here. Try again."))
    })
}

/// Meta's fetcher honours `robots.txt`, so it must allow everything.
fn robots(method: Retrieval) -> Response<AssetBody> {
    let body = if method == Retrieval::Head { AssetBody::empty() } else { AssetBody::of(Bytes::from_static(ROBOTS)) };
    let mut response = Response::new(body);
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    fields.insert(CONTENT_LENGTH, HeaderValue::from(ROBOTS.len()));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}

fn told(problem: Problem) -> Answer {
    let outcome = problem.kind().code();
    let (status, fields, body) = problem.into_answer();
    let mut response = Response::new(AssetBody::of(body));
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    (response, outcome)
}

/// What metrics call the limit on requests; the setting is `limits.requests_per_second`.
const RATE: &str = "requests-per-second";
/// How long it takes until half of a bucket is there again.
const REFILL: Duration = Duration::from_secs(1);
const ROBOTS_PATH: &str = "/robots.txt";
const ROBOTS: &[u8] = b"User-agent: *\nAllow: /\n";
const FORWARDED_FOR: &str = "x-forwarded-for";
const FAILED: ProblemKind = ProblemKind::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "Something failed here");

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::BodyExt;
    use hyper::body::Incoming;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::net::TcpStream;

    use super::*;
    use crate::server::{ConnectionLimits, Drain, Listener, serve};

    /// What a request would be answered with, whose handling panics where its path says so.
    async fn handled(request: Request<Incoming>) -> Result<Response<AssetBody>, Infallible> {
        let answer = guarded(async {
            assert_ne!(request.uri().path(), "/panic", "the handling of a request fails");
            Ok((robots(Retrieval::Get), "robots"))
        });
        Ok(answer.await.unwrap_or_else(told).0)
    }

    #[tokio::test]
    async fn a_panic_before_the_head_is_a_500_and_its_connection_goes_on() {
        let listener = Listener::bind("public", "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (address, drain) = (listener.local_addr().unwrap(), Drain::new());
        let make = |_| service_fn(handled);
        let end = tokio::spawn(serve(
            listener,
            ConnectionLimits::default(),
            Live::new(Vec::new()),
            make,
            Arc::default(),
            drain.clone(),
        ));
        let socket = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (mut client, connection) = hyper::client::conn::http1::handshake(socket).await.unwrap();
        tokio::spawn(connection);
        for (path, status) in [("/", 200), ("/panic", 500), ("/", 200), ("/panic", 500)] {
            let request = Request::get(path).header("host", "x").body(String::new()).unwrap();
            let answer = client.send_request(request).await.unwrap();
            assert_eq!(answer.status(), status, "{path}");
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert_eq!(text.contains("\"failed\""), status == 500, "{text}");
            assert!(!text.contains("the handling"), "its words stay with us");
        }
        drop(client);
        drain.begin(Duration::ZERO, Duration::from_secs(10));
        assert_eq!(end.await.unwrap().cut, 0);
    }
}
