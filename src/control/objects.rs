//! `/v1/objects`: publish an asset. The body is its bytes, and goes to the publisher as it comes.

use ::http::StatusCode;
use ::http::header::LOCATION;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;

use super::caller::{May, Publish};
use super::object_answer::ObjectAnswer;
use super::object_request::{ObjectQuery, ObjectRequest};
use super::openapi::PublishProblems;
use super::parts::Control;
use super::problems::Failure;
use crate::publish::UploadError;

/// Publish an asset.
///
/// The body is the asset's bytes, and `Content-Type` what it is, where you know it. It is checked first, then stored under a key that
/// carries its fingerprint, where nothing is ever overwritten, and read back; the answer is a link to it. The same bytes under the same name
/// again are found to be there, and give the same link.
#[utoipa::path(
    post, path = "/v1/objects", tag = "objects", params(ObjectQuery),
    request_body(content = Vec<u8>, content_type = "*/*", description = "The asset's bytes, as they are"),
    responses(
        (status = 201, description = "It is stored, and this is the link to it", body = ObjectAnswer<'_>),
        (status = 200, description = "The same bytes lay there already, and this is a link to them", body = ObjectAnswer<'_>),
        PublishProblems
    )
)]
pub(super) async fn publish(
    client: May<Publish>,
    State(control): State<Control>,
    ObjectRequest(request): ObjectRequest,
    body: Body,
) -> Result<Response, Failure> {
    client.may_fill(&request.store, &request.prefix)?;
    let bytes = body.into_data_stream().map_err(|_| UploadError::Broken);
    let published = control.publisher.publish(client.name(), &request, bytes).await?;
    let status = if published.created { StatusCode::CREATED } else { StatusCode::OK };
    let answer = ObjectAnswer::of(&published);
    Ok((status, [(LOCATION, answer.location())], Json(answer)).into_response())
}
