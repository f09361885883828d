//! What a request must be before it is answered: for a host of ours, without a body, of a method that we serve.
//!
//! The public side takes no bodies. A body on a GET is the start of most smuggling, so such a request is answered and its connection
//! closed: nothing that follows on it is ever read as a request.

use ::http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use ::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version};
use http_body::Body;

use crate::asset::{BAD_REQUEST, METHOD_NOT_ALLOWED, MISDIRECTED, NOT_IMPLEMENTED};
use crate::http::{Problem, ProblemKind, Retrieval};
use crate::link::{Hosts, Whose};
use crate::value::StoreName;

/// The host that the request names, once.
pub(super) fn authority<B>(request: &Request<B>) -> Result<&str, Problem> {
    let mut lines = request.headers().get_all(HOST).iter().map(|line| line.to_str().unwrap_or_default());
    let (host, further) = (lines.next(), lines.next());
    let named = request.uri().authority().map(::http::uri::Authority::as_str);
    let is_http2 = request.version() == Version::HTTP_2;
    let authority = match (named, host) {
        _ if further.is_some() => None,
        (None, Some(host)) => Some(host),
        // The authority of an absolute-form target overrides Host (RFC 9112 section 3.2.2).
        (Some(named), Some(_)) if !is_http2 => Some(named),
        // HTTP/2 has a field of its own for it; Host may only say the same (RFC 9113 section 8.3.1).
        (Some(named), Some(host)) if named.eq_ignore_ascii_case(host) => Some(named),
        (Some(named), None) if is_http2 => Some(named),
        _ => None,
    };
    authority.ok_or_else(|| BAD_REQUEST.because("Name exactly one host."))
}

/// The store whose own host `authority` is; `None`: it is the gateway's own.
///
/// # Errors
/// 421 where it is nobody's here.
pub(super) fn check_host(authority: &str, hosts: &Hosts) -> Result<Option<StoreName>, Problem> {
    match hosts.whose(authority) {
        Whose::Ours => Ok(None),
        Whose::Store(store) => Ok(Some(store)),
        Whose::Nobody => Err(MISDIRECTED.because("This host is not served here.")),
    }
}

/// Checks that there are no more header lines than `most`. Over HTTP/1.1 the parser has done so already.
pub(super) fn check_head(headers: &HeaderMap, most: usize) -> Result<(), Problem> {
    if headers.len() > most {
        return Err(HEAD_TOO_LARGE.because("There are too many header fields."));
    }
    Ok(())
}

/// Checks that no body follows.
pub(super) fn check_framing<B: Body>(request: &Request<B>) -> Result<(), Problem> {
    if has_body(request) {
        return Err(BAD_REQUEST.because("Requests here have no body. The connection is closed."));
    }
    Ok(())
}

/// GET or HEAD; others are 405, and what is no method of HTTP is 501 (RFC 9110 section 15.6.2).
pub(super) fn check_method(method: &Method) -> Result<Retrieval, Problem> {
    if let Some(retrieval) = Retrieval::of(method) {
        return Ok(retrieval);
    }
    if KNOWN_METHODS.contains(&method.as_str()) {
        let problem = METHOD_NOT_ALLOWED.because("Only GET and HEAD are served here.");
        Err(problem.with_field(ALLOW, HeaderValue::from_static("GET, HEAD")))
    } else {
        Err(NOT_IMPLEMENTED.because("This is not a method of HTTP."))
    }
}

/// What is told of `problem`: after a request with a body the connection is closed, whatever was wrong with it. HTTP/2 frames its
/// requests, so there it is enough that the stream ends.
pub(super) fn told_of<B: Body>(problem: Problem, request: &Request<B>) -> Problem {
    let close = has_body(request) || request.headers().get_all(HOST).iter().count() != 1;
    let close = close && request.version() != Version::HTTP_2;
    if close { problem.with_field(CONNECTION, HeaderValue::from_static("close")) } else { problem }
}

fn has_body<B: Body>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let announced = headers.get_all(CONTENT_LENGTH).iter().any(|length| length != "0");
    announced || headers.contains_key(TRANSFER_ENCODING) || !request.body().is_end_stream()
}

/// RFC 6585 section 5.
const HEAD_TOO_LARGE: ProblemKind = ProblemKind::new(
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    "head-too-large",
    "The head of the request is too large",
);

/// RFC 9110 section 9.3, and RFC 5789.
const KNOWN_METHODS: [&str; 7] = ["POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
