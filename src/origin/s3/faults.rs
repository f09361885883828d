//! What a failed request to a bucket means to us.
//!
//! The status decides, since an answer to HEAD has no body and so no error code; where there is a code, it tells the cases
//! apart that share a status (an absent key and an absent bucket are both 404). The store's own 401 and 403 are ours to mend,
//! and are never taken for "gone".

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::origin::error::{causes, plain};
use crate::origin::{OriginError, Waited};

/// What was asked, as far as it changes what an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// HEAD of an object.
    Head,
    /// A pinned GET of an object.
    Read,
    /// A list, which the probe asks for.
    List,
    /// A PUT of an object that must not exist.
    Create,
}

/// The meaning of the SDK's error.
pub(super) fn meaning<E>(asked: Asked, fault: &SdkError<E, HttpResponse>) -> OriginError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match fault {
        SdkError::ServiceError(said) => of_answer(asked, said.raw().status().as_u16(), said.err().code(), said.raw()),
        SdkError::ResponseError(said) if !said.raw().status().is_success() => {
            of_answer(asked, said.raw().status().as_u16(), None, said.raw())
        }
        SdkError::TimeoutError(_) => OriginError::Timeout(Waited::Connection),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => OriginError::Timeout(Waited::Connection),
        SdkError::DispatchFailure(failure) if failure.is_user() => OriginError::Failed(causes(fault)),
        SdkError::DispatchFailure(_) if lacks_credentials(&causes(fault)) => OriginError::Denied(causes(fault)),
        SdkError::ConstructionFailure(_) => OriginError::Failed(causes(fault)),
        other => OriginError::Unavailable(causes(other)),
    }
}

fn of_answer(asked: Asked, status: u16, code: Option<&str>, answered: &HttpResponse) -> OriginError {
    let code = code.map(plain).unwrap_or_default();
    let region = answered.headers().get("x-amz-bucket-region").map(plain);
    by_status(asked, status, &code, region.as_deref())
}

fn by_status(asked: Asked, status: u16, code: &str, region: Option<&str>) -> OriginError {
    let said = if code.is_empty() { status.to_string() } else { format!("{status} {code}") };
    match (asked, status, code) {
        (_, _, "NoSuchBucket") => OriginError::Failed("the bucket does not exist".into()),
        (Asked::Head, 404, _) => OriginError::NotFound,
        // 405: the version is a delete marker. 416: what was asked for does not exist in what lies there now.
        (Asked::Read, 404 | 405 | 410 | 412 | 416, _) => OriginError::Changed,
        (_, _, "InvalidObjectState") => OriginError::Failed("the object is archived; restore it first".into()),
        (_, _, "RequestTimeTooSkewed") => OriginError::Denied(format!("{said}: our clock is wrong")),
        (Asked::Create, 401 | 403, _) => OriginError::Denied(format!("{said}: {RIGHTS_TO_CREATE}")),
        (_, 401 | 403, _) => OriginError::Denied(format!("{said}: {RIGHTS}")),
        (Asked::Create, 501, _) => {
            OriginError::Failed(format!("it answers {said}: it cannot create without overwriting (If-None-Match)"))
        }
        (_, 400, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => OriginError::Denied(said),
        (_, 301 | 307 | 308, _) | (_, 400, "AuthorizationHeaderMalformed") => elsewhere(&said, region),
        (_, 408 | 429 | 500 | 502..=504 | 509, _) | (_, 400, "RequestTimeout") => OriginError::Unavailable(said),
        _ => OriginError::Failed(format!("it answers {said}")),
    }
}

fn elsewhere(said: &str, region: Option<&str>) -> OriginError {
    let region = region.unwrap_or("another one");
    OriginError::Failed(format!("it answers {said}: set the store's region, which is {region}"))
}

/// Whether the SDK found no credentials to sign with. Their error type is not among our dependencies, so its words are read.
fn lacks_credentials(causes: &str) -> bool {
    LACKS.iter().any(|words| causes.contains(words))
}

/// How `aws_credential_types::provider::error::CredentialsError` says that there are none, or that they are unusable.
const LACKS: [&str; 2] =
    ["the credential provider was not enabled", "the credentials provider was not properly configured"];
/// What a 403 most often means. Without the right to list, S3 says 403 and not 404 of a key that does not exist.
const RIGHTS: &str = "grant s3:GetObject and s3:GetObjectVersion on the objects, and s3:ListBucket on the bucket";
/// What a 403 to a PUT most often means.
const RIGHTS_TO_CREATE: &str = "to publish, grant s3:PutObject on the objects";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::error::kind;

    #[test]
    fn a_status_means_what_a_caller_does_about_it() {
        for (asked, status, code, meant) in [
            (Asked::Head, 404, "", "not found"),
            (Asked::Head, 403, "", "denied"),
            (Asked::Head, 412, "", "failed"),
            (Asked::Head, 503, "", "unavailable"),
            (Asked::Head, 301, "", "failed"),
            (Asked::Read, 404, "NoSuchKey", "changed"),
            (Asked::Read, 404, "NoSuchVersion", "changed"),
            (Asked::Read, 404, "NoSuchBucket", "failed"),
            (Asked::Read, 405, "MethodNotAllowed", "changed"),
            (Asked::Read, 412, "PreconditionFailed", "changed"),
            (Asked::Read, 416, "InvalidRange", "changed"),
            (Asked::Read, 401, "", "denied"),
            (Asked::Read, 403, "AccessDenied", "denied"),
            (Asked::Read, 403, "InvalidObjectState", "failed"),
            (Asked::Read, 400, "ExpiredToken", "denied"),
            (Asked::Read, 400, "RequestTimeout", "unavailable"),
            (Asked::Read, 400, "InvalidArgument", "failed"),
            (Asked::Read, 429, "", "unavailable"),
            (Asked::Read, 500, "InternalError", "unavailable"),
            (Asked::Read, 501, "NotImplemented", "failed"),
            (Asked::Read, 503, "SlowDown", "unavailable"),
            (Asked::List, 404, "NoSuchBucket", "failed"),
            (Asked::List, 403, "AccessDenied", "denied"),
            (Asked::Create, 403, "AccessDenied", "denied"),
            (Asked::Create, 404, "NoSuchBucket", "failed"),
            (Asked::Create, 400, "EntityTooLarge", "failed"),
            (Asked::Create, 400, "RequestTimeout", "unavailable"),
            (Asked::Create, 501, "NotImplemented", "failed"),
            (Asked::Create, 503, "SlowDown", "unavailable"),
        ] {
            assert_eq!(kind(&by_status(asked, status, code, None)), meant, "{asked:?} {status} {code}");
        }
    }

    #[test]
    fn a_bucket_of_another_region_is_named() {
        let said = by_status(Asked::Head, 301, "", Some("eu-west-1")).to_string();
        assert!(said.contains("set the store's region, which is eu-west-1"), "{said}");
    }
}
