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
use super::{account, inspection, links, objects, openapi, revocations};

/// The control API. It is for a listener of its own, never for the public one.
pub fn router(parts: ControlParts) -> Router {
    let ((short, _), (uploads, _)) = (short_routes().split_for_parts(), uploads().split_for_parts());
    short
        .layer(RequestBodyLimitLayer::new(BODY_MAX_BYTES))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_MAX_TIME))
        .merge(uploads)
        .with_state(Arc::new(parts))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(CatchPanicLayer::custom(account::panicked))
        .layer(middleware::from_fn(account::account))
}

/// The routes with their descriptions: nothing is served that is not described.
pub(super) fn routes() -> OpenApiRouter<Control> {
    short_routes().merge(uploads())
}

/// Those whose bodies are as large as an asset, and take as long. Limits of their own bound both, step by step.
fn uploads() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(objects::publish))
}

/// Those whose bodies are JSON, and that answer soon.
fn short_routes() -> OpenApiRouter<Control> {
    OpenApiRouter::with_openapi(openapi::skeleton())
        .routes(routes!(links::mint))
        .routes(routes!(links::mint_batch))
        .routes(routes!(links::look, links::end))
        .routes(routes!(revocations::revoke, revocations::list))
        .routes(routes!(revocations::lift))
        .routes(routes!(inspection::inspect_link))
        .routes(routes!(openapi::describe))
}

/// How long any of their answers may take: a batch has a minute, and gets to say what it could not do in it.
const ANSWER_MAX_TIME: Duration = Duration::from_secs(90);
