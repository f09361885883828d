//! What a request must be before anybody looks at its path: for our host, without a body, of a method that we serve.
//!
//! The public side takes no bodies. A body on a GET is the start of most smuggling, so such a request is answered and its connection
//! closed: nothing that follows on it is ever read as a request.

use ::http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use ::http::{HeaderMap, HeaderValue, Method, Uri};

use super::Hosts;
use crate::asset::{BAD_REQUEST, METHOD_NOT_ALLOWED, MISDIRECTED, NOT_IMPLEMENTED};
use crate::http::{Problem, Retrieval};

/// Checks that the request is for one of our hosts, and says so once.
pub(super) fn check_host(uri: &Uri, headers: &HeaderMap, hosts: &Hosts) -> Result<(), Problem> {
    let mut lines = headers.get_all(HOST).iter();
    let (Some(host), None) = (lines.next(), lines.next()) else {
        return Err(BAD_REQUEST.because("Send exactly one Host field."));
    };
    // The authority of an absolute-form target overrides Host (RFC 9112 section 3.2.2).
    let authority = uri.authority().map_or_else(|| host.to_str().unwrap_or_default(), |authority| authority.as_str());
    if hosts.are_ours(authority) { Ok(()) } else { Err(MISDIRECTED.because("This host is not served here.")) }
}

/// Checks that no body follows.
pub(super) fn check_framing(headers: &HeaderMap) -> Result<(), Problem> {
    if has_body(headers) {
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

/// What is told of `problem`: after a request with a body the connection is closed, whatever was wrong with it.
pub(super) fn told_of(problem: Problem, headers: &HeaderMap) -> Problem {
    let close = has_body(headers) || headers.get_all(HOST).iter().count() != 1;
    if close { problem.with_field(CONNECTION, HeaderValue::from_static("close")) } else { problem }
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING) || headers.get_all(CONTENT_LENGTH).iter().any(|length| length != "0")
}

/// RFC 9110 section 9.3, and RFC 5789.
const KNOWN_METHODS: [&str; 7] = ["POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
