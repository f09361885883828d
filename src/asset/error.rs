//! Why an asset request did not get an asset, and the one table of what the fetcher of a link is told. What those who came by a presigned URL are
//! told stands in [`s3_error`](super::s3_error).
//!
//! A link that did not open learns nothing but that: every such reason has the same face. Only the holder of a link of ours learns
//! more, and even then never where our storage is or what it said.

use std::time::Duration;

use ::http::StatusCode;
use ::http::header::CONTENT_RANGE;

use crate::cache::ReadError;
use crate::http::{Problem, ProblemKind, content_range_unsatisfied};
use crate::link::Denial;
use crate::media::TypeRefusal;
use crate::origin::OriginError;
use crate::presign::PresignDenial;

/// Why an asset request did not get an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssetError {
    /// The link is not believed.
    Denied(Denial),
    /// The presigned URL is not believed.
    UrlDenied(PresignDenial),
    /// The link is good and the fetcher is not admitted.
    Refused,
    /// The request's own conditions are not met.
    PreconditionFailed,
    /// No range that was asked for exists.
    RangeUnsatisfiable {
        /// The content's length, in bytes.
        length: u64,
    },
    /// Nothing lies where the presigned URL leads to.
    NoSuchObject,
    /// What lies there is stored in a content coding, which no fetcher would undo.
    ContentEncoded(String),
    /// What lies there cannot be given a media type, or not this one.
    Type(TypeRefusal),
    /// The bytes could not be had.
    Read(ReadError),
}

impl From<TypeRefusal> for AssetError {
    fn from(refusal: TypeRefusal) -> Self {
        Self::Type(refusal)
    }
}

impl From<ReadError> for AssetError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl AssetError {
    /// A metric label for how the request ended.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Denied(denial) => denial.label(),
            Self::UrlDenied(denial) => denial.label(),
            Self::Refused => "fetcher",
            Self::PreconditionFailed => "precondition-failed",
            Self::RangeUnsatisfiable { .. } => "range-unsatisfiable",
            Self::NoSuchObject => "no-such-object",
            Self::ContentEncoded(_) => "content-encoded",
            Self::Type(refusal) => refusal.code(),
            Self::Read(error) => error.label(),
        }
    }

    /// What it means for a presigned URL that the store was asked what lies there, and said this.
    pub fn of_head(error: OriginError) -> Self {
        match error {
            OriginError::NotFound | OriginError::Unaddressable(_) => Self::NoSuchObject,
            error => Self::Read(ReadError::Origin(error)),
        }
    }

    /// Whether what the store said of the object a moment ago turned out to be true no more.
    pub(super) const fn is_overtaken(&self) -> bool {
        matches!(self, Self::Read(ReadError::Origin(OriginError::NotFound | OriginError::Changed)))
    }

    /// What the fetcher of a link is told.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Denied(Denial::Invalid(_)) => {
                LINK_INVALID.because("This is not a link of ours, or it was changed on its way.")
            }
            Self::Denied(Denial::Expired { at }) => {
                LINK_EXPIRED.because(format!("The link ended at {at}. Mint a new one."))
            }
            Self::Denied(Denial::Revoked(_)) => LINK_REVOKED.because("The link was ended by its owner."),
            Self::Refused => FETCHER_REFUSED.because("The link is good, but not for this fetcher."),
            Self::PreconditionFailed => PRECONDITION_FAILED.because("The asset is not the one you asked for."),
            Self::RangeUnsatisfiable { length } => RANGE_UNSATISFIABLE
                .because(format!("The asset has {length} bytes, and none of them is in the range."))
                .with_field(CONTENT_RANGE, content_range_unsatisfied(*length)),
            Self::Read(error) => read_problem(error),
            // A grant says all of this, so a link never comes here.
            Self::UrlDenied(_) | Self::NoSuchObject | Self::ContentEncoded(_) | Self::Type(_) => self.s3_problem(),
        }
    }
}

/// The store's own words stay with us.
pub(super) fn read_problem(error: &ReadError) -> Problem {
    match error {
        ReadError::Origin(OriginError::NotFound | OriginError::Changed) => {
            CONTENT_CHANGED.because("The asset was overwritten or deleted after the link was minted. Mint a new one.")
        }
        ReadError::Origin(OriginError::Timeout(_)) | ReadError::ManifestLate => {
            ORIGIN_TIMEOUT.because("The storage did not answer in time. Try again.")
        }
        ReadError::Origin(_) | ReadError::WrongBytes | ReadError::Lost => {
            ORIGIN_FAILED.because("The storage could not be read. Try again.")
        }
        ReadError::NoRoom => OVERLOADED
            .because("There is no room for another download now. Try again in a second.")
            .with_retry_after(COME_AGAIN),
    }
}

const LINK_INVALID: ProblemKind = ProblemKind::new(StatusCode::FORBIDDEN, "link-invalid", "The link is not valid");
const LINK_EXPIRED: ProblemKind = ProblemKind::new(StatusCode::GONE, "link-expired", "The link has expired");
const LINK_REVOKED: ProblemKind = ProblemKind::new(StatusCode::GONE, "link-revoked", "The link was revoked");
pub(super) const FETCHER_REFUSED: ProblemKind =
    ProblemKind::new(StatusCode::FORBIDDEN, "fetcher-refused", "The fetcher is not admitted");
const CONTENT_CHANGED: ProblemKind = ProblemKind::new(StatusCode::GONE, "content-changed", "The content has changed");
pub(super) const PRECONDITION_FAILED: ProblemKind =
    ProblemKind::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", "A precondition failed");
pub(super) const RANGE_UNSATISFIABLE: ProblemKind =
    ProblemKind::new(StatusCode::RANGE_NOT_SATISFIABLE, "range-unsatisfiable", "The range cannot be satisfied");
const ORIGIN_TIMEOUT: ProblemKind =
    ProblemKind::new(StatusCode::GATEWAY_TIMEOUT, "origin-timeout", "The storage did not answer in time");
/// A limit is reached for now.
pub const OVERLOADED: ProblemKind =
    ProblemKind::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "The gateway has no room now");
/// Blocks in flight are given back within fractions of a second, unless readers are slow; those are cut about once a second.
const COME_AGAIN: Duration = Duration::from_secs(1);
/// The storage could not be read.
pub const ORIGIN_FAILED: ProblemKind =
    ProblemKind::new(StatusCode::BAD_GATEWAY, "origin-failed", "The storage could not be read");
/// The request makes no sense.
pub const BAD_REQUEST: ProblemKind = ProblemKind::new(StatusCode::BAD_REQUEST, "bad-request", "The request is bad");
/// The request is for a host that is not ours.
pub const MISDIRECTED: ProblemKind =
    ProblemKind::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", "This host is not served here");
/// There is nothing at this path.
pub const NOT_FOUND: ProblemKind = ProblemKind::new(StatusCode::NOT_FOUND, "not-found", "There is nothing here");
/// The method is known and not allowed here.
pub const METHOD_NOT_ALLOWED: ProblemKind =
    ProblemKind::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The method is not allowed");
/// The method is not known.
pub const NOT_IMPLEMENTED: ProblemKind =
    ProblemKind::new(StatusCode::NOT_IMPLEMENTED, "not-implemented", "The method is not known");
