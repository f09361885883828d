//! The routes, and what stands around all of them.

use std::sync::Arc;
use std::time::Duration;

use ::http::StatusCode;
use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json_body::BODY_MAX_BYTES;
use super::parts::{Control, ControlParts};
use super::{account, inspection, links, openapi, revocations};

/// The control API. It is for a listener of its own, never for the public one.
pub fn router(parts: ControlParts) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .with_state(Arc::new(parts))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(RequestBodyLimitLayer::new(BODY_MAX_BYTES))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_MAX_TIME))
        .layer(CatchPanicLayer::custom(account::panicked))
        .layer(middleware::from_fn(account::account))
}

/// The routes with their descriptions: nothing is served that is not described.
pub(super) fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::with_openapi(openapi::skeleton())
        .routes(routes!(links::mint))
        .routes(routes!(links::mint_batch))
        .routes(routes!(links::look, links::end))
        .routes(routes!(revocations::revoke, revocations::list))
        .routes(routes!(revocations::lift))
        .routes(routes!(inspection::inspect_link))
        .routes(routes!(openapi::describe))
}

/// How long any answer may take: a batch has a minute, and gets to say what it could not do in it.
const ANSWER_MAX_TIME: Duration = Duration::from_secs(90);
