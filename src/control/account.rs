//! One line for every request, and one face for every error.
//!
//! The line says who asked for which route, how it ended and how long it took: no path (it may hold an id), no body, no key.
//! What axum or a layer refuses by itself, such as an unknown route or method, leaves as a problem like everything else.

use std::any::Any;
use std::time::Instant;

use ::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use ::http::{HeaderValue, Request, StatusCode};
use axum::body::Body;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::caller::Who;
use super::problems::bare_problem;

/// Runs one request to its answer and accounts for it.
pub(super) async fn account(mut request: Request<Body>, next: Next) -> Response {
    let began = Instant::now();
    let who = Who::default();
    request.extensions_mut().insert(who.clone());
    let route = route_of(request.uri().path());
    // A method is a token of the caller's choosing; only those that some route takes are worth a line of theirs.
    let method = request.method().clone();
    let response = dressed(next.run(request).await);
    let method = if response.status() == StatusCode::METHOD_NOT_ALLOWED { "-" } else { method.as_str() };
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(client = who.name(), method, route, status = response.status().as_u16(), millis, "control request");
    response
}

/// The route that serves `path`, so that no id and no word of a stranger gets into the log.
fn route_of(path: &str) -> &'static str {
    match path {
        "/v1/links" => "/v1/links",
        "/v1/links/batch" => "/v1/links/batch",
        "/v1/objects" => "/v1/objects",
        "/v1/revocations" => "/v1/revocations",
        "/v1/inspect" => "/v1/inspect",
        "/v1/openapi.json" => "/v1/openapi.json",
        link if link.starts_with("/v1/links/") => "/v1/links/{id}",
        revocation if revocation.starts_with("/v1/revocations/") => "/v1/revocations/{id}",
        _ => "-",
    }
}

/// Answers in place of a handler that panicked.
pub(super) fn panicked(_: Box<dyn Any + Send>) -> Response {
    // The payload may hold anything, so it stays out of our log; the panic hook has named the place.
    tracing::error!("a control request panicked");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// No answer of this API may be kept by anybody: it holds links, or a refusal that will pass.
fn dressed(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let is_problem = response.headers().get(CONTENT_TYPE).is_some_and(|is| is == "application/problem+json");
    let mut response = if is_error && !is_problem { in_words(&response) } else { response };
    let fields = response.headers_mut();
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn in_words(bare: &Response) -> Response {
    let mut problem = bare_problem(bare.status());
    if let Some(methods) = bare.headers().get(ALLOW) {
        problem = problem.with_field(ALLOW, methods.clone());
    }
    problem.into_answer().into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::router::routes;

    #[test]
    fn every_route_is_logged_by_its_own_name_and_no_id_is() {
        for path in routes().into_openapi().paths.paths.keys() {
            assert_eq!(route_of(path), path);
            assert_eq!(route_of(&path.replace("{id}", "lnk_b4k7abcdefgh2345")), path);
        }
        for path in ["/", "/v1", "/v1/linksx", "/m/token/a.jpg", "/v2/links"] {
            assert_eq!(route_of(path), "-", "{path}");
        }
    }
}
