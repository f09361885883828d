//! What those who came by a presigned URL are told: the one table from errors to S3's codes (Amazon S3 API Reference, "Error responses"), since
//! their clients parse them.
//!
//! Whoever has no key of ours learns only what is wrong with the form of the URL. An unknown key, a wrong signature and an object out of scope look
//! alike, and whether an object exists is told last. Nothing of the request is repeated.

use ::http::StatusCode;
use ::http::header::CONTENT_RANGE;

use super::AssetError;
use super::error::{FETCHER_REFUSED, PRECONDITION_FAILED, RANGE_UNSATISFIABLE, read_problem};
use crate::cache::ReadError;
use crate::http::{Problem, ProblemKind, content_range_unsatisfied};
use crate::media::TypeRefusal;
use crate::origin::OriginError;
use crate::presign::PresignDenial;

impl AssetError {
    /// What the fetcher of a presigned URL is told.
    pub fn s3_problem(&self) -> Problem {
        let problem = match self {
            Self::UrlDenied(denial) => unsigned(denial),
            Self::Refused => FETCHER_REFUSED.because("The URL is good, but not for this fetcher."),
            Self::PreconditionFailed => PRECONDITION_FAILED
                .because("At least one of the preconditions you specified did not hold.")
                .with_s3_code("PreconditionFailed"),
            Self::RangeUnsatisfiable { length } => RANGE_UNSATISFIABLE
                .because("The requested range is not satisfiable.")
                .with_field(CONTENT_RANGE, content_range_unsatisfied(*length))
                .with_s3_code("InvalidRange"),
            Self::NoSuchObject => NO_SUCH_KEY.because("The specified key does not exist."),
            Self::ContentEncoded(_) => CONTENT_ENCODED
                .because(
                    "The object is stored with a Content-Encoding; fetchers need the plain bytes, so store it without.",
                )
                .with_s3_code("InvalidRequest"),
            Self::Type(TypeRefusal::Active { .. }) => ACTIVE
                .because("This is active content, such as HTML, SVG or a script, which this store does not serve."),
            Self::Type(TypeRefusal::Contradiction { found, .. }) => BAD_ARGUMENT
                .because(format!("response-content-type contradicts the content, which is {found}."))
                .with_s3_code("InvalidArgument"),
            Self::Type(TypeRefusal::Pattern(_)) => BAD_ARGUMENT
                .because("response-content-type must name one media type, such as image/jpeg, and no pattern.")
                .with_s3_code("InvalidArgument"),
            Self::Read(ReadError::Origin(OriginError::NotFound | OriginError::Changed)) => CONFLICT
                .because("The object was overwritten while it was asked for. Try again.")
                .with_s3_code("OperationAborted"),
            Self::Read(error) => read_problem(error),
            // Only links have grants.
            Self::Denied(_) => self.problem(),
        };
        in_s3_words(problem)
    }
}

/// The same problem in S3's XML, where it has no code of S3's yet under the one that S3 has for its status.
pub fn in_s3_words(problem: Problem) -> Problem {
    let code = match problem.kind().status() {
        StatusCode::FORBIDDEN | StatusCode::GONE => "AccessDenied",
        StatusCode::NOT_FOUND => "NoSuchKey",
        StatusCode::METHOD_NOT_ALLOWED => "MethodNotAllowed",
        StatusCode::NOT_IMPLEMENTED => "NotImplemented",
        StatusCode::SERVICE_UNAVAILABLE => "SlowDown",
        status if status.is_server_error() => "InternalError",
        _ => "InvalidRequest",
    };
    problem.with_s3_code(code)
}

fn unsigned(denial: &PresignDenial) -> Problem {
    match denial {
        PresignDenial::OldSignature => OLD_SIGNATURE.because(sentence(denial)).with_s3_code("InvalidRequest"),
        PresignDenial::Malformed(fault) if fault.is_of_override() => {
            BAD_ARGUMENT.because(sentence(denial)).with_s3_code("InvalidArgument")
        }
        PresignDenial::Malformed(_) | PresignDenial::Lifetime { .. } | PresignDenial::TooFarAhead => {
            BAD_QUERY.because(sentence(denial)).with_s3_code("AuthorizationQueryParametersError")
        }
        PresignDenial::Disbelieved(_) => ACCESS_DENIED.because("Access Denied"),
        PresignDenial::Expired { .. } => EXPIRED.because("Request has expired"),
        PresignDenial::Revoked(_) => REVOKED.because("The URL was ended by its owner."),
    }
}

/// An error's text as a sentence.
fn sentence(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", chars.as_str())
}

const ACCESS_DENIED: ProblemKind = ProblemKind::new(StatusCode::FORBIDDEN, "access-denied", "Access denied");
const EXPIRED: ProblemKind = ProblemKind::new(StatusCode::FORBIDDEN, "link-expired", "The link has expired");
const REVOKED: ProblemKind = ProblemKind::new(StatusCode::FORBIDDEN, "link-revoked", "The link was revoked");
const ACTIVE: ProblemKind = ProblemKind::new(StatusCode::FORBIDDEN, "active-content", "Active content is not served");
const OLD_SIGNATURE: ProblemKind =
    ProblemKind::new(StatusCode::BAD_REQUEST, "old-signature", "The signature is of an old kind");
const BAD_QUERY: ProblemKind = ProblemKind::new(StatusCode::BAD_REQUEST, "bad-query", "The query is bad");
const BAD_ARGUMENT: ProblemKind =
    ProblemKind::new(StatusCode::BAD_REQUEST, "bad-argument", "A response-* parameter is bad");
const CONTENT_ENCODED: ProblemKind =
    ProblemKind::new(StatusCode::BAD_REQUEST, "content-encoded", "The object is stored in a content coding");
const NO_SUCH_KEY: ProblemKind = ProblemKind::new(StatusCode::NOT_FOUND, "no-such-key", "There is no such object");
const CONFLICT: ProblemKind = ProblemKind::new(StatusCode::CONFLICT, "overwritten", "The object was overwritten");
