//! What a failed request to a cloud means to us.
//!
//! An answer with a fault is judged on the line, by its status and the store's own code; the library carries that verdict up as the innermost
//! cause of its error ([`Judged`]), and [`meaning`] finds it there. What failed without an answer is told by the kind of its transport error. The
//! library's own texts are used for neither: they hold URLs.

use std::error::Error;
use std::time::Duration;

use http::StatusCode;
use http_body_util::{BodyExt, Limited};
use object_store::client::{HttpError, HttpErrorKind, HttpResponse};

use super::Cloud;
use crate::origin::error::{causes, plain};
use crate::origin::{OriginError, Waited};

/// A verdict on an answer, as a cause of the library's error.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct Judged(pub(super) OriginError);

/// What was asked, as far as it changes what an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// HEAD of an object.
    Head,
    /// A pinned GET of an object.
    Read,
    /// A list, which the probe and a survey ask for.
    List,
    /// A PUT of a new object.
    Create,
}

/// The meaning of the library's error.
pub(super) fn meaning(error: &object_store::Error) -> OriginError {
    if let Some(Judged(said)) = cause(error) {
        return said.clone();
    }
    if let Some(transport) = cause::<HttpError>(error) {
        return of_transport(transport);
    }
    // serde's words may hold what stands in a file of credentials.
    match cause::<serde_json::Error>(error) {
        Some(json) => OriginError::Failed(format!(
            "its credentials are not what they should be (line {}, column {} of their JSON)",
            json.line(),
            json.column()
        )),
        None => OriginError::Failed(causes(error)),
    }
}

/// The meaning of an error without an answer.
pub(super) fn of_transport(error: &HttpError) -> OriginError {
    match error.kind() {
        HttpErrorKind::Timeout => OriginError::Timeout(Waited::Connection),
        HttpErrorKind::Decode => OriginError::Failed(causes(error)),
        _ => OriginError::Unavailable(causes(error)),
    }
}

/// The meaning of a status that whoever gives credentials answers.
pub(super) fn of_credentials(status: StatusCode) -> OriginError {
    let said = format!("the server that gives credentials answers {}", status.as_u16());
    match status.as_u16() {
        408 | 429 | 500..=599 => OriginError::Unavailable(said),
        _ => OriginError::Denied(format!("{said}; check the store's credentials")),
    }
}

/// The store's own code for a fault: a header in Azure, in GCS an element of the body.
pub(super) async fn code(cloud: Cloud, answered: HttpResponse) -> String {
    if cloud == Cloud::Azure {
        let code = answered.headers().get("x-ms-error-code").and_then(|code| code.to_str().ok());
        return code.map(plain).unwrap_or_default();
    }
    let body = Limited::new(answered.into_body(), FAULT_MAX).collect();
    let Ok(Ok(body)) = tokio::time::timeout(FAULT_WAIT, body).await else { return String::new() };
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| plain(code));
    code.unwrap_or_default()
}

/// The meaning of a status and code that the store answers.
pub(super) fn by_status(cloud: Cloud, asking: Asking, status: u16, code: &str) -> OriginError {
    let said = if code.is_empty() { status.to_string() } else { format!("{status} {code}") };
    match (asking, status, code) {
        (_, _, "NoSuchBucket" | "ContainerNotFound") | (Asking::List, 404, _) => {
            OriginError::Failed(format!("the {} does not exist", cloud.place()))
        }
        (_, _, "BlobArchived") => OriginError::Failed("the object is archived; rehydrate it first".into()),
        (Asking::Head, 404, _) => OriginError::NotFound,
        // 416: what was asked for does not exist in what lies there now.
        (Asking::Read, 404 | 410 | 412 | 416, _) => OriginError::Changed,
        (_, 401 | 403, _) | (_, 409, "PublicAccessNotPermitted") => {
            OriginError::Denied(format!("{said}: {}", cloud.rights(asking)))
        }
        (_, 300..=399, _) => {
            OriginError::Failed(format!("it answers {said}, a redirect, which is not followed; check the endpoint"))
        }
        (_, 408 | 429 | 500 | 502..=504, _) => OriginError::Unavailable(said),
        _ => OriginError::Failed(format!("it answers {said}")),
    }
}

/// The first cause of that type.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// How much of an error's body is read, and for how long.
const FAULT_MAX: usize = 64 * 1024;
const FAULT_WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::error::kind;

    #[test]
    fn a_status_means_what_a_caller_does_about_it() {
        for (asking, status, code, meant) in [
            (Asking::Head, 404, "", "not found"),
            (Asking::Head, 404, "BlobNotFound", "not found"),
            (Asking::Head, 404, "ContainerNotFound", "failed"),
            (Asking::Head, 403, "", "denied"),
            (Asking::Head, 401, "", "denied"),
            (Asking::Head, 412, "", "failed"),
            (Asking::Head, 503, "", "unavailable"),
            (Asking::Head, 302, "", "failed"),
            (Asking::Read, 404, "NoSuchKey", "changed"),
            (Asking::Read, 404, "NoSuchBucket", "failed"),
            (Asking::Read, 412, "ConditionNotMet", "changed"),
            (Asking::Read, 416, "InvalidRange", "changed"),
            (Asking::Read, 401, "", "denied"),
            (Asking::Read, 403, "AuthorizationPermissionMismatch", "denied"),
            (Asking::Read, 409, "BlobArchived", "failed"),
            (Asking::Read, 409, "PublicAccessNotPermitted", "denied"),
            (Asking::Read, 400, "InvalidArgument", "failed"),
            (Asking::Read, 429, "", "unavailable"),
            (Asking::Read, 500, "InternalError", "unavailable"),
            (Asking::Read, 501, "", "failed"),
            (Asking::Read, 503, "ServerBusy", "unavailable"),
            (Asking::List, 404, "", "failed"),
            (Asking::List, 403, "", "denied"),
        ] {
            for cloud in [Cloud::Gcs, Cloud::Azure] {
                assert_eq!(kind(&by_status(cloud, asking, status, code)), meant, "{asking:?} {status} {code}");
            }
        }
        for (status, meant) in
            [(400, "denied"), (401, "denied"), (404, "denied"), (302, "denied"), (429, "unavailable")]
        {
            assert_eq!(kind(&of_credentials(StatusCode::from_u16(status).unwrap())), meant, "{status}");
        }
    }
}
